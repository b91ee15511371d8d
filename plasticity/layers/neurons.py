"""Spiking neurons over time steps, forwards and backwards: IF, LIF, PLIF, and leaky integrators that do not spike.

    h[t] = v[t-1] + k (x[t] - (v[t-1] - v_r))      decay_input;  else  h[t] = v[t-1] - k (v[t-1] - v_r) + x[t]
    s[t] = 1 if h[t] >= theta (strict: >), else 0
    v[t] = h[t] where s[t] = 0, else v_r (hard reset), or h[t] - theta (soft reset: v_r = None, and 0 in the charge)

k = 1 / tau with tau in steps; v[-1] = v_r. IF: h = v + x. PLIF: k = 1 / (1 + exp(-w)) with one learnt w a layer. On the
way back, with ' the surrogate's derivative at h - theta and a[t] = dL/dh[t],

    a[t] = ds[t] s'[t] + r[t] dL/dv[t],    dL/dv[t-1] = (1 - k) a[t],    dx[t] = a[t] (times k: decay_input)
    r[t] = 1 - s[t] + (v_r - h[t]) s'[t]   (hard),   1 - theta s'[t]   (soft);   the terms with s' unless detached
    dk   = sum a[t] (x[t] - (v[t-1] - v_r)),   without decay_input  -sum a[t] (v[t-1] - v_r);    dw = k (1 - k) dk

Activity is (T, N, ...), float32 or float64; spikes are uint8. A pair (see pairs.py) keeps h for the way back. Potential
and input are dimensionless. Parameters p: ``w`` (PLIF) and, if wanted, ``state``, the potential before the first step
(N, ...): then ``saved.state`` is the potential after the last one and dp["state"] the gradient of the first.

References: W. Fang et al. (2021), ICCV, 2641 (PLIF); E. O. Neftci, H. Mostafa & F. Zenke (2019), IEEE Signal Process.
Mag. 36:51 (gradients).
"""

import math
from typing import NamedTuple

import numpy as np

from ...runtime.threads import in_blocks
from .neurons_cpu import BLOCK, loops
from .neurons_scalars import Constants, Neuron, derivative
from .pairs import EVAL
from .surrogates import check_surrogate

__all__ = [
    "Work",
    "if_backward",
    "if_forward",
    "leaky_backward",
    "leaky_forward",
    "lif_backward",
    "lif_forward",
    "plif_backward",
    "plif_forward",
    "plif_params",
]


class Work(NamedTuple):
    """Arrays to be filled in place of new ones; what is None is made anew. Memory's first touch costs more than a step.

    spikes : uint8;  h : may be x itself, which is lost then;  dx : may be h, then the way back is walked once.
    """

    spikes: np.ndarray | None = None
    h: np.ndarray | None = None
    dx: np.ndarray | None = None


class Saved(NamedTuple):
    """What the way back needs: h, or else x to compute it again."""

    h: np.ndarray | None
    x: np.ndarray | None
    first: np.ndarray | None  # state before the first step, if given
    state: np.ndarray | None  # after the last step, if one was given before the first
    neuron: Neuron
    c: Constants
    slopes: tuple
    input_gradient: bool
    dx: np.ndarray | None
    device: str = "cpu"


def plif_params(tau=2.0, dtype=np.float32):
    """Parameters of a layer of PLIF neurons (or of a leaky integrator) that starts with time constant `tau` steps."""
    if not 1 < tau < math.inf:
        raise ValueError(f"tau must be > 1 step, got {tau}")
    return {"w": np.array(-math.log(tau - 1), dtype)}


