"""firstspike: biologically plausible learning in spiking networks, on Numba.

Public names are loaded on first use, so that ``import firstspike`` costs nothing:
``run``, ``open``, ``theory``, ``Result`` and the learners by class name.
"""

__version__ = "0.1.0"

_LAZY = {
    "run": ("sims.experiments", "run"),
    "open": ("runtime.results", "open_result"),
    "Result": ("runtime.results", "Result"),
    "BS4NN": ("plasticity.learners.bs4nn", "BS4NN"),
    "DelaySNN": ("plasticity.learners.delays", "DelaySNN"),
    "RSTDP": ("plasticity.learners.rstdp", "RSTDP"),
    "S4NN": ("plasticity.learners.s4nn", "S4NN"),
    "SDNN": ("plasticity.learners.sdnn", "SDNN"),
    "STiDi": ("plasticity.learners.stidi", "STiDi"),
}
_MODULES = ("theory", "plasticity", "sims", "datasets", "runtime")

__all__ = ["__version__", *_LAZY, *_MODULES]


def __getattr__(name):
    from importlib import import_module

    if name in _LAZY:
        module, attribute = _LAZY[name]
        return getattr(import_module(f".{module}", __name__), attribute)
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'firstspike' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
