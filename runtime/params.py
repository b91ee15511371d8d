"""Parameters: one dataclass says name, type, default, unit, range, help and source.

From it come the command-line options, the parameter table of the help page, the checks and the attributes of the
result file. Everything is SI inside; text may carry a unit (``"10ms"``, ``"5Hz"``, ``"90%"``). Standard library only,
so that help texts stay light.
"""

import difflib
import math
import re
import types
import typing
from dataclasses import MISSING, field, fields, replace

__all__ = ["allowed", "as_dict", "check", "describe", "from_dict", "param", "quantity", "update"]

_PREFIX = {"n": -9, "u": -6, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}  # powers of ten
_PREFIXED = ("s", "Hz", "V", "m", "A", "B")
_MINUTES = {("s", "min"): 60.0, ("s", "h"): 3600.0}
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+))(?:[eE]([-+]?\d+))?\s*([^\d\s]*)\s*$")


def param(default, help, unit="1", *, choices=None, option=False, axis=False, source="", **bounds):
    """A field of a parameter dataclass.

    Parameters
    ----------
    default : object
        The type is the annotation (int, float, bool, str, ``tuple[float, ...]``, ``X | None``).
    help : str
        One line.
    unit : str
        SI unit of the number, ``"1"`` if it has none.
    choices : sequence, optional
        The allowed values.
    option : bool
        Give it a command-line option of its own (``n_train`` becomes ``--n-train``).
    axis : bool
        The values of a tuple are points that one run covers (an axis of its result), not parts of one setting.
    source : str
        Where the default comes from.
    **bounds : float
        Closed (``low``, ``high``) and open (``above``, ``below``) bounds; for tuples of every element.
    """
    if unknown := set(bounds) - {"low", "high", "above", "below"}:
        raise TypeError(f"unknown bound {sorted(unknown)}")
    meta = {"help": help, "unit": unit, "choices": choices, "option": option, "source": source, **bounds}
    if axis:
        meta["axis"] = True
    return field(default=default, metadata=meta)


def quantity(text: str, unit: str = "1") -> float:
    """Number in SI from text such as ``"10ms"`` (`unit` is the SI unit it must have).

    Examples
    --------
    >>> quantity("10 ms", "s"), quantity("5", "Hz"), quantity("95%")
    (0.01, 5.0, 0.95)
    """
    match = _NUMBER.match(text)
    if not match:
        raise ValueError(f"{text!r} is not a number{'' if unit == '1' else f' with unit {unit}'}")
    digits, exponent, suffix = match[1], int(match[2] or 0), match[3]
    if suffix in ("", unit):
        return float(f"{digits}e{exponent}")
    if (unit, suffix) == ("1", "%"):
        return float(f"{digits}e{exponent - 2}")
    if (unit, suffix) in _MINUTES:
        return float(f"{digits}e{exponent}") * _MINUTES[unit, suffix]
    if unit in _PREFIXED and suffix.endswith(unit) and suffix[: -len(unit)] in _PREFIX:
        # the power of ten goes into the text, so that 18ms is the same double as 18e-3
        return float(f"{digits}e{exponent + _PREFIX[suffix[: -len(unit)]]}")
    hint = f"a number in {unit}, for instance 10m{unit}" if unit in _PREFIXED else f"a number in {unit}"
    raise ValueError(f"{text!r} does not fit: {hint if unit != '1' else 'a plain number'} is expected")


def _types(cls):
    hints = typing.get_type_hints(cls)
    out = {}
    for f in fields(cls):
        hint, optional, many = hints[f.name], False, False
        if typing.get_origin(hint) in (typing.Union, types.UnionType):
            inner = [a for a in typing.get_args(hint) if a is not type(None)]
            hint, optional = inner[0], True
        if typing.get_origin(hint) is tuple:
            hint, many = typing.get_args(hint)[0], True
        out[f.name] = (hint, many, optional)
    return out


def _scalar(value, kind, unit):
    if isinstance(value, str) and kind is not str:
        text = value.strip()
        if kind is bool:
            if text.lower() in ("1", "true", "yes", "on", "0", "false", "no", "off"):
                return text.lower() in ("1", "true", "yes", "on")
            raise ValueError(f"{value!r} is neither yes nor no")
        value = quantity(text, unit)
    if kind is bool:
        if not isinstance(value, (bool, int)) or value not in (0, 1):
            raise ValueError(f"{value!r} is neither yes nor no")
        return bool(value)
    if kind is int:
        if float(value) != int(value):
            raise ValueError(f"{value!r} is not a whole number")
        return int(value)
    return kind(value)