def lif_forward(
    p,
    x,
    mode=EVAL,
    *,
    tau=2.0,
    threshold=1.0,
    v_reset=0.0,
    decay_input=True,
    detach_reset=False,
    strict=False,
    surrogate="atan",
    **options,
):
    """Spikes of leaky integrate-and-fire neurons; PLIF if p has ``w``, which then takes the place of `tau`.

    Parameters
    ----------
    p : dict
        ``w``, ``state``: see the head of this file.
    x : ndarray (T, N, ...)
        Input, float32 or float64.
    mode : Mode
        If it says train, h is kept for the way back; else x, and h is computed again.
    tau : float
        Time constant in steps, >= 1. 1 is a neuron without memory, inf one that does not leak.
    threshold : float
        theta.
    v_reset : float or None
        v_r; None: soft reset.
    decay_input : bool
        Whether the input is multiplied by 1 / tau.
    detach_reset : bool
        Whether the spike in the reset counts as a constant on the way back.
    strict : bool
        Spikes where h > theta, not where h = theta.
    surrogate : str, tuple or Surrogate
        A name of surrogates.py, name and slopes (``("atan", 5.0)``), or one of your own.
    **options
        ``soft=True``: spikes are the surrogate's primitive, floats; all is smooth then, to check gradients.
        ``keep``: "h" or "x", in place of what `mode` says. ``work``: a :class:`Work`.
        ``input_gradient=False``: no dx is wanted. ``device``: "cpu", "cuda" or "cuda:K"; arrays stay on the host.

    Returns
    -------
    spikes : ndarray (T, N, ...)
        uint8.
    saved : NamedTuple
        For :func:`lif_backward`.

    Raises
    ------
    ValueError
        If a setting or the shape or type of an array does not fit.

    Examples
    --------
    >>> x = np.full((4, 1), 1.5, np.float32)
    >>> lif_forward({}, x)[0][:, 0].tolist()
    [0, 1, 0, 1]
    """
    if "w" not in p and not tau >= 1:
        raise ValueError(f"tau must be >= 1 step, got {tau}")
    k = _rate(p, 1 / tau)
    given = check_surrogate(surrogate)
    soft = options.get("soft", False)
    neuron = Neuron(bool(decay_input), v_reset is not None, bool(detach_reset), bool(strict), bool(soft), *given[:2])
    if soft and detach_reset:
        raise ValueError("soft must not be used with detach_reset: a constant has no finite difference")
    return _forward(p, x, mode, k, (threshold, v_reset), neuron, given.slopes, **options)


def if_forward(p, x, mode=EVAL, **settings):
    """Integrate-and-fire neurons, h = v + x: :func:`lif_forward` without leak; settings as there, but tau."""
    return lif_forward(p, x, mode, **settings, tau=math.inf, decay_input=False)


def plif_forward(p, x, mode=EVAL, **settings):
    """LIF neurons with one learnt time constant, p["w"]; see :func:`plif_params`, :func:`lif_forward`."""
    if "w" not in p:
        raise ValueError("p must hold w, the learnt rate: see plif_params")
    return lif_forward(p, x, mode, **settings)


def lif_backward(p, saved, dy, dstate=None):
    """Gradients dx and dp of :func:`lif_forward`, :func:`if_forward`, :func:`plif_forward`.

    Parameters
    ----------
    p : dict
        As there.
    saved : NamedTuple
        Of there.
    dy : ndarray (T, N, ...)
        Gradient of the spikes.
    dstate : ndarray (N, ...), optional
        Gradient of ``saved.state``.

    Returns
    -------
    dx : ndarray (T, N, ...) or None
        None if ``input_gradient=False``.
    dp : dict
        ``w``, ``state``, as far as they are in p.
    """
    source = saved.x if saved.h is None else saved.h
    dx = _buffer("dx", saved.dx, source.shape, source.dtype)
    h, ds, g, parts = _way_back(source, dy, dstate)
    if saved.device == "cpu":
        _back_cpu(saved, h, ds, dx, g, parts if "w" in p else None)
    else:
        parts[0] = _back_cuda(saved, h, ds, _flat(dx), g)
    return (dx if saved.input_gradient else None), _dp(p, saved.c.k, parts, g, source.shape[1:])


if_backward = plif_backward = lif_backward


