"""Convolution in one or two dimensions of space (cross-correlation), at each step on its own.

    y[b, o, s] = bias_o + sum over i, k of W[o, i, k] x[b, g(o) + i, s stride - padding + k dilation]
    dW[o, i, k] = sum over b, s of dy[b, o, s] x[b, g(o) + i, s stride - padding + k dilation],   dbias = sum dy
    dx[b, c, r] = sum over o, k, s with s stride - padding + k dilation = r of W[o, c - g(o), k] dy[b, o, s]

x (T, N, C, L) or (T, N, C, H, W), b = (t, n); `weight` (O, C / groups, k) or (O, C / groups, kh, kw); g(o) is the first
channel of the group of o; places outside x are 0. y has floor((L + 2 padding - dilation (k - 1) - 1) / stride) + 1
places.

Three ways, by shape: a kernel of one cell is one matrix product; groups of one channel (depthwise) are direct loops;
all else goes through columns of patches, made in blocks of bounded size (a few MiB a thread; in 1-D one sample at
least). Blocks depend on sizes only and gradients are added in their order: same bits for any number of threads.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.threads import in_blocks, one_blas_thread
from .conv_cpu import columns, columns_back, depthwise, depthwise_back_input, depthwise_back_weight
from .linear import check_input, uniform_params
from .pairs import EVAL

__all__ = ["conv_backward", "conv_forward", "conv_params"]

_COLUMNS = 1 << 19  # values in a block of columns
_TASKS = 16  # at most so many sums of gradients side by side
_MAPS = 64  # maps that a thread takes at a time in direct loops


class Saved(NamedTuple):
    """Input, geometry of the kernel, groups, and whether the gradient of the input is wanted."""

    x: np.ndarray
    geometry: tuple
    groups: int
    input_gradient: bool


def conv_params(seed, stream, n_in, n_out, size, groups=1, bias=True, dtype=np.float32):
    """First parameters, uniform in +-1/sqrt(fan_in); `size`: (k,) or (kh, kw).

    Examples
    --------
    >>> conv_params(0, "layer 1", 4, 8, (3, 3), groups=4)["weight"].shape
    (8, 1, 3, 3)
    """
    shape = (n_out, n_in // groups, *size)
    return uniform_params(seed, stream, shape, int(np.prod(shape[1:])), bias, dtype)


def _pair(name, value, dimensions, least):
    """A number, or one for each dimension, as two numbers: (rows, columns)."""
    values = (value,) * dimensions if np.ndim(value) == 0 else tuple(value)
    if len(values) != dimensions or any(v != int(v) or v < least for v in values):
        raise ValueError(f"{name} must be {dimensions} whole number(s) >= {least}, got {value}")
    rest = (0,) if name == "padding" else (1,)
    return rest * (2 - dimensions) + tuple(int(v) for v in values)


def _sizes(x, w, geometry):
    """Height and width of the output."""
    out = []
    for axis, n in enumerate(x.shape[2:]):
        k, s, p, d = geometry[axis], geometry[2 + axis], geometry[4 + axis], geometry[6 + axis]
        out.append((n + 2 * p - d * (k - 1) - 1) // s + 1)
        if out[-1] < 1:
            raise ValueError(f"a kernel of {k} cells, dilation {d}, does not fit into {n} cells with padding {p}")
    return out


def _kind(x, w, geometry, groups):
    if groups > 1 and groups == x.shape[1]:
        return "depthwise"
    if groups == 1 and geometry == (1, 1, 1, 1, 0, 0, *geometry[6:]):
        return "product"
    return "columns"


def conv_forward(p, x, mode=EVAL, *, stride=1, padding=0, dilation=1, groups=1, input_gradient=True):
    """Convolve x (T, N, C, L) or (T, N, C, H, W), floats or uint8; see the head of this file.

    Parameters
    ----------
    p : dict
        ``weight`` (O, C / groups, k...) and, if wanted, ``bias`` (O,).
    x : ndarray
        Activity; spikes as uint8 are kept as they are for the way back.
    mode : Mode
        Not used.
    stride, padding, dilation : int or tuple of int
        One for all dimensions of space, or one each.
    groups : int
        Output channels of group g see the input channels of group g only.
    input_gradient : bool
        False: the backward function returns None for dx, as befits a first layer.

    Raises
    ------
    ValueError
        Shapes, precisions or numbers that do not fit.
    """
    w, bias = p["weight"], p.get("bias")
    x = check_input(x, w, bias)
    dims = w.ndim - 2
    if dims not in (1, 2) or x.ndim != dims + 3:
        raise ValueError(f"x must be (T, N, C, ...) with the {dims} dimension(s) of the weight, got {x.shape}")
    if groups < 1 or w.shape[0] % groups or x.shape[2] != w.shape[1] * groups:
        raise ValueError(
            f"groups must divide {w.shape[0]} outputs and x have {w.shape[1]} channels a group, "
            f"got groups={groups} and {x.shape[2]} channels"
        )
    wide = w if dims == 2 else w[:, :, None]
    numbers = [
        _pair(n, v, dims, m) for n, v, m in (("stride", stride, 1), ("padding", padding, 0), ("dilation", dilation, 1))
    ]
    geometry = tuple(n for pair in (wide.shape[2:], *numbers) for n in pair)
    flat = x.reshape(x.shape[0] * x.shape[1], x.shape[2], *((1,) if dims == 1 else ()), *x.shape[3:])
    height, width = _sizes(flat, wide, geometry)
    y = np.empty((len(flat), w.shape[0], height, width), w.dtype)
    bias = np.zeros(w.shape[0], w.dtype) if bias is None else bias
    _RUN[_kind(flat, wide, geometry, groups)](flat, np.ascontiguousarray(wide), bias, geometry, groups, y)
    space = (height, width) if dims == 2 else (width,)
    return y.reshape(*x.shape[:2], w.shape[0], *space), Saved(x, geometry, groups, input_gradient)


def conv_backward(p, saved, dy):
    """Gradients of :func:`conv_forward`: dx (None if not wanted), and of `weight` and `bias`."""
    w, x = p["weight"], saved.x
    wide = np.ascontiguousarray(w if w.ndim == 4 else w[:, :, None])
    flat = x.reshape(x.shape[0] * x.shape[1], x.shape[2], *((1,) if w.ndim == 3 else ()), *x.shape[3:])
    height, width = _sizes(flat, wide, saved.geometry)
    dy = np.ascontiguousarray(dy, w.dtype).reshape(len(flat), w.shape[0], height, width)
    dx = np.zeros(flat.shape, w.dtype) if saved.input_gradient else None
    back = _BACK[_kind(flat, wide, saved.geometry, saved.groups)]
    dp = {"weight": back(flat, wide, saved.geometry, saved.groups, dy, dx).reshape(w.shape)}
    if "bias" in p:
        dp["bias"] = dy.sum(axis=(0, 2, 3), dtype=float).astype(w.dtype)
    return (None if dx is None else dx.reshape(x.shape)), dp


# ---- direct loops --------------------------------------------------------------------------------------------------
def _depthwise(x, w, bias, geometry, groups, y):
    y[:] = bias[:, None, None]
    maps = y.shape[0] * y.shape[1]
    in_blocks(lambda a, b: depthwise(x, w, geometry, a, b, y), maps, _MAPS)


def _depthwise_back(x, w, geometry, groups, dy, dx):
    dw = np.empty_like(w)
    in_blocks(lambda a, b: depthwise_back_weight(x, dy, geometry, a, b, dw), len(w), max(1, len(w) // _TASKS))
    if dx is not None:
        in_blocks(lambda a, b: depthwise_back_input(dy, w, geometry, a, b, dx), dx.shape[0] * dx.shape[1], _MAPS)
    return dw


# ---- one matrix product --------------------------------------------------------------------------------------------
def _each(images):
    """Images of a task: all of them in at most _TASKS parts."""
    return max(1, -(-images // _TASKS))


def _product(x, w, bias, geometry, groups, y):
    kernel, rows, out = w[:, :, 0, 0], x.reshape(*x.shape[:2], -1), y.reshape(*y.shape[:2], -1)

    def run(start, stop):
        for b in range(start, stop):
            np.matmul(kernel, rows[b].astype(w.dtype, copy=False), out=out[b])
            out[b] += bias[:, None]

    with one_blas_thread():
        in_blocks(run, len(x), _each(len(x)))


def _product_back(x, w, geometry, groups, dy, dx):
    kernel, rows, g = w[:, :, 0, 0], x.reshape(*x.shape[:2], -1), dy.reshape(*dy.shape[:2], -1)
    each = _each(len(x))
    sums = np.zeros((-(-len(x) // each), *kernel.shape), w.dtype)

    def run(start, stop):
        for b in range(start, stop):
            sums[start // each] += g[b] @ rows[b].astype(w.dtype, copy=False).T
            if dx is not None:
                np.matmul(kernel.T, g[b], out=dx[b].reshape(rows.shape[1:]))

    with one_blas_thread():
        in_blocks(run, len(x), each)
    return sums.sum(axis=0)[:, :, None, None]


# ---- columns of patches --------------------------------------------------------------------------------------------
def _blocks(start, stop, taps, height, width):
    """(image, images, row, rows) of blocks of columns for images start..stop: several images, or part of one."""
    images = max(1, min(_COLUMNS // max(1, taps * height * width), stop - start))
    rows = height if taps * height * width <= _COLUMNS else max(1, _COLUMNS // (taps * width))
    for b in range(start, stop, images):
        for r in range(0, height, rows):
            yield b, min(images, stop - b), r, min(rows, height - r)


def _scratch(start, stop, taps, n_out, height, width, dtype):
    """Memory of the largest block of a task, for columns and for their outputs: fresh pages cost more than the sums."""
    size = max((images * rows * width for _, images, _, rows in _blocks(start, stop, taps, height, width)), default=0)
    return np.empty(taps * size, dtype), np.empty(n_out * size, dtype)


def _columns(x, w, bias, geometry, groups, y):
    n_in, n_out = w.shape[1], w.shape[0] // groups
    taps, (height, width) = w[0].size, y.shape[2:]
    kernel = w.reshape(groups, n_out, taps)

    def run(start, stop):
        room, room_out = _scratch(start, stop, taps, n_out, height, width, w.dtype)
        for b, images, r, rows in _blocks(start, stop, taps, height, width):
            n = images * rows * width
            cols, out = room[: taps * n].reshape(taps, n), room_out[: n_out * n].reshape(n_out, n)
            for g in range(groups):
                maps = slice(g * n_out, (g + 1) * n_out)
                columns(x, b, g * n_in, n_in, geometry, r, cols.reshape(taps, images, rows, width))
                np.matmul(kernel[g], cols, out=out)
                part = out.reshape(n_out, images, rows, width).transpose(1, 0, 2, 3)
                np.add(part, bias[maps, None, None], out=y[b : b + images, maps, r : r + rows])

    with one_blas_thread():
        in_blocks(run, len(x), _each(len(x)))


def _columns_back(x, w, geometry, groups, dy, dx):
    n_in, n_out = w.shape[1], w.shape[0] // groups
    taps, (height, width) = w[0].size, dy.shape[2:]
    kernel, each = w.reshape(groups, n_out, taps), _each(len(x))
    sums = np.zeros((-(-len(x) // each), groups, n_out, taps), w.dtype)

    def run(start, stop):
        room, room_out = _scratch(start, stop, taps, n_out, height, width, w.dtype)
        for b, images, r, rows in _blocks(start, stop, taps, height, width):
            n = images * rows * width
            cols, part = room[: taps * n].reshape(taps, n), room_out[: n_out * n].reshape(n_out, n)
            patches = cols.reshape(taps, images, rows, width)
            for g in range(groups):
                maps = dy[b : b + images, g * n_out : (g + 1) * n_out, r : r + rows]
                part.reshape(n_out, images, rows, width)[:] = maps.transpose(1, 0, 2, 3)
                columns(x, b, g * n_in, n_in, geometry, r, patches)
                sums[start // each, g] += part @ cols.T
                if dx is not None:
                    np.matmul(kernel[g].T, part, out=cols)
                    columns_back(patches, b, g * n_in, n_in, geometry, r, dx)

    with one_blas_thread():
        in_blocks(run, len(x), each)
    return sums.sum(axis=0)


_RUN = {"depthwise": _depthwise, "product": _product, "columns": _columns}
_BACK = {"depthwise": _depthwise_back, "product": _product_back, "columns": _columns_back}
