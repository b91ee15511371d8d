"""Sums over lags as few matrix products: the discrete Fourier transform over pieces of the time axis.

A piece of m steps of y[t, b, o] = sum_{d < k, i} K[i, d, o] x[t - d, b, i] needs the N = m + k - 1 steps of x that end
with it. With three real rows of coefficients for each frequency w (one for 0 and pi), R rows in all,

    x^ = B x:  cos,  -sin - cos,  cos - sin       k^ = A k:  cos - sin,  cos,  -sin
    y^[r] = x^[r] k^[r]    (batch x inputs) (inputs x outputs), for each row r
    y = C y^:  2/N (cos - sin),  -2/N sin,  -2/N cos

which is the complex product with three real multiplications instead of four. A, B, C do not depend on the data, so the
gradients use the same ones: with y^' = C^T dy it is dk = A^T (x^^T y^') and dx = B^T (y^' k^^T). At k = 25 and T = 100
this takes a tenth of the multiplications of a product for each lag.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...runtime.threads import in_blocks

__all__ = ["Spectral", "input_gradient", "kernel_gradient", "kernel_rows", "output", "plan", "rows_of_gradient"]
__all__ += ["rows_of_input", "transform_work"]

_COLUMNS = 4096  # of a block of a transform
_INPUTS = 16  # of a block of kernels
_ROWS = 4  # of a block of products


class Spectral(NamedTuple):
    """How the time axis is cut: `chunks` pieces of `step` outputs, transforms of `size` steps and `rank` rows."""

    k: int
    t_in: int
    t_out: int
    step: int
    size: int
    chunks: int
    rank: int


def _rank(size):
    return 3 * ((size - 1) // 2) + (1 if size % 2 else 2)


def transform_work(s, n_batch, n_in, n_out):
    """Multiply-adds of (the products of one kind, k^, x^, y or its gradient)."""
    columns = s.rank * s.chunks * n_batch
    return columns * n_in * n_out, s.rank * s.k * n_in * n_out, columns * s.size * n_in, columns * s.step * n_out


@lru_cache(64)
def plan(t_in, t_out, k, n_batch, n_in, n_out):
    """The :class:`Spectral` with the least work for x (t_in, n_batch, n_in) and y (t_out, n_batch, n_out)."""
    best, least = None, np.inf
    for chunks in range(1, t_out + 1):
        step = -(-t_out // chunks)
        size = step + k - 1
        s = Spectral(k, t_in, t_out, step, size, -(-t_out // step), _rank(size))
        work = sum(transform_work(s, n_batch, n_in, n_out))
        if work < least:
            best, least = s, work
    return best


@lru_cache(16)
def _matrices(k, step, dtype):
    """A (R, k), B (R, N), C (step, R)."""
    size = step + k - 1
    n = np.arange(size)
    a, b, c = [np.ones(size)], [np.ones(size)], [np.ones(size) / size]
    if size % 2 == 0:
        sign = 1.0 - 2.0 * (n % 2)
        a, b, c = [*a, sign], [*b, sign], [*c, sign / size]
    for f in range(1, (size - 1) // 2 + 1):
        cos, sin = np.cos(2 * np.pi * (f * n % size) / size), np.sin(2 * np.pi * (f * n % size) / size)
        a += [cos - sin, cos, -sin]
        b += [cos, -sin - cos, cos - sin]
        c += [2 / size * (cos - sin), -2 / size * sin, -2 / size * cos]
    a, b, c = (np.array(rows).astype(dtype) for rows in (a, b, c))
    return np.ascontiguousarray(a[:, :k]), b, np.ascontiguousarray(c[:, k - 1 :].T)


def _window(s, chunk):
    """First and last+1 step of x that piece `chunk` sees, and the same places inside its transform."""
    start = chunk * s.step - (s.k - 1)
    low, high = max(0, start), min(s.t_in, start + s.size)
    return low, max(low, high), low - start, max(low, high) - start


def rows_of_input(s, x, dtype):
    """x^ (R, chunks * N, I) of x (T, N, I)."""
    _, b, _ = _matrices(s.k, s.step, dtype)
    flat = x.reshape(len(x), -1)
    out = np.empty((s.rank, s.chunks, flat.shape[1]), dtype)

    def block(first, last):
        columns = flat[:, first:last].astype(dtype, copy=False)
        for chunk in range(s.chunks):
            low, high, i, j = _window(s, chunk)
            np.matmul(b[:, i:j], columns[low:high], out=out[:, chunk, first:last])

    in_blocks(block, flat.shape[1], _COLUMNS)
    return out.reshape(s.rank, -1, x.shape[2])


def kernel_rows(s, kernel):
    """k^ (R, I, O) of the kernels (I, k, O) in the order of lags."""
    a, _, _ = _matrices(s.k, s.step, kernel.dtype)
    out = np.empty((s.rank, len(kernel), kernel.shape[2]), kernel.dtype)
    by_input = out.transpose(1, 0, 2)
    in_blocks(lambda i, j: np.matmul(a, kernel[i:j], out=by_input[i:j]), len(kernel), _INPUTS)
    return out


def _products(left, right):
    out = np.empty((len(left), left.shape[1], right.shape[2]), left.dtype)
    in_blocks(lambda i, j: np.matmul(left[i:j], right[i:j], out=out[i:j]), len(left), _ROWS)
    return out


def output(s, x_rows, k_rows):
    """Y (T_out, N, O)."""
    rows = _products(x_rows, k_rows).reshape(s.rank, s.chunks, -1)
    _, _, c = _matrices(s.k, s.step, rows.dtype)
    out = np.empty((s.t_out, rows.shape[2]), rows.dtype)

    def block(first, last):
        for chunk in range(s.chunks):
            y = out[chunk * s.step : (chunk + 1) * s.step, first:last]
            np.matmul(c[: len(y)], rows[:, chunk, first:last], out=y)

    in_blocks(block, out.shape[1], _COLUMNS)
    return out.reshape(s.t_out, -1, k_rows.shape[2])


def rows_of_gradient(s, dy):
    """y^' (R, chunks * N, O) of dy (T_out, N, O)."""
    _, _, c = _matrices(s.k, s.step, dy.dtype)
    flat = dy.reshape(len(dy), -1)
    out = np.empty((s.rank, s.chunks, flat.shape[1]), dy.dtype)

    def block(first, last):
        for chunk in range(s.chunks):
            piece = flat[chunk * s.step : (chunk + 1) * s.step, first:last]
            np.matmul(c[: len(piece)].T, piece, out=out[:, chunk, first:last])

    in_blocks(block, flat.shape[1], _COLUMNS)
    return out.reshape(s.rank, -1, dy.shape[2])