def leaky_forward(p, x, mode=EVAL, *, tau=2.0, decay_input=False, input_gradient=True):
    """Potentials of leaky integrators, the readout of a network: y[t] = (1 - k) y[t-1] + x[t], y[-1] = 0.

    Parameters
    ----------
    p : dict
        ``w``: k = 1 / (1 + exp(-w)) is learnt, in place of 1 / tau. ``state``: y before the first step.
    x : ndarray (T, N, ...)
        Input.
    mode : Mode
        Has no influence.
    tau : float
        Time constant in steps, >= 1; inf: the sum of all inputs.
    decay_input : bool
        Whether the input is multiplied by k.
    input_gradient : bool
        Whether dx is wanted.

    Returns
    -------
    y : ndarray (T, N, ...)
    saved : NamedTuple

    Examples
    --------
    >>> leaky_forward({}, np.ones((3, 1)))[0][:, 0].tolist()
    [1.0, 1.5, 1.75]
    """
    if "w" not in p and not tau >= 1:
        raise ValueError(f"tau must be >= 1 step, got {tau}")
    x = _checked(x)
    kind, first = x.dtype, _state(p, x)
    y, c = np.empty_like(x), _constants(_rate(p, 1 / tau), 0, 0, decay_input, kind)
    neuron = Neuron(bool(decay_input), True, True, False, False, None, derivative)
    leak, flat, out = loops("leak", neuron, kind), _flat(x), _flat(y)
    in_blocks(lambda a, b: leak(flat, out, _start(first, 0, a, b, kind), a, c), flat.shape[1], BLOCK)
    state = None if first is None else (y[-1].copy() if len(y) else first.reshape(x.shape[1:]))
    return y, Saved(y, None, first, state, neuron, c, (), input_gradient, None)


def leaky_backward(p, saved, dy, dstate=None):
    """Gradients dx and dp of :func:`leaky_forward`, dx[t] = dy[t] + (1 - k) dx[t+1]; see :func:`lif_backward`."""
    y, kind = saved.h, saved.h.dtype
    dx = np.empty_like(y)
    flat, back = _flat(dx), loops("leak_back", saved.neuron, kind)
    h, ds, g, parts = _way_back(y, dy, dstate)

    def block(a, b):
        dk = np.zeros(b - a, kind)
        back(h, ds, flat, g[a:b], a, saved.c, _start(saved.first, 0, a, b, kind), dk)
        parts[a] = float(dk.sum(dtype=np.float64))

    in_blocks(block, ds.shape[1], BLOCK)
    return (dx if saved.input_gradient else None), _dp(p, saved.c.k, parts, g, y.shape[1:])


def _forward(
    p, x, mode, k, levels, neuron, slopes, *, soft=False, keep=None, work=None, input_gradient=True, device="cpu"
):
    """See :func:`lif_forward`; `levels` are threshold and v_reset."""
    x, work = _checked(x), work or Work()
    kind, (threshold, v_reset) = x.dtype, levels
    if not math.isfinite(threshold) or (neuron.hard and not v_reset < threshold):
        raise ValueError(f"threshold must be finite and > v_reset = {v_reset}, got {threshold}")
    keep = keep or ("h" if mode.train else "x")
    if keep not in ("h", "x"):
        raise ValueError(f"keep must be h or x, got {keep!r}")
    c, slopes = _constants(k, threshold, v_reset or 0.0, neuron.decay_input, kind), tuple(map(kind.type, slopes))
    first = _state(p, x)
    last = None if first is None else first.copy()
    spikes = _buffer("spikes", work.spikes, x.shape, kind if soft else np.dtype(np.uint8))
    h = _buffer("h", work.h, x.shape, kind) if keep == "h" else x
    flat, rows, out = map(_flat, (x, h, spikes))
    if device == "cpu":
        fire = loops("fire", neuron, kind, in_place=h is x and keep == "h", stored=keep == "h")

        def block(a, b):
            v = np.full(b - a, c.v_r, kind) if last is None else last[a:b]
            fire(flat, rows, out, v, a, a, c, slopes)

        in_blocks(block, flat.shape[1], BLOCK)
    else:
        from . import neurons_cuda

        v = np.full(flat.shape[1], c.v_r, kind) if last is None else last
        rows = rows if keep == "h" else np.empty((0, 0), kind)
        neurons_cuda.forward(device, neuron, flat, rows, out, v, c, slopes)
    kept = (h, None) if keep == "h" else (None, x)
    state = None if last is None else last.reshape(x.shape[1:])
    return spikes, Saved(*kept, first, state, neuron, c, slopes, input_gradient, work.dx, device)


