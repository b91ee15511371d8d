"""Layers with delays: every synapse reaches its output after a delay of its own, which is learnt.

For max_delay = k (odd) and the kernel K[o, i, n] of :mod:`.dcls`, in the delay form h[o, i, d] = K[o, i, k - 1 - d],

    y[t, b, o] = sum_i sum_{d=0}^{k-1} h[o, i, d] x[t - d, b, i]        0 <= t < T + (k - 1) / 2

(x is 0 outside of its T steps; the layer runs (k - 1) / 2 steps longer than its input, so the longest delays of the
last steps are cut). A position of P cells from the centre is a delay of (k - 1) / 2 - P steps. Backwards:

    dL/dh[o, i, d] = sum_{t, b} dy[t, b, o] x[t - d, b, i]      dL/dx[t, b, i] = sum_{o, d} h[o, i, d] dy[t + d, b, o]

and from dL/dK the gradients of weights, positions and widths by :mod:`.dcls`. The sums have four ways, see
:data:`ALGORITHMS`; unless told otherwise the one with the least time by :data:`COST` is taken, for each of the three
sums. Hammouamri, Khalfaoui-Hassani & Masquelier (2024), ICLR.
"""

from itertools import product
from typing import NamedTuple

import numpy as np

from ...runtime.threads import in_blocks, one_blas_thread
from . import delays_cpu as cpu
from . import delays_spectral as spectral
from .dcls import SIGMA_MIN, Dcls, build, elements, pull_back
from .pairs import EVAL

__all__ = ["ALGORITHMS", "COST", "delay_backward", "delay_forward"]

#: events: the kernel of an input is added at each of its spikes; spectral: :mod:`.delays_spectral`; dense: a matrix
#: product for each lag; taps: whole delays only, one addition for each spike and synapse
ALGORITHMS = ("events", "spectral", "dense", "taps")

#: nanoseconds of a multiply-add, measured at 256 -> 256, k = 25, 64 samples of 100 steps (Zen 3, one core)
COST = {"events": 0.085, "correlate": 0.105, "product": 0.033, "transform": 0.05, "taps": 1.0, "scan": 0.5}

_SAMPLES = 4  # of a block
_INPUTS = 8


class Saved(NamedTuple):
    """What the way back needs."""

    x: np.ndarray
    parts: Dcls
    kernel: object  # (I, k, O) in the order of lags, or None: it can be made anew
    taps: object  # (weight, offset) of whole delays, or None
    rows: object  # (plan, x^, k^) of the spectral way; x^ and k^ may be None
    chosen: tuple  # algorithms of the output, the kernel's gradient, the input's gradient
    input_gradient: bool
    train: tuple
    t_out: int


def delay_forward(
    p,
    x,
    mode=EVAL,
    *,
    max_delay,
    version="gauss",
    sigma_min=SIGMA_MIN,
    algorithm="auto",
    input_gradient=True,
    train=("weight", "position"),
):
    """Y (T + (k - 1) / 2, N, O) of x (T, N, I), see the head of this file.

    Parameters
    ----------
    p : dict
        ``weight`` (O, I, M), ``position`` (1, O, I, M), ``width`` (anything that broadcasts to the latter).
    x : array (T, N, I)
        Spikes or counts (uint8), or real numbers; those are computed with in the type of the weights.
    mode : Mode
        Without training, inputs of type uint8 take ``events`` or ``taps``: the result of a sample does then not depend
        in the last bit on the samples beside it.
    max_delay : int
        k, odd: delays are 0 .. k - 1 steps.
    version, sigma_min
        Of :func:`.dcls.dcls_kernel`.
    algorithm : str or tuple of str
        ``auto``, one of :data:`ALGORITHMS`, or three of them for output, kernel gradient and input gradient
        (the last one ``spectral`` or ``dense``).
    input_gradient : bool
        False for the first layer: :func:`delay_backward` gives None for it.
    train : tuple of str
        Parameters whose gradients are wanted, of ``weight``, ``position``, ``width``.

    Raises
    ------
    ValueError
        An even max_delay, shapes that do not go together, an unknown algorithm, ``taps`` for delays that are not whole.
    """
    check_max_delay(max_delay)
    parts = elements(p["weight"], p["position"], p["width"], max_delay, version, sigma_min)
    x = _checked(x, parts)
    t_out = len(x) + (parts.k - 1) // 2
    taps = _taps(parts)
    plan = spectral.plan(len(x), t_out, parts.k, x.shape[1], *parts.weight.shape[1:])
    chosen = _choose(algorithm, x, parts, plan, taps, mode.train, input_gradient, train)
    kernel = None if chosen[0] == "taps" else build(parts, flip=True)
    with one_blas_thread():
        x_rows = k_rows = None
        if chosen[0] == "spectral":
            x_rows, k_rows = spectral.rows_of_input(plan, x, parts.weight.dtype), spectral.kernel_rows(plan, kernel)
            y = spectral.output(plan, x_rows, k_rows)
        elif chosen[0] == "dense":
            y = _dense(x, kernel, t_out)
        else:
            y = _scatter(x, kernel, taps, t_out, chosen[0])
    if not mode.train:
        x_rows = k_rows = None
    if k_rows is not None and chosen[2] == "spectral":
        kernel = None  # not needed any more
    return y, Saved(x, parts, kernel, taps, (plan, x_rows, k_rows), chosen, input_gradient, tuple(train), t_out)