def _convert(value, kind, many, optional, unit):
    if optional and (value is None or (isinstance(value, str) and value.strip().lower() == "none")):
        return None
    if not many:
        return _scalar(value, kind, unit)
    parts = value.strip("()[] ").split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
        parts = (parts,)
    return tuple(_scalar(v, kind, unit) for v in parts if not (isinstance(v, str) and not v.strip()))


def update(params, settings: dict, validate: bool = True):
    """A copy of `params` with `settings` (values or text with units) put in, checked.

    `validate` false leaves out the rules across fields (and whether files are there): for parameters of old results.

    Raises ValueError for an unknown key (with the nearest name), a wrong type or a value out of range.
    """
    kinds = _types(type(params))
    new = {}
    for key, value in settings.items():
        key = key.replace("-", "_")
        if key not in kinds:
            near = difflib.get_close_matches(key, kinds, 1, 0.5)
            raise ValueError(f"unknown parameter {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        unit = type(params).__dataclass_fields__[key].metadata.get("unit", "1")
        try:
            kind, many, optional = kinds[key]
            new[key] = _convert(value, kind, many, optional, unit)
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"{key}: {error}") from None
    return check(replace(params, **new), validate)


def allowed(meta) -> str:
    """The range of a field as text, from its metadata; empty if it has none."""
    return _range_text(meta, "1")


def _range_text(meta, unit):
    tail = "" if unit == "1" else f" {unit}"
    pairs = (("low", ">="), ("above", ">"), ("high", "<="), ("below", "<"))
    return " and ".join(f"{sign} {meta[k]:g}{tail}" for k, sign in pairs if meta.get(k) is not None)


def check(params, validate: bool = True):
    """Return `params`; raise ValueError naming the first field whose type or value is not allowed.

    A class may add rules across fields in a method ``validate()`` and name tuples that may be empty in
    ``MAY_BE_EMPTY``.
    """
    kinds = _types(type(params))
    for f in fields(params):
        value, meta, (kind, many, optional) = getattr(params, f.name), f.metadata, kinds[f.name]
        if value is None and optional:
            continue
        try:
            value = _convert(value, kind, many, optional, meta.get("unit", "1"))
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"{f.name}: {error}") from None
        setattr(params, f.name, value)
        if many and not value and f.name not in getattr(params, "MAY_BE_EMPTY", ()):
            raise ValueError(f"{f.name} must have at least one value")
        for v in value if many else (value,):
            _check_value(f.name, v, meta)
    if validate and hasattr(params, "validate"):
        params.validate()
    return params


def _check_value(name, v, meta):
    if meta.get("choices") and v not in meta["choices"]:
        raise ValueError(f"{name} must be one of {', '.join(map(str, meta['choices']))}; got {v!r}")
    if isinstance(v, (bool, str)):
        return
    bad = not math.isfinite(v)
    bad |= meta.get("low") is not None and v < meta["low"]
    bad |= meta.get("high") is not None and v > meta["high"]
    bad |= meta.get("above") is not None and v <= meta["above"]
    bad |= meta.get("below") is not None and v >= meta["below"]
    if bad:
        unit = meta.get("unit", "1")
        raise ValueError(f"{name} must be {_range_text(meta, unit) or 'finite'}, got {v:g}")


def as_dict(params) -> dict:
    """Fields as plain JSON values (tuples become lists)."""
    values = {f.name: getattr(params, f.name) for f in fields(params)}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def from_dict(cls, values: dict, validate: bool = True):
    """Instance of `cls` from plain values (the inverse of :func:`as_dict`), checked as by :func:`update`."""
    return update(cls(), values, validate)


def text(value, unit="1") -> str:
    """A value as a person would write it, with its unit."""
    if isinstance(value, (list, tuple)):
        return ",".join(text(v, unit) for v in value)
    if value is None or isinstance(value, (bool, str)):
        return str(value)
    if isinstance(value, float) and unit in ("s", "Hz") and value and math.isfinite(value):
        for name in ("", "m", "u") if unit == "s" else ("M", "k", ""):
            scale = 10.0 ** _PREFIX[name]
            if abs(value) >= 0.99999 * scale:
                return f"{value / scale:.6g}{name}{unit}"
    return f"{value:.10g}" + ("" if unit == "1" else f" {unit}")


def describe(params) -> list[tuple[str, str, str, str]]:
    """Rows (name, default with unit, help, source) of the parameter table."""
    rows = []
    for f in fields(params):
        value = getattr(params, f.name) if not isinstance(params, type) else f.default
        value = "" if value is MISSING else text(value, f.metadata.get("unit", "1"))
        line = f.metadata.get("help", "")
        if f.metadata.get("choices"):
            line += f" ({'|'.join(map(str, f.metadata['choices']))})"
        rows.append((f.name, value, line, f.metadata.get("source", "")))
    return rows
