"""One neuron, one step: charge, spike, reset, and their derivatives; scalars without decorator for all devices.

    h = charge(v, x)    v potential before, x input, h potential after, dimensionless; k = 1 / tau, tau in steps
    s = spike(h - theta)
    v = reset(h, s)     to v_r (hard) or by theta (soft)
    r = through(...)    dv/dh, with s' replaced by d, the surrogate's derivative
    m = toward(...)     dh/dk

All numbers of one call have the same type, so have their constants: see :func:`of_type`.

Reference: W. Fang et al. (2021), ICCV, 2641 (charge, fire, reset; learnt time constants).
"""

import types
from functools import cache
from typing import NamedTuple

import numpy as np

__all__ = [
    "Constants",
    "Neuron",
    "charge",
    "derivative",
    "of_type",
    "reset",
    "scalars",
    "spike",
    "through",
    "toward",
]


class Neuron(NamedTuple):
    """Which equations: what :func:`scalars` needs to choose."""

    decay_input: bool  # the input is multiplied by k
    hard: bool  # reset to v_r, else by theta
    detach: bool  # the spike in the reset counts as a constant on the way back
    strict: bool  # spike if h > theta, else if h >= theta
    soft: bool  # the spike is the surrogate's primitive
    primitive: object
    derivative: object


class Constants(NamedTuple):
    """Numbers of a layer, all of the type of its arrays."""

    k: float  # 1 / tau
    theta: float
    v_r: float
    keep: float  # dh/dv = 1 - k
    gain: float  # dh/dx = k or 1


def _charge_scaled(v, x, k, v_r):
    return v + k * (x - (v - v_r))


def charge(v, x, k, v_r):
    """Potential before the spike; the whole input is added."""
    return v - k * (v - v_r) + x


def _toward_scaled(h, v, k, v_r):
    return (h - v) / k  # = x - (v - v_r)


def toward(h, v, k, v_r):
    """dh/dk; `h` is the potential that `v` and the input gave."""
    return v_r - v


def spike(u, *slopes):
    """Whether there is a spike, u above threshold."""
    return u >= 0.0


def derivative(u, *slopes):
    """Of a spike after u, as the way back takes it: here that of a neuron that never fires."""
    return 0.0


def _spike_strict(u, *slopes):
    return u > 0.0


def reset(h, s, theta, v_r):
    """Potential after the spike: hard reset."""
    return v_r if s else h


def _by_theta(h, s, theta, v_r):
    return h - theta if s else h


def _hard_soft(h, s, theta, v_r):
    return (1.0 - s) * h + s * v_r


def _by_theta_soft(h, s, theta, v_r):
    return h - theta * s


def _through_hard_detached(h, s, d, theta, v_r):
    return 0.0 if s else 1.0


def through(h, s, d, theta, v_r):
    """dv/dh of a hard reset."""
    return (0.0 if s else 1.0) + (v_r - h) * d


def _through_hard_soft(h, s, d, theta, v_r):
    return (1.0 - s) + (v_r - h) * d


def _through_by_theta_detached(h, s, d, theta, v_r):
    return 1.0


def _through_by_theta(h, s, d, theta, v_r):
    return 1.0 - theta * d


def _float32(value):
    return np.float32(value)


def _float64(value):
    return np.float64(value)


def of_type(function, kind, **names):
    """`function` with its numbers, and those of its file that it uses, in the precision `kind`.

    A compiler would carry out ``0.5 * u`` in float64 for a float32 u. `names` replace others that it uses.
    """

    def convert(value):
        return np.float32(value) if kind == np.float32 and type(value) is float else value

    code = function.__code__.replace(co_consts=tuple(convert(c) for c in function.__code__.co_consts))
    names = {name: value for name, value in names.items() if name in code.co_names}
    used = {name: convert(v) for name, v in function.__globals__.items() if name in code.co_names}
    kept = {"__name__": function.__module__, "__builtins__": __builtins__, **used, **names}
    out = types.FunctionType(code, kept, function.__name__, function.__defaults__, function.__closure__)
    out.__module__, out.__qualname__ = function.__module__, function.__qualname__
    return out


@cache
def scalars(neuron, kind, **names):
    """The functions of `neuron` by the names that loops call them, in the precision `kind` (a dtype)."""
    if neuron.soft:
        spike_ = neuron.primitive
        reset_ = _hard_soft if neuron.hard else _by_theta_soft
        through_ = _through_hard_soft if neuron.hard else _through_by_theta
    else:
        spike_ = _spike_strict if neuron.strict else spike
        reset_ = reset if neuron.hard else _by_theta
        attached = through if neuron.hard else _through_by_theta
        detached = _through_hard_detached if neuron.hard else _through_by_theta_detached
        through_ = detached if neuron.detach else attached
    chosen = {
        "charge": _charge_scaled if neuron.decay_input else charge,
        "toward": _toward_scaled if neuron.decay_input else toward,
        "spike": spike_,
        "reset": reset_,
        "through": through_,
        "derivative": neuron.derivative,
    }
    real = _float32 if kind == np.float32 else _float64
    return {name: of_type(f, kind, **names) for name, f in chosen.items()} | {"real": real}