def delay_backward(p, saved, dy):
    """dL/dx (None without `input_gradient`) and the gradients of the parameters in `train`, from dy = dL/dy."""
    parts, (plan, x_rows, k_rows) = saved.parts, saved.rows
    dtype = parts.weight.dtype
    dy = np.ascontiguousarray(dy, dtype)
    if dy.shape != (saved.t_out, saved.x.shape[1], parts.weight.shape[2]):
        raise ValueError(f"dy must be {(saved.t_out, saved.x.shape[1], parts.weight.shape[2])}, got {dy.shape}")
    _, by_kernel, by_input = saved.chosen
    dx, dp = None, {}
    with one_blas_thread():
        y_rows = None
        if by_kernel == "spectral" and saved.train or by_input == "spectral" and saved.input_gradient:
            y_rows = spectral.rows_of_gradient(plan, dy)
        if saved.train and by_kernel == "taps":
            dp = _tap_gradients(saved, dy)
        elif saved.train:
            if by_kernel == "spectral":
                x_rows = spectral.rows_of_input(plan, saved.x, dtype) if x_rows is None else x_rows
                g = spectral.kernel_gradient(plan, x_rows, y_rows)
            elif by_kernel == "dense":
                g = _dense_kernel_gradient(saved.x, dy, parts.k)
            else:
                g = _correlate(saved.x, dy, parts.k)
            dp = pull_back(parts, g, flip=True, wanted=saved.train)
        if saved.input_gradient:
            kernel = build(parts, flip=True) if k_rows is None and saved.kernel is None else saved.kernel
            if by_input == "spectral":
                k_rows = spectral.kernel_rows(plan, kernel) if k_rows is None else k_rows
                dx = spectral.input_gradient(plan, y_rows, k_rows)
            else:
                dx = _dense_input_gradient(kernel, dy, len(saved.x))
    return dx, dp


def check_max_delay(k):
    """ValueError unless k is odd and >= 1."""
    if int(k) != k or k < 1 or k % 2 == 0:
        raise ValueError(f"max_delay must be odd and >= 1, got {k}")


def _checked(x, parts):
    x = np.asarray(x)
    if x.ndim != 3 or x.shape[2] != parts.weight.shape[1] or 0 in x.shape:
        raise ValueError(f"x must be (steps, samples, {parts.weight.shape[1]}) with none of them 0, got {x.shape}")
    x = x.view(np.uint8) if x.dtype == bool else x
    return np.ascontiguousarray(x, np.uint8 if x.dtype == np.uint8 else parts.weight.dtype)


