"""Readers, download and check of data sets; synthetic inputs. Nothing heavy is imported before it is used."""

__all__ = ["fetch", "load"]


def __getattr__(name):
    if name in __all__:
        from . import store

        return getattr(store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
