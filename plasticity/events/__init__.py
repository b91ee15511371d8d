"""Engine 1, events: spikes in continuous time, one after the other.

:class:`LIF` the neuron, :func:`init_state` and :func:`advance` the exact engine, :func:`record` and
:func:`trajectory` the same with V(t), :func:`advance_clock` the clock-driven twin. :class:`SRM`, :func:`init_srm`,
:func:`advance_srm`, :func:`record_srm`, :func:`advance_srm_clock`: the same for the double-exponential neuron.
"""

_HOME = {
    "LIF": "lif",
    "SRM": "srm",
    "advance": "engine",
    "advance_clock": "clock",
    "advance_srm": "srm_engine",
    "advance_srm_clock": "srm_clock",
    "init_srm": "srm_engine",
    "init_state": "engine",
    "record": "engine",
    "record_srm": "srm_engine",
    "trajectory": "engine",
}
__all__ = sorted(_HOME)


def __getattr__(name):
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