def _taps(parts):
    """(weight, offset) (M, I, O) of elements that are one cell each, or None; offset: lag * O + output."""
    if parts.shape == "gauss" or (parts.shape == "triangle" and not (parts.width == 1).all()):
        return None
    position = parts.position
    cell = position.astype(np.int64)
    if not (cell == position).all():
        return None
    k, n_outputs = parts.k, position.shape[2]
    lag = (k - 1) - (cell + k // 2)
    inside = (lag >= 0) & (lag < k)
    norm = 1.0 if parts.shape == "bilinear" else 1.0 + 1e-7
    weight = np.where(inside, parts.weight / norm, 0).astype(parts.weight.dtype)
    offset = np.clip(lag, 0, k - 1) * n_outputs + np.arange(n_outputs)
    return weight, offset.astype(np.uint16 if k * n_outputs <= 1 << 16 else np.uint32)


def _choose(algorithm, x, parts, plan, taps, training, input_gradient, train):
    """Algorithms of the three sums."""
    tap_gradient = taps is not None and (parts.shape == "triangle" or tuple(train) == ("weight",))
    if algorithm != "auto":
        names = (algorithm,) * 3 if isinstance(algorithm, str) else tuple(algorithm)
        if len(names) != 3 or not set(names) <= set(ALGORITHMS):
            raise ValueError(f"algorithm must be auto or of {', '.join(ALGORITHMS)}, got {algorithm!r}")
        if names[0] == "taps" and taps is None:
            raise ValueError("algorithm taps is for whole delays, version triangle (width 0) or bilinear")
        by_kernel = "events" if names[1] == "taps" and not tap_gradient else names[1]
        return names[0], by_kernel, names[2] if names[2] in ("spectral", "dense") else "spectral"
    density = np.count_nonzero(x != 0) / x.size
    cost = _costs(density, x.shape, parts, plan)
    forward = ["events", "spectral", "dense"] + ["taps"] * (taps is not None)
    if not training and x.dtype == np.uint8:
        forward = ["events"] if taps is None else ["taps"]
    backward = ["events", "spectral", "dense"] + ["taps"] * tap_gradient
    backward, inputs = backward if training and train else [None], ["spectral", "dense"]
    choices = product(forward, backward, inputs if training and input_gradient else [None])
    a, b, c = min(choices, key=lambda names: _total(cost, names))
    return a, b or "events", c or "spectral"


def _costs(density, shape, parts, plan):
    """Seconds of the sums by each algorithm, and of the transforms."""
    t, n, n_in = shape
    n_out, k, nano = parts.weight.shape[2], parts.k, 1e-9
    spikes = density * t * n * n_in
    scan = COST["scan"] * t * n * n_in * nano
    products, k_rows, x_rows, y_rows = spectral.transform_work(plan, n, n_in, n_out)
    return {
        "events": COST["events"] * spikes * k * n_out * nano + scan,
        "correlate": COST["correlate"] * spikes * k * n_out * nano + 2 * scan,
        "taps": COST["taps"] * spikes * parts.weight.shape[0] * n_out * nano + scan,
        "dense": COST["product"] * k * t * n * n_in * n_out * nano,
        "spectral": COST["product"] * products * nano,
        "kernel": COST["transform"] * k_rows * nano,
        "x": COST["transform"] * x_rows * nano,
        "y": COST["transform"] * y_rows * nano,
    }


def _total(cost, names):
    forward, by_kernel, by_input = names
    total = cost[forward] + sum(cost[name] for name in (by_input,) if name)
    total += 0 if by_kernel is None else cost["correlate" if by_kernel == "events" else by_kernel]
    users = {
        "kernel": forward == "spectral" or by_input == "spectral",
        "x": forward == "spectral" or by_kernel == "spectral",
        "y": by_kernel == "spectral" or by_input == "spectral",
    }
    total += sum(cost[name] for name, used in users.items() if used)
    way_out = (("y", forward), ("kernel", by_kernel), ("x", by_input))
    return total + sum(cost[name] for name, used in way_out if used == "spectral")


def _scatter(x, kernel, taps, t_out, algorithm):
    dtype = taps[0].dtype if algorithm == "taps" else kernel.dtype
    n_out = taps[0].shape[2] if algorithm == "taps" else kernel.shape[2]
    y = np.empty((t_out, x.shape[1], n_out), dtype)
    if algorithm == "taps":
        k = int(taps[1].max()) // n_out + 1
        in_blocks(lambda a, b: cpu.scatter_taps(x, *taps, k, a, b, y), x.shape[1], _SAMPLES)
    else:
        in_blocks(lambda a, b: cpu.scatter(x, kernel, a, b, y), x.shape[1], _SAMPLES)
    return y


def _late(dy, k):
    late = np.empty((dy.shape[1], len(dy) + k, dy.shape[2]), dy.dtype)
    in_blocks(lambda a, b: cpu.late_rows(dy, k, a, b, late), len(late), _SAMPLES)
    return late


def _by_input(x, dtype):
    most = int(np.count_nonzero(x, (0, 2)).max())
    steps, values = np.empty((x.shape[1], most), np.int64), np.empty((x.shape[1], most), dtype)
    starts = np.empty((x.shape[1], x.shape[2] + 1), np.int64)
    in_blocks(lambda a, b: cpu.by_input(x, a, b, starts, steps, values), x.shape[1], _SAMPLES)
    return starts, steps, values


def _correlate(x, dy, k):
    late, g = _late(dy, k), np.empty((x.shape[2], k, dy.shape[2]), dy.dtype)
    spikes = _by_input(x, dy.dtype)
    in_blocks(lambda a, b: cpu.correlate(*spikes, late, a, b, g), len(g), _INPUTS)
    return g


def _tap_gradients(saved, dy):
    """Gradients of single taps; those of position and width are 0 at whole positions of a triangle."""
    parts, (weight, offset) = saved.parts, saved.taps
    late, g = _late(dy, parts.k), np.empty(weight.shape, weight.dtype)
    spikes = _by_input(saved.x, g.dtype)
    in_blocks(lambda a, b: cpu.correlate_taps(*spikes, late, offset, a, b, g), g.shape[1], _INPUTS)
    inside = np.abs(parts.position) <= parts.k // 2
    norm = 1.0 if parts.shape == "bilinear" else 1.0 + 1e-7
    dw = np.ascontiguousarray((g * inside / norm).astype(g.dtype).transpose(2, 1, 0))
    zeros = {"position": np.zeros((1, *dw.shape), dw.dtype), "width": np.zeros(parts.sign.shape, dw.dtype)}
    return {key: dw if key == "weight" else zeros[key] for key in saved.train}


def _dense(x, kernel, t_out):
    n_in, k, n_out = kernel.shape
    y = np.empty((t_out, x.shape[1], n_out), kernel.dtype)

    def block(first, last):
        part = np.ascontiguousarray(x[:, first:last], kernel.dtype).reshape(-1, n_in)
        out = np.zeros((t_out, last - first, n_out), kernel.dtype)
        for d in range(min(k, t_out)):
            steps = min(len(x), t_out - d)
            rows = part[: steps * (last - first)] @ kernel[:, d]
            out[d : d + steps] += rows.reshape(steps, -1, n_out)
        y[:, first:last] = out

    in_blocks(block, x.shape[1], 4 * _SAMPLES)
    return y


def _dense_kernel_gradient(x, dy, k):
    n = x.shape[1]
    flat, rows = np.ascontiguousarray(x, dy.dtype).reshape(-1, x.shape[2]), dy.reshape(-1, dy.shape[2])
    g = np.empty((x.shape[2], k, dy.shape[2]), dy.dtype)

    def block(d, _):
        steps = max(0, min(len(x), len(dy) - d))
        np.matmul(flat[: steps * n].T, rows[d * n : (d + steps) * n], out=g[:, d])

    in_blocks(block, k, 1)
    return g


def _dense_input_gradient(kernel, dy, t_in):
    n_in, k, n_out = kernel.shape
    dx = np.empty((t_in, dy.shape[1], n_in), dy.dtype)

    def block(first, last):
        part = np.ascontiguousarray(dy[:, first:last]).reshape(-1, n_out)
        out = np.zeros((t_in, last - first, n_in), dy.dtype)
        for d in range(min(k, len(dy))):
            steps = min(t_in, len(dy) - d)
            rows = part[d * (last - first) : (d + steps) * (last - first)] @ kernel[:, d].T
            out[:steps] += rows.reshape(steps, -1, n_in)
        dx[:, first:last] = out

    in_blocks(block, dy.shape[1], 4 * _SAMPLES)
    return dx
