"""CPU loops of the convolution: patches into columns and back, and the depthwise case directly.

All work on x (B, C, H, W). Output place (h, w) meets input place (h sh - ph + i dh, w sw - pw + j dw) under the tap
(i, j) of the kernel; places outside are zero. `geometry` is (kh, kw, sh, sw, ph, pw, dh, dw).
"""

import numpy as np

from ...runtime.jit import kernel

__all__ = ["columns", "columns_back", "depthwise", "depthwise_back_input", "depthwise_back_weight"]

_FAST = {"contract", "nsz"}


@kernel
def _span(j, size, n, geometry):
    """Output columns low..high whose tap j is inside a row of `size`, out of n, and the input column of column 0."""
    stride, shift = geometry[3], j * geometry[7] - geometry[5]
    low = max(0, -(shift // stride))  # smallest w with w stride + shift >= 0
    high = min(n, (size - 1 - shift) // stride + 1)
    return min(low, n), max(high, min(low, n)), shift


@kernel
def columns(x, first, channel, n_channels, geometry, rows, out):
    """Fill out (n_channels kh kw, images, rows, Wo) from images first.., channels channel.., output rows `rows`."""
    kh, kw, sh, sw, ph, _, dh, _ = geometry
    height, width, n = x.shape[2], x.shape[3], out.shape[3]
    for k in range(n_channels * kh * kw):
        c, i, j = channel + k // (kh * kw), k // kw % kh, k % kw
        low, high, shift = _span(j, width, n, geometry)
        for b in range(out.shape[1]):
            for h in range(out.shape[2]):
                to = out[k, b, h]
                r = (rows + h) * sh - ph + i * dh
                if r < 0 or r >= height:
                    to[:] = 0
                    continue
                to[:low] = 0
                to[high:] = 0
                row, part = x[first + b, c, r], to[low:high]
                if sw == 1:
                    source = row[low + shift : high + shift]
                    for q in range(part.size):
                        part[q] = source[q]
                else:
                    for q in range(part.size):
                        part[q] = row[(low + q) * sw + shift]


@kernel(fastmath=_FAST)
def columns_back(grad, first, channel, n_channels, geometry, rows, dx):
    """Add what :func:`columns` took apart back to where it came from."""
    kh, kw, sh, sw, ph, _, dh, _ = geometry
    height, width, n = dx.shape[2], dx.shape[3], grad.shape[3]
    for k in range(n_channels * kh * kw):
        c, i, j = channel + k // (kh * kw), k // kw % kh, k % kw
        low, high, shift = _span(j, width, n, geometry)
        for b in range(grad.shape[1]):
            for h in range(grad.shape[2]):
                r = (rows + h) * sh - ph + i * dh
                if r < 0 or r >= height:
                    continue
                row, part = dx[first + b, c, r], grad[k, b, h][low:high]
                if sw == 1:
                    to = row[low + shift : high + shift]
                    for q in range(part.size):
                        to[q] += part[q]
                else:
                    for q in range(part.size):
                        row[(low + q) * sw + shift] += part[q]


@kernel(fastmath=_FAST)
def depthwise(x, w, geometry, first, last, y):
    """Each output map sees one input map; adds to maps first..last of the B O ones of y, which hold the bias."""
    kh, kw, sh, sw, ph, _, dh, _ = geometry
    outputs, height, width, n = y.shape[1], x.shape[2], x.shape[3], y.shape[3]
    each = outputs // x.shape[1]
    for m in range(first, last):
        b, o = m // outputs, m % outputs
        for h in range(y.shape[2]):
            for i in range(kh):
                r = h * sh - ph + i * dh
                if r < 0 or r >= height:
                    continue
                row = x[b, o // each, r]
                for j in range(kw):
                    low, high, shift = _span(j, width, n, geometry)
                    v, to = w[o, 0, i, j], y[b, o, h, low:high]
                    if sw == 1:
                        source = row[low + shift : high + shift]
                        for q in range(to.size):
                            to[q] += v * source[q]
                    else:
                        for q in range(to.size):
                            to[q] += v * row[(low + q) * sw + shift]


@kernel(fastmath=_FAST)
def depthwise_back_input(dy, w, geometry, first, last, dx):
    """Add to maps first..last of the B C ones of dx."""
    kh, kw, sh, sw, ph, _, dh, _ = geometry
    height, width, n = dx.shape[2], dx.shape[3], dy.shape[3]
    each = dy.shape[1] // dx.shape[1]
    for m in range(first, last):
        b, c = m // dx.shape[1], m % dx.shape[1]
        for o in range(c * each, (c + 1) * each):
            for h in range(dy.shape[2]):
                for i in range(kh):
                    r = h * sh - ph + i * dh
                    if r < 0 or r >= height:
                        continue
                    row = dx[b, c, r]
                    for j in range(kw):
                        low, high, shift = _span(j, width, n, geometry)
                        v, source = w[o, 0, i, j], dy[b, o, h, low:high]
                        if sw == 1:
                            to = row[low + shift : high + shift]
                            for q in range(to.size):
                                to[q] += v * source[q]
                        else:
                            for q in range(source.size):
                                row[(low + q) * sw + shift] += v * source[q]


@kernel(fastmath={"contract", "nsz", "reassoc"})
def depthwise_back_weight(x, dy, geometry, first, last, dw):
    """Weight gradient of outputs first..last, summed in float64; the compiler orders the sum within a row."""
    kh, kw, sh, sw, ph, _, dh, _ = geometry
    height, width, n = x.shape[2], x.shape[3], dy.shape[3]
    each = dy.shape[1] // x.shape[1]
    for o in range(first, last):
        for i in range(kh):
            for j in range(kw):
                low, high, shift = _span(j, width, n, geometry)
                total = 0.0
                for b in range(dy.shape[0]):
                    for h in range(dy.shape[2]):
                        r = h * sh - ph + i * dh
                        if r < 0 or r >= height:
                            continue
                        row, g = x[b, o // each, r], dy[b, o, h, low:high]
                        if sw == 1:
                            source = row[low + shift : high + shift]
                            for q in range(g.size):
                                total += np.float64(source[q]) * np.float64(g[q])
                        else:
                            for q in range(g.size):
                                total += np.float64(row[(low + q) * sw + shift]) * np.float64(g[q])
                dw[o, 0, i, j] = total
