"""Neurons that spike at most once, whose inputs cause piecewise-linear potentials: when they fire, and why.

    V_j(t) = sum over i of w_ji e(t - t_i)           t_j = first t with V_j(t) = theta     (silent: not before t_max)
    e(s) = s / rise                   0 < s <= rise  (0 before)
         = max(0, 1 - (s - rise) / fall)    s > rise

``relu`` keeps rising, ``ramp`` stays at 1, ``triangle`` falls back to 0 within `fall`. There is no leak and no bias;
an input at t_max is silent. With ``rounding``, neurons fire at whole steps: ``"ge"`` the first t with V_j(t) >= theta,
``"gt"`` with V_j(t) > theta (inputs and breakpoints must then be whole steps, too). Gradients, s_j = dV_j/dt at t_j:

    dt_j/dw_ji = - e(t_j - t_i) / s_j                dt_j/dt_i = w_ji e'(t_j - t_i) / s_j

At a corner e' is the slope on the left. Convolutions are `valid` with stride 1, and are followed by pooling: the
earliest spike of a window passes on (ties: the first, row by row), and what comes back goes to it alone.
Mirsadeghi, Shalchian, Kheradpisheh & Masquelier 2021 (STiDi-BP), and 2023, doi 10.1007/s00521-023-08567-0.
"""

import math
from typing import NamedTuple

import numpy as np

from ...runtime.threads import in_blocks
from . import ramp_back_cpu as back
from . import ramp_cpu as cpu

__all__ = [
    "KINDS",
    "Fired",
    "Kernel",
    "conv_backward",
    "conv_forward",
    "dense_backward",
    "dense_forward",
    "output_shape",
]

KINDS = ("relu", "ramp", "triangle")
_LANES = 8
_BLOCK = 8  # images a thread takes at a time
_ROWS = 64  # inputs of a dense layer whose gradients a thread takes at a time
_FAR = 1e30  # no corner: infinity times 0 would not be 0


