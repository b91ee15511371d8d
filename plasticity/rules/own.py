"""A rule by name: one of a family's table, or a class in the user's own file. Only the standard library is imported."""

import hashlib
import importlib.util
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

__all__ = ["check_name", "find_rule", "make_rule", "rule_file"]


def rule_file(name: str, rules: dict) -> Path | None:
    """File that the rule `name` stands in; None for a name of `rules`. Nothing is run.

    Raises ValueError for an unknown name and for a file that is not there.
    """
    if name in rules:
        return None
    path = Path(name.partition(".py:")[0] + ".py" if ".py:" in name else name)
    if path.suffix != ".py":
        raise ValueError(f"rule must be one of {', '.join(rules)}, or FILE.py[:Class]; got {name!r}")
    if not path.is_file():
        raise ValueError(f"rule: {path} does not exist")
    return path


def check_name(name: str, rules: dict, settings: str = "") -> None:
    """Raise ValueError unless `name` can be a rule, and `settings` are of the form name=number,name=number."""
    rule_file(name, rules)
    _pairs(settings)


def find_rule(name: str, rules: dict, actions: tuple[str, ...]):
    """Class of the rule `name`: a key of `rules`, or ``FILE.py`` or ``FILE.py:Class``.

    Parameters
    ----------
    name : str
        What the user wrote. A file is run as Python.
    rules : dict
        Name -> class of the rules of a family.
    actions : tuple of str
        Functions of which a rule of this family has at least one; they tell the rule among the classes of a file.

    Raises
    ------
    ValueError
        Unknown name, a file that is not there or does not run, or that holds no such class, or several.
    """
    if name in rules:
        return rules[name]
    path, wanted = rule_file(name, rules), name.partition(".py:")[2]
    assert path is not None
    found = {
        k: v
        for k, v in vars(_module(path)).items()
        if isinstance(v, type) and is_dataclass(v) and any(hasattr(v, a) for a in actions)
    }
    own = {k: v for k, v in found.items() if v not in rules.values()}
    if wanted and wanted not in own:
        raise ValueError(f"rule: {path} has no rule {wanted!r}; it has {', '.join(own) or 'none'}")
    if not wanted and len(own) != 1:
        what = f"several: {', '.join(own)}; name one as {path}:{next(iter(own))}" if own else "none"
        raise ValueError(f"rule: one dataclass with {' or '.join(actions)} is expected in {path}, there is {what}")
    return own[wanted] if wanted else next(iter(own.values()))


def make_rule(kind, settings: dict, more: str = ""):
    """Instance of `kind` from those `settings` that it has fields for, and from text ``name=number,name=number``.

    Raises ValueError for a name in `more` that is not a field, or a value that is not a number.
    """
    names = {f.name for f in fields(kind)}
    values = {k: v for k, v in settings.items() if k in names}
    for name, value in _pairs(more).items():
        if name not in names:
            raise ValueError(f"rule has no parameter {name!r}; {kind.__name__} has {', '.join(sorted(names))}")
        values[name] = value
    return kind(**values)


def _pairs(text):
    out = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = pair.partition("=")
        try:
            out[name.strip()] = float(value)
        except ValueError:
            raise ValueError(f"rule parameter {name.strip()} must be a number, got {value!r}") from None
    return out


def _module(path):
    # named after its content: a moved or copied file is the same rule, an edited one another
    name = f"firstspike_rule_{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"rule: {path} does not run: {type(error).__name__}: {error}") from None
    return module
