"""What experiments draw: a file for each, a function for each of its figures."""

from importlib import import_module

__all__ = ["draw"]


def draw(module: str, names, result, name=None):
    """Figure `name` (one of `names`; default the first) of a result, by the function of that name in file `module`.

    ValueError if there is none of that name.
    """
    name = name or names[0]
    if name not in names:
        raise ValueError(f"name must be one of {', '.join(names)}; got {name!r}")
    return getattr(import_module(f".{module}", __name__), name)(result)
