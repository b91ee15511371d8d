"""Optimisers: SGD with momentum, Adam, AdamW, RAdam; each changes parameters and its own state in place.

    SGD     g <- g + l p;  m <- mu m + g;  p <- p - eta m
    Adam    g <- g + l p;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
            p <- p - eta (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
    AdamW   p <- p (1 - eta l), then Adam without the first term
    RAdam   p <- p (1 - eta l), then p <- p - eta R / (1 - b1^t) m / (sqrt(v) + eps) if rho_t >= 5,
            p <- p - eta m / (1 - b1^t) before;  rho_inf = 2 / (1 - b2) - 1,  rho_t = rho_inf - 2 t b2^t / (1 - b2^t),
            R^2 = (1 - b2^t) (rho_t - 4) (rho_t - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho_t)

g gradient, p parameter, eta step (`rate`), l decay, t = 1, 2, ... counted for each parameter. beta1 may be another one
at each step; the correction uses the present one.

Parameters, gradients and state are flat dicts of arrays. State holds ``name:m``, ``name:v`` and ``name:t``, so that
several optimisers with states of their own can share the parameters, each with its names. What differs from parameter
to parameter stands in one table ``{name: Fact(...)}``.

Kingma & Ba 2015 (Adam); Loshchilov & Hutter 2019 (AdamW); Liu et al. 2020 (RAdam).
"""

import math
from typing import NamedTuple

import numpy as np

from ...runtime.jit import kernel
from ...runtime.threads import in_blocks

__all__ = ["Fact", "adam", "adamw", "clip_norm", "clip_value", "radam", "sgd"]

_BLOCK = 1 << 18  # values of a parameter that one thread takes at a time
_FAST = {"contract", "nsz"}


class Fact(NamedTuple):
    """What an optimiser has to know about a parameter besides its value.

    ``decay``: is it subject to weight decay; ``rate``: factor of the step; ``clamp``: (low, high) that it is brought
    into after each step, or None (the moments are left alone); ``trained``: False leaves it as it is.
    """

    decay: bool = True
    rate: float = 1.0
    clamp: tuple[float, float] | None = None
    trained: bool = True


_FACT = Fact()


@kernel
def _clamped(x, low, high):
    x = low if x < low else x  # selects that let nan through, not min and max
    return high if x > high else x


@kernel(fastmath=_FAST)
def _sgd(p, g, m, c):
    rate, decay, mu, low, high = c
    for i in range(p.size):
        a = mu * m[i] + (g[i] + decay * p[i])
        m[i] = a
        p[i] = _clamped(p[i] - rate * a, low, high)


@kernel(fastmath=_FAST)
def _adam(p, g, m, v, c):
    # keep = 1 - eta l of the decoupled decay, l2 = l of the other one; only one of them is in use
    rate, root, eps, b1, b2, n1, n2, l2, keep, low, high = c
    for i in range(p.size):
        d = g[i] + l2 * p[i]
        a = b1 * m[i] + n1 * d
        b = b2 * v[i] + n2 * d * d
        m[i] = a
        v[i] = b
        p[i] = _clamped(keep * p[i] - rate * a / (root * np.sqrt(b) + eps), low, high)


def _flat(name, what, array):
    if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64) or not array.flags.c_contiguous:
        raise ValueError(f"{what} of {name} must be a C-contiguous array of float32 or float64, got {_told(array)}")
    return array.reshape(-1)


def _told(array):
    return f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__


def _apply(pass_over, arrays, constants):
    """One pass over flat arrays, in blocks; constants in the arrays' own precision."""
    number = arrays[0].dtype.type
    c = tuple(number(x) for x in constants)
    in_blocks(lambda start, stop: pass_over(*(a[start:stop] for a in arrays), c), arrays[0].size, _BLOCK)


def _work(params, gradients, facts, names):
    """Names, facts and flat arrays of what is to be changed, checked."""
    for name in gradients if names is None else names:
        if name not in params:
            raise ValueError(f"no parameter is called {name!r}; there are {', '.join(params)}")
        if name not in gradients:
            raise ValueError(f"there is no gradient of {name!r}")
        fact = (facts or {}).get(name, _FACT)
        if not fact.trained:
            continue
        p = _flat(name, "parameter", params[name])
        if not params[name].flags.writeable:
            raise ValueError(f"parameter {name} is read-only")
        g = np.ascontiguousarray(gradients[name], p.dtype)
        if g.shape != params[name].shape and g.size != 1:
            raise ValueError(f"gradient of {name} must have shape {params[name].shape}, got {g.shape}")
        if g.size != p.size:
            raise ValueError(f"gradient of {name} must have {p.size} values, got {g.size}")
        yield name, fact, p, g.reshape(-1)


def _moments(state, name, params, *keys):
    """Arrays of the state, made of zeros where they are missing."""
    out = []
    for key in keys:
        array = state.setdefault(f"{name}:{key}", np.zeros_like(params[name]))
        if array.shape != params[name].shape or array.dtype != params[name].dtype:
            raise ValueError(f"state {name}:{key} must be {_told(params[name])}, got {_told(array)}")
        out.append(array.reshape(-1))
    return out


def _next(state, name):
    count = state.setdefault(f"{name}:t", np.zeros((), np.int64))
    count += 1
    return int(count)


