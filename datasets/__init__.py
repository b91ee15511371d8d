"""Readers, download and check of data sets; synthetic inputs. Nothing heavy is imported before it is used."""

__all__ = ["fetch", "load", "load_spoken", "relative_timing"]

_HOMES = {"fetch": "store", "load": "store", "load_spoken": "spoken", "relative_timing": "timing"}


def __getattr__(name):
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