def _back_cpu(saved, h, ds, dx, g, parts):
    """Fill dx and g; `parts`: of dk, by block, or None."""
    kind, c, slopes = h.dtype, saved.c, saved.slopes
    again = loops("charge_only", saved.neuron, kind) if saved.h is None else None
    name = "back" if parts is None else "back_learnt"
    back, flat = loops(name, saved.neuron, kind, in_place=not again and dx is saved.h), _flat(dx)

    def block(a, b):
        rows, at = h, a
        if again:
            rows, at = np.empty((len(h), b - a), kind), 0
            again(h, rows, _start(saved.first, c.v_r, a, b, kind), a, c, slopes)
        if parts is None:
            back(rows, ds, flat, g[a:b], a, at, c, slopes)
        else:
            dk = np.zeros(b - a, kind)
            back(rows, ds, flat, g[a:b], a, at, c, slopes, _start(saved.first, c.v_r, a, b, kind), dk)
            parts[a] = float(dk.sum(dtype=np.float64))

    # h computed again stays in cache: fewer neurons at a time the more steps there are
    in_blocks(block, ds.shape[1], BLOCK if not again else _block_again(len(ds), kind))


def _back_cuda(saved, h, ds, dx, g):
    """Fill dx and g; returns dk."""
    from . import neurons_cuda

    kind, call = h.dtype, (saved.c, saved.slopes)
    first = _start(saved.first, saved.c.v_r, 0, g.size, kind)
    if saved.h is None:
        x, h = h, np.empty_like(h)
        spikes = np.empty(x.shape, kind if saved.neuron.soft else np.uint8)
        neurons_cuda.forward(saved.device, saved.neuron, x, h, spikes, first.copy(), *call)
    dk = neurons_cuda.backward(saved.device, saved.neuron, h, ds, dx, g, first, *call)
    return float(dk.sum(dtype=np.float64))


def _way_back(source, dy, dstate):
    """The arrays of a way back, two-dimensional: h or x, gradient of y; dL/dv after the last step; dk of blocks."""
    dy = np.ascontiguousarray(dy, source.dtype)
    if dy.shape != source.shape:
        raise ValueError(f"dy must have shape {source.shape}, got {dy.shape}")
    n = math.prod(source.shape[1:])
    g = np.zeros(n, source.dtype)
    if dstate is not None:
        if np.shape(dstate) != source.shape[1:]:
            raise ValueError(f"dstate must have shape {source.shape[1:]}, got {np.shape(dstate)}")
        g[:] = np.ravel(dstate)
    return _flat(source), _flat(dy), g, {}


def _dp(p, k, parts, g, shape):
    dp = {}
    if "w" in p:  # blocks are added in their order, whichever thread was first
        dk, k = sum(parts[a] for a in sorted(parts)), float(k)
        dp["w"] = np.full(np.shape(p["w"]), dk * k * (1 - k), np.asarray(p["w"]).dtype)
    if "state" in p:
        dp["state"] = g.reshape(shape)
    return dp


def _rate(p, k):
    if "w" not in p:
        return k
    w = np.asarray(p["w"], np.float64)
    if w.size != 1 or not np.isfinite(w).all():
        raise ValueError(f"w must be one finite number, got {p['w']}")
    return 1 / (1 + math.exp(-w.item())) if w.item() > -700 else 0.0


def _constants(k, theta, v_r, decay_input, kind):
    return Constants(*map(kind.type, (k, theta, v_r, 1 - k, k if decay_input else 1)))


def _flat(array):
    """(T, N, ...) -> (T, all else)."""
    return array.reshape(len(array), math.prod(array.shape[1:]))


def _checked(x):
    x = np.ascontiguousarray(x)
    if x.dtype not in (np.float32, np.float64):
        raise ValueError(f"x must be float32 or float64, got {x.dtype}")
    if x.ndim < 2:
        raise ValueError(f"x must be (T, N, ...), got shape {x.shape}")
    return x


def _buffer(name, array, shape, dtype):
    if array is None:
        return np.empty(shape, dtype)
    if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
        raise ValueError(f"work.{name} must be contiguous {dtype} {shape}, got {array.dtype} {array.shape}")
    return array


def _state(p, x):
    if "state" not in p:
        return None
    if np.shape(p["state"]) != x.shape[1:]:
        raise ValueError(f"state must have shape {x.shape[1:]}, got {np.shape(p['state'])}")
    return np.array(p["state"], x.dtype).ravel()


def _start(first, v_r, a, b, kind):
    return np.full(b - a, v_r, kind) if first is None else first[a:b].copy()


def _block_again(n_steps, kind):
    return min(BLOCK, max(256, (1 << 18) // (kind.itemsize * max(n_steps, 1)) // 64 * 64))