def _limits(fact):
    low, high = fact.clamp or (-math.inf, math.inf)
    if not low <= high:
        raise ValueError(f"clamp must be (low, high) with low <= high, got {fact.clamp}")
    return low, high


def _check(rate, decay, **unit):
    for what, value in {"rate": rate, "decay": decay}.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"{what} must be >= 0, got {value}")
    for what, value in unit.items():
        if not 0 <= value < 1:
            raise ValueError(f"{what} must be in [0, 1), got {value}")


def sgd(params, gradients, state, rate, *, momentum=0.0, decay=0.0, facts=None, names=None):
    """One step of gradient descent with momentum.

    Parameters
    ----------
    params, gradients, state : dict
        Flat dicts; `params` and `state` are changed in place, an empty `state` is filled.
    rate : float
        Step size eta.
    momentum, decay : float
        mu, and the factor of the L2 term.
    facts : dict, optional
        ``{name: Fact}``.
    names : iterable of str, optional
        Only these are changed; default: all that have a gradient.
    """
    _check(rate, decay, momentum=momentum)
    for name, fact, p, g in _work(params, gradients, facts, names):
        (m,) = _moments(state, name, params, "m")
        _apply(_sgd, (p, g, m), (rate * fact.rate, decay * fact.decay, momentum, *_limits(fact)))


def adam(
    params, gradients, state, rate, *, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.0, facts=None, names=None
):  # fmt: skip
    """One step of Adam, weight decay as an L2 term of the gradient; arguments as in :func:`sgd`.

    Examples
    --------
    >>> params, state = {"w": np.ones(1)}, {}
    >>> adam(params, {"w": np.ones(1)}, state, 0.1)
    >>> round(params["w"].item(), 6), sorted(state)
    (0.9, ['w:m', 'w:t', 'w:v'])
    """
    _check(rate, decay, beta1=beta1, beta2=beta2)
    for name, fact, p, g in _work(params, gradients, facts, names):
        m, v = _moments(state, name, params, "m", "v")
        t, eta, l = _next(state, name), rate * fact.rate, decay * fact.decay
        step, root = eta / (1 - beta1**t), 1 / math.sqrt(1 - beta2**t)
        _apply(_adam, (p, g, m, v), (step, root, eps, beta1, beta2, 1 - beta1, 1 - beta2, l, 1.0, *_limits(fact)))


def adamw(
    params, gradients, state, rate, *, beta1=0.9, beta2=0.999, eps=1e-8, decay=1e-2, facts=None, names=None
):  # fmt: skip
    """One step of Adam whose weight decay acts on the parameter itself; arguments as in :func:`sgd`."""
    _check(rate, decay, beta1=beta1, beta2=beta2)
    for name, fact, p, g in _work(params, gradients, facts, names):
        m, v = _moments(state, name, params, "m", "v")
        t, eta = _next(state, name), rate * fact.rate
        step, root, keep = eta / (1 - beta1**t), 1 / math.sqrt(1 - beta2**t), 1 - eta * decay * fact.decay
        _apply(_adam, (p, g, m, v), (step, root, eps, beta1, beta2, 1 - beta1, 1 - beta2, 0.0, keep, *_limits(fact)))


def radam(
    params, gradients, state, rate, *, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.0, facts=None, names=None
):  # fmt: skip
    """One step of rectified Adam; arguments as in :func:`sgd`."""
    _check(rate, decay, beta1=beta1, beta2=beta2)
    last = 2 / (1 - beta2) - 1
    for name, fact, p, g in _work(params, gradients, facts, names):
        m, v = _moments(state, name, params, "m", "v")
        t, eta = _next(state, name), rate * fact.rate
        rho = last - 2 * t * beta2**t / (1 - beta2**t)
        step, root, add, keep = eta / (1 - beta1**t), 0.0, 1.0, 1 - eta * decay * fact.decay
        if rho >= 5:  # else the second moment is not trusted: the divisor is 1
            ratio = (1 - beta2**t) * (rho - 4) * (rho - 2) * last / ((last - 4) * (last - 2) * rho)
            step, root, add = step * math.sqrt(ratio), 1.0, eps
        _apply(_adam, (p, g, m, v), (step, root, add, beta1, beta2, 1 - beta1, 1 - beta2, 0.0, keep, *_limits(fact)))


def clip_value(gradients, limit):
    """Gradients brought into [-limit, limit], value by value; a new dict."""
    if not limit > 0:
        raise ValueError(f"limit must be > 0, got {limit}")
    return {name: np.clip(g, -limit, limit) for name, g in gradients.items()}


def clip_norm(gradients, limit):
    """All gradients times min(1, limit / (norm + 1e-6)), and the norm of all of them together.

    The squares are summed in float64, one parameter after the other.

    Examples
    --------
    >>> clipped, norm = clip_norm({"a": np.array([3.0]), "b": np.array([4.0])}, 1.0)
    >>> round(clipped["a"].item(), 5), norm
    (0.6, 5.0)
    """
    if not limit > 0:
        raise ValueError(f"limit must be > 0, got {limit}")
    norm = math.sqrt(sum(np.square(g, dtype=np.float64).sum().item() for g in gradients.values()))
    factor = limit / (norm + 1e-6)
    if not factor < 1:
        return gradients, norm
    return {name: g * np.asarray(g).dtype.type(factor) for name, g in gradients.items()}, norm