def kernel_gradient(s, x_rows, y_rows):
    """Gradient of the kernels (I, k, O) in the order of lags."""
    rows = _products(x_rows.transpose(0, 2, 1), y_rows)
    a, _, _ = _matrices(s.k, s.step, rows.dtype)
    out = np.empty((rows.shape[1], s.k, rows.shape[2]), rows.dtype)
    by_input = rows.transpose(1, 0, 2)
    in_blocks(lambda i, j: np.matmul(a.T, by_input[i:j], out=out[i:j]), len(out), _INPUTS)
    return out


def input_gradient(s, y_rows, k_rows):
    """Dx (T, N, I)."""
    rows = _products(y_rows, k_rows.transpose(0, 2, 1)).reshape(s.rank, s.chunks, -1)
    _, b, _ = _matrices(s.k, s.step, rows.dtype)
    out = np.zeros((s.t_in, rows.shape[2]), rows.dtype)

    def block(first, last):
        for chunk in range(s.chunks):  # windows of pieces overlap: they add
            low, high, i, j = _window(s, chunk)
            out[low:high, first:last] += b[:, i:j].T @ rows[:, chunk, first:last]

    in_blocks(block, out.shape[1], _COLUMNS // 4)
    return out.reshape(s.t_in, -1, k_rows.shape[1])
