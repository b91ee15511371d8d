"""Config files of a run: TOML or JSON with ``command``, ``preset``, ``seed``, ``seeds`` and a table ``parameters``.

``--dry-run`` prints one; ``--config`` reads it. Values may be numbers in SI or text with a unit.
"""

import json
import sys
import tomllib
from pathlib import Path

__all__ = ["ConfigError", "read_config", "read_table", "to_toml"]

_KEYS = {"command": str, "preset": str, "seed": int, "seeds": int, "parameters": dict}
_MOST = 10_000_000  # bytes; a config file is small


class ConfigError(ValueError):
    """A config file that cannot be used; the text names file, key and value."""

    exit_code = 3


def read_config(path: str, name: str) -> dict:
    """Content of a config file for the experiment `name`; ``-`` reads JSON from standard input.

    Raises ConfigError if it is not TOML or JSON (by suffix), is for another command, or has unknown keys.
    """
    label = "standard input" if path == "-" else path
    found = read_table(path, _KEYS, ignored=("memory_bytes",))
    if found.get("command", name).split()[-1:] != [name]:
        raise ConfigError(f"{label} is for `firstspike {found['command']}`, not for {name}")
    for key, value in found.get("parameters", {}).items():
        kinds = (str, int, float, list)
        if (
            not (value is None or isinstance(value, kinds))
            or isinstance(value, list)
            and not all(isinstance(v, (str, int, float)) for v in value)
        ):
            raise ConfigError(f"{label}: parameters.{key} must be a number, text, or a list of these, got {value!r}")
    return found


def read_table(path: str, keys: dict, ignored=()) -> dict:
    """A TOML or JSON file (by suffix; ``-`` = JSON from standard input) with these keys of these types.

    Raises ConfigError.
    """
    label = "standard input" if path == "-" else path
    kind = "JSON" if path == "-" or path.endswith(".json") else "TOML"
    try:
        text = sys.stdin.read(_MOST) if path == "-" else _text(Path(path))
        found = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{label}: {error}") from None
    except ValueError as error:
        raise ConfigError(f"{label} is not {kind}: {error}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{label}: a table of keys is expected, got {type(found).__name__}")
    for key, value in found.items():
        if key in ignored:
            continue
        if key not in keys:
            raise ConfigError(f"{label}: unknown key {key!r}; there are {', '.join(keys)}")
        if not isinstance(value, keys[key]) or isinstance(value, bool):
            raise ConfigError(f"{label}: {key} must be of type {keys[key].__name__}, got {value!r}")
    if not 1 <= found.get("seeds", 1) < 2**31 or not 0 <= found.get("seed", 0) < 2**63:
        raise ConfigError(f"{label}: seed must be >= 0 and < 2**63, seeds >= 1 and < 2**31")
    return found


def _text(path):
    with path.open("rb") as handle:
        data = handle.read(_MOST + 1)
    if len(data) > _MOST:
        raise OSError(f"larger than {_MOST} bytes")
    return data.decode()


def to_toml(plan: dict, units: dict) -> str:
    """A plan (as of :func:`read_config`) as TOML text, units in comments."""
    lines = [f"{key} = {_value(value)}" for key, value in plan.items() if key != "parameters"]
    lines += ["", "[parameters]"]
    for key, value in plan["parameters"].items():
        unit = units.get(key, "1")
        lines.append(f"{key} = {_value(value)}" + ("" if unit == "1" or isinstance(value, str) else f"  # {unit}"))
    return "\n".join(lines)


def _value(value):
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
