"""Loops of the front end: correlation, local mean, lateral inhibition, rank code."""

import numpy as np

from ...runtime.jit import kernel

__all__ = ["box_normalise", "correlate", "inhibit_later", "inhibit_stronger", "keep_strongest", "pool_maximum", "rank"]


@kernel
def _axpy(out, a, x):
    for i in range(out.size):
        out[i] += a * x[i]


@kernel
def _cut(out, threshold, use_abs, floor):
    for i in range(out.size):
        r = out[i] if out[i] >= threshold else 0.0
        if use_abs:
            r = abs(r)
        out[i] = 0.0 if abs(r) < floor else r


@kernel
def _correlate_one(image, scale, kernels, base, factor, padding, cut, out):
    """All maps of one image; map m is `factor[m]` times the response of map `base[m]` <= m."""
    size = kernels.shape[1]
    height, width = image.shape
    padded = np.zeros((height + 2 * padding, width + 2 * padding))
    for y in range(height):
        for x in range(width):
            padded[y + padding, x + padding] = image[y, x] * scale
    for m in range(kernels.shape[0]):
        if base[m] < m:
            continue
        for y in range(out.shape[1]):
            row = out[m, y]
            row[:] = 0.0
            for i in range(size):
                for j in range(size):
                    if kernels[m, i, j] != 0.0:
                        _axpy(row, kernels[m, i, j], padded[y + i, j : j + row.size])
    for m in range(kernels.shape[0]):
        if base[m] < m:
            for y in range(out.shape[1]):
                row = out[m, y]
                row[:] = 0.0
                _axpy(row, factor[m], out[base[m], y])
    threshold, use_abs, floor = cut
    for m in range(kernels.shape[0]):
        for y in range(out.shape[1]):
            _cut(out[m, y], threshold, use_abs, floor)


@kernel
def correlate(images, scale, kernels, base, factor, padding, cut, out):
    """Responses `out` (N, C, OH, OW) of `images` (N, H, W) times `scale` to `kernels` (C, n, n)."""
    for n in range(images.shape[0]):
        _correlate_one(images[n], scale, kernels, base, factor, padding, cut, out[n])


@kernel
def box_normalise(maps, radius, out):
    """Each of `maps` (M, H, W) divided by its mean in a window of (2 R + 1)^2, silent beyond the border."""
    n_maps, height, width = maps.shape
    for m in range(n_maps):
        table = np.zeros((height + 1, width + 1))  # sums of all cells above and left
        for y in range(height):
            total = 0.0
            for x in range(width):
                total += maps[m, y, x]
                table[y + 1, x + 1] = table[y, x + 1] + total
        area = 1.0 / ((2 * radius + 1) * (2 * radius + 1))
        for y in range(height):
            a, b = max(y - radius, 0), min(y + radius + 1, height)
            for x in range(width):
                if maps[m, y, x] == 0.0:
                    out[m, y, x] = 0.0
                    continue
                c, d = max(x - radius, 0), min(x + radius + 1, width)
                total = table[b, d] - table[a, d] - table[b, c] + table[a, c]
                out[m, y, x] = maps[m, y, x] / (total * area + 1e-12)


@kernel
def inhibit_later(maps, weights, out):
    """I / (1 + S), S = sum of `weights` (2 R + 1, 2 R + 1) over the places of stronger neighbours."""
    n_maps, height, width = maps.shape
    radius = weights.shape[0] // 2
    for m in range(n_maps):
        for y in range(height):
            for x in range(width):
                value, total = maps[m, y, x], 0.0
                for v in range(max(y - radius, 0), min(y + radius + 1, height)):
                    for u in range(max(x - radius, 0), min(x + radius + 1, width)):
                        if maps[m, v, u] > value:
                            total += weights[v - y + radius, u - x + radius]
                out[m, y, x] = value / (1.0 + total)


@kernel
def inhibit_stronger(maps, weights, out):
    """I (1 + S), S = sum of `weights` over the places of weaker neighbours; beyond the border they count as 0."""
    n_maps, height, width = maps.shape
    radius = weights.shape[0] // 2
    for m in range(n_maps):
        for y in range(height):
            for x in range(width):
                value, total = maps[m, y, x], 0.0
                for v in range(y - radius, y + radius + 1):
                    for u in range(x - radius, x + radius + 1):
                        inside = 0 <= v < height and 0 <= u < width
                        other = maps[m, v, u] if inside else 0.0
                        if value > other:
                            total += weights[v - y + radius, u - x + radius]
                out[m, y, x] = value * (1.0 + total)


@kernel
def pool_maximum(maps, window, stride, padding, out):
    """Largest intensity of each window of `maps` (M, H, W); the padding is 0; sizes are pairs (rows, columns)."""
    for m in range(maps.shape[0]):
        for py in range(out.shape[1]):
            top = py * stride[0] - padding[0]
            for px in range(out.shape[2]):
                left = px * stride[1] - padding[1]
                best = 0.0
                for y in range(max(top, 0), min(top + window[0], maps.shape[1])):
                    for x in range(max(left, 0), min(left + window[1], maps.shape[2])):
                        best = max(best, maps[m, y, x])
                out[m, py, px] = best


@kernel
def keep_strongest(maps, out):
    """`maps` (N, C, H, W) with all but the largest value of each position, over C, set to 0; tie: the lowest map."""
    for n in range(maps.shape[0]):
        for y in range(maps.shape[2]):
            for x in range(maps.shape[3]):
                best = 0
                for c in range(1, maps.shape[1]):
                    if maps[n, c, y, x] > maps[n, best, y, x]:
                        best = c
                for c in range(maps.shape[1]):
                    out[n, c, y, x] = maps[n, c, y, x] if c == best else 0.0


@kernel
def _rank_one(values, n_steps, equal, out):
    n = 0
    for i in range(values.size):
        n += values[i] > 0.0
    keys = np.empty(n)
    where = np.empty(n, np.int64)
    n = 0
    for i in range(values.size):
        out[i] = n_steps
        if values[i] > 0.0:
            keys[n] = -values[i]
            where[n] = i
            n += 1
    order = np.argsort(keys, kind="mergesort")
    block = n // n_steps
    for r in range(n):
        if equal:
            out[where[order[r]]] = r * n_steps // n
        elif r < block * n_steps:
            out[where[order[r]]] = r // block


@kernel
def rank(maps, n_steps, equal, out):
    """Rank code `out` of each image of `maps`, both (N, C, H, W)."""
    for n in range(maps.shape[0]):
        _rank_one(maps[n].reshape(maps[n].size), n_steps, equal, out[n].reshape(out[n].size))
