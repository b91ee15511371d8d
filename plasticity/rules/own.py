"""A rule by name: one of a family's table, or a class in the user's own file. Only the standard library is imported."""

import importlib.util
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

__all__ = ["find_rule", "make_rule"]


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
    path, _, wanted = name.partition(":") if ".py:" in name else (name, "", "")
    if not path.endswith(".py"):
        raise ValueError(f"rule must be one of {', '.join(rules)}, or FILE.py[:Class]; got {name!r}")
    found = {
        k: v
        for k, v in vars(_module(Path(path))).items()
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
    for pair in filter(None, (part.strip() for part in more.split(","))):
        name, _, value = pair.partition("=")
        if name.strip() not in names:
            raise ValueError(f"rule has no parameter {name.strip()!r}; {kind.__name__} has {', '.join(sorted(names))}")
        try:
            values[name.strip()] = float(value)
        except ValueError:
            raise ValueError(f"rule parameter {name.strip()} must be a number, got {value!r}") from None
    return kind(**values)


def _module(path):
    if not path.is_file():
        raise ValueError(f"rule: {path} does not exist")
    name = f"firstspike_rule_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"rule: {path} does not run: {type(error).__name__}: {error}") from None
    return module