class Kernel(NamedTuple):
    """What one spike does to a potential.

    Parameters
    ----------
    kind : str
        ``"relu"``, ``"ramp"`` or ``"triangle"``.
    rise, fall : float
        Times > 0, in the unit of the spike times; `fall` only matters for ``"triangle"``.

    Examples
    --------
    >>> Kernel("triangle", 4, 6).value([-1, 0, 2, 4, 7, 10, 12]).tolist()
    [0.0, 0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """

    kind: str = "relu"
    rise: float = 20.0
    fall: float = 20.0

    def check(self):
        """Return this kernel; ValueError if it is none."""
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        for name in ("rise", "fall"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be > 0, got {value}")
        return self

    def value(self, s):
        """e(s), of any array."""
        e, s = self._numbers(), np.asarray(s, float)
        return np.maximum(0.0, np.minimum(s * e.rate, e.top + (e.rise - s) * e.fall))

    def _numbers(self, kind=np.float64):
        top = 1.0 if self.kind != "relu" else _FAR
        rise = self.rise if self.kind != "relu" else _FAR
        fall = 1 / self.fall if self.kind == "triangle" else 0.0
        end = self.rise + self.fall if self.kind == "triangle" else rise
        return back.Slope(*(kind(x) for x in (1 / self.rise, rise, top, fall, end)))

    def _jumps(self, kind):
        """Delays and changes of slope, (J, 2)."""
        out = [(0.0, 1 / self.rise)]
        if self.kind == "ramp":
            out.append((self.rise, -1 / self.rise))
        if self.kind == "triangle":
            out += [(self.rise, -1 / self.rise - 1 / self.fall), (self.rise + self.fall, 1 / self.fall)]
        return np.array(out, kind)


_MASK = (1.0, _FAR, _FAR, 0.0, _FAR)  # 1 for s > 0


class Fired(NamedTuple):
    """What a layer leaves: firing times (`t_max` = silent), slopes s there (0 = silent), and winners of the windows."""

    times: np.ndarray
    slope: np.ndarray
    place: np.ndarray | None = None  # flat index inside each pooling window (0 without spike)


def output_shape(shape, kernel, pool=1):
    """Rows and columns after a `valid` convolution with a square kernel, and pooling whose border is dropped.

    Examples
    --------
    >>> output_shape((28, 28), 5, 2)
    (12, 12)
    """
    out = tuple((s - kernel + 1) // pool for s in shape)
    if min(out) < 1:
        raise ValueError(f"kernel {kernel} and pooling window {pool} leave nothing of maps {tuple(shape)}")
    return out


def _neuron(theta, t_max, rounding, kind):
    if not (math.isfinite(theta) and theta > 0):
        raise ValueError(f"theta must be > 0, got {theta}")
    if not (math.isfinite(t_max) and t_max > 0):
        raise ValueError(f"t_max must be > 0, got {t_max}")
    if rounding not in (None, "ge", "gt"):
        raise ValueError(f"rounding must be None, 'ge' or 'gt', got {rounding!r}")
    theta = kind(theta)
    limit = np.nextafter(theta, kind(np.inf)) if rounding == "gt" else theta
    return cpu.Neuron(kind(t_max), theta, limit, (None, "ge", "gt").index(rounding))


def _arrays(times, weights, ndim, n_inputs_axis):
    times, weights = np.asarray(times), np.asarray(weights)
    if weights.dtype not in (np.float32, np.float64):
        raise ValueError(f"weights must be float32 or float64, got {weights.dtype}")
    if weights.ndim != ndim or times.ndim != ndim or times.shape[1] != weights.shape[n_inputs_axis]:
        raise ValueError(f"times {times.shape} do not fit weights {weights.shape}")
    if not np.isfinite(weights).all():
        raise ValueError("weights must be finite, got NaN or infinity")
    return np.ascontiguousarray(times, weights.dtype), np.ascontiguousarray(weights)


def dense_forward(times, weights, theta, kernel, t_max, rounding=None):
    """Firing times of a layer in which every input reaches every neuron.

    Parameters
    ----------
    times : ndarray, shape (N, I)
        Input times; >= `t_max` = silent.
    weights : ndarray of float32 or float64, shape (I, H)
        Its type is that of all results.
    theta : float
        Threshold > 0.
    kernel : Kernel
        What a spike does.
    t_max : float
        End of time > 0.
    rounding : str, optional
        None: exact times; ``"ge"`` or ``"gt"``: whole steps.

    Returns
    -------
    Fired

    Examples
    --------
    >>> out = dense_forward([[0.0, 1.0, 20.0]], np.array([[1.2], [0.8], [0.3]]), 1.0, Kernel("ramp", 4), 20.0)
    >>> out.times.tolist(), out.slope.tolist()
    ([[2.4]], [[0.5]])
    """
    times, weights = _arrays(times, weights, 2, 0)
    kind = weights.dtype.type
    neuron, jumps = _neuron(theta, t_max, rounding, kind), kernel.check()._jumps(kind)
    out, slope = np.empty((2, len(times), weights.shape[1]), kind)

    def block(p, q):
        events = cpu.make_events(times.shape[1], len(jumps), kind)
        cpu.dense_images(times[p:q], weights, neuron, jumps, events, out[p:q], slope[p:q])

    in_blocks(block, len(times), _BLOCK)
    return Fired(out, slope)


def conv_forward(times, weights, theta, kernel, t_max, rounding=None, pool=1):
    """Firing times of a convolutional layer, the earliest of each pooling window.

    Parameters
    ----------
    times : ndarray, shape (N, M, Y, X)
        Input times; >= `t_max` = silent.
    weights : ndarray of float32 or float64, shape (K, M, k, k)
        Kernels.
    theta, kernel, t_max, rounding
        As in :func:`dense_forward`.
    pool : int
        Window and stride of the pooling (1 = none).

    Returns
    -------
    Fired
        Arrays (N, K, PY, PX).
    """
    times, weights = _arrays(times, weights, 4, 1)
    kind = weights.dtype.type
    neuron, jumps = _neuron(theta, t_max, rounding, kind), kernel.check()._jumps(kind)
    n_maps, n_channels, kh, kw = weights.shape
    size = output_shape(times.shape[2:], kh, pool)
    shape = cpu.Shape(n_maps, -(-n_maps // _LANES) * _LANES, kh, kw, *size, int(pool))
    inside = np.zeros((n_channels, kh, kw, shape.lanes), kind)
    inside[..., :n_maps] = weights[:, :, :, ::-1].transpose(1, 2, 3, 0)
    inside = inside.reshape(n_channels, kh, kw * shape.lanes)
    out, slope = np.empty((2, len(times), n_maps, *size), kind)
    place = np.empty(out.shape, np.int32)

    def block(p, q):
        events = cpu.make_events(times[0].size, len(jumps), kind)
        results = out[p:q], slope[p:q], place[p:q]
        cpu.conv_images(times[p:q], inside, neuron, jumps, events, shape, *results)

    in_blocks(block, len(times), _BLOCK)
    return Fired(out, slope, place)


def _slopes(kernel, kind, exact):
    value = kernel.check()._numbers(kind)
    return value, (value if exact else back.Slope(*(kind(x) for x in _MASK)))


def dense_backward(times, weights, t_out, q, kernel, t_max, exact=True, grad=True, below=True):
    """Gradient of the weights and displacement of the inputs of :func:`dense_forward`, from factors q of the outputs.

        g_ij = sum over images of q_j e(t_j - t_i)      d_i = sum over j of q_j w_ij e'(t_j - t_i)

    With wanted shifts d_j of the outputs and ``q = d / s`` these are the gradient of -d . t and minus its derivative to
    the input times; ``exact=False`` has [t_i < t_j] in the place of e'.

    Parameters
    ----------
    times, weights, kernel, t_max
        As in :func:`dense_forward`.
    t_out, q : ndarray, shape (N, H)
        Its firing times, and the factors; 0 = nothing is passed back.
    exact, grad, below : bool
        The slope or the mask; which of the two is wanted.

    Returns
    -------
    grad : ndarray, shape (I, H), or None
    below : ndarray, shape (N, I), or None
        0 at silent inputs.
    """
    times, weights = _arrays(times, weights, 2, 0)
    kind = weights.dtype.type
    t_out, q = np.ascontiguousarray(t_out, kind), np.ascontiguousarray(q, kind)
    last = np.where(q != 0, t_out, kind(-np.inf)).max(axis=1).astype(kind, copy=False)
    value, mask = _slopes(kernel, kind, exact)
    g = np.zeros(weights.shape if grad else (0, 0), kind)
    d = np.zeros((len(times), times.shape[1]) if below else (0, 0), kind)
    seen = np.ascontiguousarray(times.T)  # one input after the other

    def block(p, r):
        part = g[p:r] if grad else g, d[:, p:r] if below else d
        back.dense_back(p, seen[p:r], weights, t_out, q, last, value, mask, kind(t_max), *part)

    in_blocks(block, times.shape[1], _ROWS)
    return (g if grad else None), (d if below else None)


def conv_backward(times, weights, fired, q, pool, kernel, exact=True, grad=True, below=True):
    """Gradient of the weights and displacement of the inputs of :func:`conv_forward`; see :func:`dense_backward`.

    Parameters
    ----------
    times, weights, kernel, exact, grad, below
        As there; `times` and `weights` as in :func:`conv_forward`.
    fired : Fired
        Of the forward pass.
    q : ndarray, shape (N, K, PY, PX)
        Factors of the pooled outputs; those of silent windows must be 0.
    pool : int
        Its window.

    Returns
    -------
    grad : ndarray, shape (K, M, k, k), or None
    below : ndarray, shape (N, M, Y, X), or None
    """
    times, weights = _arrays(times, weights, 4, 1)
    kind = weights.dtype.type
    q = np.ascontiguousarray(q, kind)
    value, mask = _slopes(kernel, kind, exact)
    n_blocks = -(-len(times) // _BLOCK)
    g = np.zeros((n_blocks, *weights.reshape(len(weights), -1).shape) if grad else (1, 0, 0), kind)
    d = np.empty(times.shape if below else (0, 0, 0, 0), kind)

    def block(p, r):
        t_out, place, out = fired.times[p:r], fired.place[p:r], d[p:r]
        to = g[p // _BLOCK if grad else 0]
        back.conv_back(times[p:r], weights, t_out, place, q[p:r], pool, value, mask, to, out)

    in_blocks(block, len(times), _BLOCK)
    return (g.sum(axis=0).reshape(weights.shape) if grad else None), (d if below else None)
