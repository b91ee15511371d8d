"""Event-driven convolution on the CPU: potentials of one output row at a time, over a batch of images.

Per image the spikes are sorted into buckets (input row y, step t). An output row then adds, step after step, one
contiguous block of KW x F weights per spike to a tile (OW + 2 (KW - 1), F) that stays in the first-level cache:

    V[ox, f] += w[c, ky, kx, f],   oy = y + pad - ky,  ox = x + pad - kx

With kx stored backwards the block of positions ox and the block of weights run the same way. After each step only the
touched part of the row is compared with the threshold. Sums inside a step run in the order (y, c, x), here and in
learning, so that both see the same bits.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import kernel

__all__ = ["Spikes", "add", "bucket", "convolve_images", "make_spikes"]


class Spikes(NamedTuple):
    """Spikes of one image by (row, step), with the memory to sort them."""

    offsets: np.ndarray  # (H T + 1) bucket y T + t is [offsets[y T + t], offsets[y T + t + 1])
    event: np.ndarray  # (C H W) channel 2^16 + column
    key: np.ndarray  # (C H W) bucket and
    code: np.ndarray  # (C H W) event before sorting


def make_spikes(shape, n_steps):
    """Empty :class:`Spikes` for time maps of `shape` (C, H, W)."""
    n = int(np.prod(shape))
    offsets = np.zeros(shape[1] * n_steps + 1, np.int64)
    return Spikes(offsets, np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32))


@kernel
def bucket(times, n_steps, s):
    """Sort the spikes of one time map (C, H, W) into `s`, stable in (c, x); returns their number."""
    n_channels, height, width = times.shape
    offsets, key, code = s.offsets, s.key, s.code
    offsets[:] = 0
    n = 0
    for c in range(n_channels):
        for y in range(height):
            row = times[c, y]
            for x in range(width):
                t = np.int64(row[x])
                if t < n_steps:
                    b = y * n_steps + t
                    offsets[b] += 1
                    key[n] = b
                    code[n] = (c << 16) | x
                    n += 1
    total = 0
    for i in range(offsets.size):  # counts become starts
        count = offsets[i]
        offsets[i] = total
        total += count
    for i in range(n):
        b = np.int64(key[i])
        s.event[offsets[b]] = code[i]
        offsets[b] += 1
    for i in range(offsets.size - 1, 0, -1):  # filling moved each start to the next one's place
        offsets[i] = offsets[i - 1]
    offsets[0] = 0
    return n


@kernel
def add(v, w):
    """Add a row of weights `w` to potentials `v`."""
    for i in range(w.size):
        v[i] += w[i]


@kernel
def _fire(v, steps, t, silent, theta):
    for i in range(v.size):
        steps[i] = min(steps[i], t if v[i] > theta else silent)


@kernel
def _fire_values(v, steps, values, t, silent, theta):
    for i in range(v.size):
        new = v[i] > theta and steps[i] == silent
        values[i] = v[i] if new else values[i]
        steps[i] = t if new else steps[i]


@kernel
def _inhibit(steps, values, silent):
    """Keep the earliest of one position; tie: largest value; tie: lowest map."""
    best = 0
    for f in range(1, steps.size):
        if steps[f] < steps[best] or (steps[f] == steps[best] and values[f] > values[best]):
            best = f
    step, value = steps[best], values[best]
    steps[:] = silent
    values[:] = np.float32(0.0)
    steps[best] = step
    values[best] = value


@kernel
def _row(oy, weights, spikes, layer, v, steps, values):
    """Spike steps of output row `oy` into `steps` (and values of firing into `values`, unless its size is 0)."""
    offsets, event = spikes.offsets, spikes.event
    n_steps, lanes = layer.n_steps, layer.n_lanes
    height = (offsets.size - 1) // n_steps
    edge = layer.kernel_w - 1
    silent = np.int32(n_steps)
    v[:] = np.float32(0.0)
    steps[:] = silent
    values[:] = np.float32(0.0)
    first, last = v.size, 0  # touched part of the tile
    for t in range(n_steps):
        for ky in range(layer.kernel_h):
            y = oy + ky - layer.pad
            if y < 0 or y >= height:
                continue
            for e in range(offsets[y * n_steps + t], offsets[y * n_steps + t + 1]):
                code = np.int64(event[e])
                a = ((code & 0xFFFF) + layer.pad) * lanes
                b = a + layer.kernel_w * lanes
                add(v[a:b], weights[code >> 16, ky])
                first = min(first, a)
                last = max(last, b)
        if first < last and (t == n_steps - 1 or not layer.last_only):
            a = max(first, edge * lanes)
            b = min(last, (edge + layer.width) * lanes)
            if values.size:
                _fire_values(v[a:b], steps[a:b], values[a:b], np.int32(t), silent, layer.theta)
            else:
                _fire(v[a:b], steps[a:b], np.int32(t), silent, layer.theta)
            first, last = v.size, 0
    if layer.inhibit:
        for ox in range(layer.width):
            a = (edge + ox) * lanes
            _inhibit(steps[a : a + lanes], values[a : a + lanes], silent)


@kernel
def _minimum(out, row):
    for i in range(row.size):
        out[i] = min(out[i], row[i])


@kernel
def _pool_row(oy, layer, steps, pooled):
    """Fold the spike steps of output row `oy` into all windows of `pooled` (PH, PW F) that hold it."""
    lanes = layer.n_lanes
    edge = layer.kernel_w - 1
    rows = pooled.shape[0]
    columns = pooled.shape[1] // lanes
    for py in range(rows):
        top = py * layer.stride - layer.pool_pad
        if oy < top or oy >= top + layer.pool:
            continue
        for px in range(columns):
            left = px * layer.stride - layer.pool_pad
            for ox in range(max(left, 0), min(left + layer.pool, layer.width)):
                a = (edge + ox) * lanes
                _minimum(pooled[py, px * lanes : (px + 1) * lanes], steps[a : a + lanes])


@kernel
def convolve_images(times, weights, layer, spikes, out, values):
    """Time maps `out` (N, F, PH, PW) of `times` (N, C, H, W); `values` (N, F, OH, OW) or size 0.

    `weights` is (C, KH, KW F) with the columns of the kernel backwards.
    """
    lanes = layer.n_lanes
    edge = layer.kernel_w - 1
    tile = (layer.width + 2 * edge) * lanes
    v = np.empty(tile, np.float32)
    steps = np.empty(tile, np.int32)
    fired = np.empty(tile if layer.inhibit or values.size else 0, np.float32)
    rows, columns = out.shape[2], out.shape[3]
    pooled = np.empty((rows, columns * lanes), np.int32)
    for n in range(times.shape[0]):
        bucket(times[n], layer.n_steps, spikes)
        pooled[:] = layer.n_steps
        for oy in range(layer.height):
            _row(oy, weights, spikes, layer, v, steps, fired)
            _pool_row(oy, layer, steps, pooled)
            if values.size:
                for ox in range(layer.width):
                    for f in range(layer.n_maps):
                        values[n, f, oy, ox] = fired[(edge + ox) * lanes + f]
        for py in range(rows):
            for px in range(columns):
                for f in range(layer.n_maps):
                    out[n, f, py, px] = pooled[py, px * lanes + f]
