"""Linear layer: each output is a weighted sum of all inputs, at each step on its own.

    y = x W^T + b;    dx = dy W,   dW = dy^T x,   db = sum dy      (sums over all axes but the last)

x (..., I), y (..., O), `weight` W (O, I), `bias` b (O,) if there is one. x may be uint8 (spikes), and is kept as it
came. Products are taken by BLAS in blocks that depend on the sizes only, one BLAS thread each: same bits for any number
of threads.
"""

from typing import NamedTuple

import numpy as np

from ...runtime import rng
from ...runtime.threads import in_blocks, one_blas_thread
from .pairs import EVAL

__all__ = ["linear_backward", "linear_forward", "linear_params"]

_WORK = 1 << 24  # multiply-adds of a block: a millisecond
_ROWS = 1 << 14  # rows of spikes that are turned into floats at a time


class Saved(NamedTuple):
    """Input, and whether its gradient is wanted."""

    x: np.ndarray
    input_gradient: bool


def uniform_params(seed, stream, shape, fan_in, bias=True, dtype=np.float32):
    """Weights and biases uniform in +-1/sqrt(fan_in) (Kaiming, a = sqrt 5), of the streams `stream`/weight, /bias."""
    bound = 1 / np.sqrt(fan_in)
    p = {"weight": ((2 * rng.uniforms(seed, f"{stream}/weight", shape) - 1) * bound).astype(dtype)}
    if bias:
        p["bias"] = ((2 * rng.uniforms(seed, f"{stream}/bias", shape[0]) - 1) * bound).astype(dtype)
    return p


def linear_params(seed, stream, n_in, n_out, bias=True, dtype=np.float32):
    """First parameters: weight (n_out, n_in) and bias, uniform in +-1/sqrt(n_in).

    Examples
    --------
    >>> {k: v.shape for k, v in linear_params(0, "layer 1", 3, 2).items()}
    {'weight': (2, 3), 'bias': (2,)}
    """
    return uniform_params(seed, stream, (n_out, n_in), n_in, bias, dtype)


def check_input(x, weight, bias=None):
    """Return x as a C-contiguous array of uint8 or of the weight's own precision; nothing is promoted silently."""
    if weight.dtype not in (np.float32, np.float64):
        raise ValueError(f"weight must be float32 or float64, got {weight.dtype}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must have shape {weight.shape[:1]}, got {bias.shape}")
    x = np.ascontiguousarray(x)
    if x.dtype == bool:
        x = x.view(np.uint8)
    if x.dtype != np.uint8 and x.dtype != weight.dtype:
        raise ValueError(f"x must be uint8 or {weight.dtype} as the weight, got {x.dtype}")
    return x


def linear_forward(p, x, mode=EVAL, *, input_gradient=True):
    """Y = x W^T + b of x (..., I).

    ``input_gradient=False`` saves the backward function the product for dx, which the first layer does not need.

    Raises
    ------
    ValueError
        Shapes or precisions that do not fit.
    """
    w, bias = p["weight"], p.get("bias")
    x = check_input(x, w, bias)
    if x.ndim < 1 or x.shape[-1] != w.shape[1]:
        raise ValueError(f"x must have {w.shape[1]} features in its last axis, got shape {x.shape}")
    rows = x.reshape(-1, w.shape[1])
    y = np.empty((len(rows), w.shape[0]), w.dtype)

    def product(start, stop):
        np.matmul(rows[start:stop].astype(w.dtype, copy=False), w.T, out=y[start:stop])
        if bias is not None:
            y[start:stop] += bias

    with one_blas_thread():
        in_blocks(product, len(rows), max(64, _WORK // w.size))
    return y.reshape(*x.shape[:-1], w.shape[0]), Saved(x, input_gradient)


def linear_backward(p, saved, dy):
    """Gradients of :func:`linear_forward`: dx (None if not wanted), and of `weight` and `bias`."""
    w, x = p["weight"], saved.x.reshape(-1, p["weight"].shape[1])
    dy = np.ascontiguousarray(dy, w.dtype).reshape(-1, w.shape[0])
    dw, dx = np.zeros_like(w), None
    tasks = min(4, max(1, len(x) * w.size // _WORK))
    share = -(-w.shape[0] // tasks)  # outputs of a block: the sum over the rows stays in one product
    with one_blas_thread():
        for a in range(0, len(x), _ROWS):
            part, g = x[a : a + _ROWS].astype(w.dtype, copy=False), dy[a : a + _ROWS]

            def gradient(start, stop, part=part, g=g):
                dw[start:stop] += g[:, start:stop].T @ part

            in_blocks(gradient, w.shape[0], share)
        if saved.input_gradient:
            dx = np.empty((len(x), w.shape[1]), w.dtype)
            block = max(64, _WORK // w.size)
            in_blocks(lambda start, stop: np.matmul(dy[start:stop], w, out=dx[start:stop]), len(x), block)
            dx = dx.reshape(saved.x.shape)
    dp = {"weight": dw}
    if "bias" in p:
        dp["bias"] = dy.sum(axis=0, dtype=float).astype(w.dtype)
    return dx, dp
