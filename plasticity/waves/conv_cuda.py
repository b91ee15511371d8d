"""Convolution of time maps on a graphics processor: batches of images, one thread a neuron.

A thread keeps the potential of its neuron in a register and walks the spikes that may reach it, step after step,

    V[f, oy, ox] += w[c, ky, kx, f],    oy = y + pad - ky,  ox = x + pad - kx

up to the first crossing. The spikes of an image row are sorted by (step, c, x) beforehand; inside a step a neuron adds
in the order (y, c, x), which is that of the CPU. Nothing is multiplied, so that no fused operation can round otherwise:
spike steps and values are those of the CPU, bit for bit. Threads next to each other are maps of one position: they walk
the same spikes and read weights that lie next to each other.
"""

from typing import NamedTuple

import numpy as np
from numba import cuda

from ...runtime.device import on_device
from ...runtime.jit import cuda_device, cuda_kernel
from ...runtime.spikes import check_times, time_dtype
from .checks import check_weights
from .layer import make_layer
from .winners import pooled_size

__all__ = ["Images", "convolve_cuda", "integrate", "map_last", "upload"]

THREADS = 256  # a block
_MEMORY = 1 << 28  # bytes that the images of one launch may take, about
_ZERO = np.float32(0.0)


class Images(NamedTuple):
    """Spikes of a batch of images."""

    times: np.ndarray  # (N, C, H, W) time maps
    events: np.ndarray  # (N, H, C W) int32, spikes of a row by (step, c, x): c 2^16 + x
    offsets: np.ndarray  # (N, H, T + 1) int32, those of step t are [offsets[t], offsets[t + 1])


@cuda_kernel
def sort_rows(images, n_steps):
    """Fill events and offsets from the times; one thread an image row."""
    times, events, offsets = images.times, images.events, images.offsets
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    n, y = i // times.shape[2], i % times.shape[2]
    if n >= times.shape[0]:
        return
    for t in range(n_steps + 1):
        offsets[n, y, t] = 0
    for c in range(times.shape[1]):
        for x in range(times.shape[3]):
            t = times[n, c, y, x]
            if t < n_steps:
                offsets[n, y, t] += 1
    total = 0
    for t in range(n_steps + 1):  # counts become starts
        count = offsets[n, y, t]
        offsets[n, y, t] = total
        total += count
    for c in range(times.shape[1]):
        for x in range(times.shape[3]):
            t = times[n, c, y, x]
            if t < n_steps:
                events[n, y, offsets[n, y, t]] = (c << 16) | x
                offsets[n, y, t] += 1
    for t in range(n_steps, 0, -1):  # filling moved each start to the next one's place
        offsets[n, y, t] = offsets[n, y, t - 1]
    offsets[n, y, 0] = 0


@cuda_device
def integrate(value, images, n, t, weights, f, top, left):
    """Potential of map `f` after the spikes of step `t` of image `n`; its window starts at (`top`, `left`)."""
    for ky in range(weights.shape[1]):
        y = top + ky
        if y >= 0 and y < images.times.shape[2]:
            for e in range(images.offsets[n, y, t], images.offsets[n, y, t + 1]):
                code = images.events[n, y, e]
                kx = (code & 0xFFFF) - left
                if kx >= 0 and kx < weights.shape[2]:
                    value += weights[code >> 16, ky, kx, f]
    return value


@cuda_kernel
def fire(images, weights, layer, steps, values):
    """Spike steps (N, OH OW, F) and, unless its size is 0, values of firing; one thread a neuron.

    `weights` is (C, KH, KW, F).
    """
    n = cuda.blockIdx.x
    i = cuda.blockIdx.y * cuda.blockDim.x + cuda.threadIdx.x
    p, f = i // layer.n_maps, i % layer.n_maps
    if p >= steps.shape[1]:
        return
    top, left = p // layer.width - layer.pad, p % layer.width - layer.pad
    value, fired, step = _ZERO, _ZERO, layer.n_steps
    for t in range(layer.n_steps):
        value = integrate(value, images, n, t, weights, f, top, left)
        if value > layer.theta and (t == layer.n_steps - 1 or not layer.last_only):
            fired, step = value, t
            break
    steps[n, p, f] = step
    if values.size > 0:
        values[n, p, f] = fired


@cuda_kernel
def keep_one(n_steps, steps, values):
    """Keep one spike at a position, the earliest; tie: largest value; tie: lowest map. One thread a position."""
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    n, p = i // steps.shape[1], i % steps.shape[1]
    if n >= steps.shape[0]:
        return
    best = 0
    for f in range(1, steps.shape[2]):
        tie = steps[n, p, f] == steps[n, p, best]
        if steps[n, p, f] < steps[n, p, best] or (tie and values[n, p, f] > values[n, p, best]):
            best = f
    for f in range(steps.shape[2]):
        if f != best:
            steps[n, p, f] = n_steps
            values[n, p, f] = _ZERO


@cuda_kernel
def pool_maps(layer, steps, out):
    """Earliest spike of each window: (N, OH OW, F) -> (N, F, PH, PW); one thread a pooled neuron."""
    n = cuda.blockIdx.x
    i = cuda.blockIdx.y * cuda.blockDim.x + cuda.threadIdx.x
    p, f = i // layer.n_maps, i % layer.n_maps
    py, px = p // out.shape[3], p % out.shape[3]
    if py >= out.shape[2]:
        return
    top, left = py * layer.stride - layer.pool_pad, px * layer.stride - layer.pool_pad
    first = layer.n_steps
    for y in range(max(top, 0), min(top + layer.pool, layer.height)):
        for x in range(max(left, 0), min(left + layer.pool, layer.width)):
            first = min(first, steps[n, y * layer.width + x, f])
    out[n, f, py, px] = first


def upload(times, n_steps):
    """:class:`Images` on the device, from checked time maps (N, C, H, W)."""
    n, n_channels, height, width = times.shape
    events = cuda.device_array((n, height, n_channels * width), np.int32)
    offsets = cuda.device_array((n, height, n_steps + 1), np.int32)
    images = Images(cuda.to_device(times), events, offsets)
    sort_rows[-(-n * height // THREADS), THREADS](images, n_steps)
    return images


def map_last(weights):
    """(..., F, C, KH, KW) -> (..., C, KH, KW, F), contiguous."""
    return np.ascontiguousarray(np.moveaxis(weights, -4, -1))


def convolve_cuda(
    times,
    weights,
    theta,
    n_steps,
    *,
    padding=0,
    pool=None,
    strict=True,
    inhibit=False,
    return_values=False,
    device="cuda",
):
    """What :func:`~firstspike.plasticity.waves.conv.convolve` does with ``device="cuda"``: see there."""
    times = check_times(times, n_steps)
    weights = check_weights(weights, times.shape[1])
    layer = make_layer(times, weights, theta, n_steps, padding, strict, pool or (1, 1, 0), inhibit)
    n, n_maps, n_places = len(times), weights.shape[0], layer.height * layer.width
    size = pooled_size((layer.height, layer.width), layer.pool, layer.stride, layer.pool_pad)
    out = np.empty((n, n_maps, *size), time_dtype(n_steps))
    values = np.empty((n, n_maps, layer.height, layer.width) if return_values else (0, 1, 1, 1), np.float32)
    block = max(1, _MEMORY // (8 * (n_maps * n_places + times[:1].size)))
    with on_device(device):
        inner = cuda.to_device(map_last(weights))
        for a in range(0, n, block):
            _block(upload(times[a : a + block], layer.n_steps), inner, layer, out[a : a + block], values[a : a + block])
    return (out, values) if return_values else out


def _block(images, weights, layer, out, values):
    """Fill `out` and `values` (host) for one batch of images."""
    n, n_places, n_maps = len(out), layer.height * layer.width, layer.n_maps
    steps = cuda.device_array((n, n_places, n_maps), out.dtype)
    with_values = layer.inhibit or values.size
    fired = cuda.device_array((n, n_places, n_maps) if with_values else (1, 1, 0), np.float32)
    pooled = cuda.device_array(out.shape, out.dtype)
    fire[(n, -(-n_places * n_maps // THREADS)), THREADS](images, weights, layer, steps, fired)
    if layer.inhibit:
        keep_one[-(-n * n_places // THREADS), THREADS](layer.n_steps, steps, fired)
    pool_maps[(n, -(-pooled[0].size // THREADS)), THREADS](layer, steps, pooled)
    pooled.copy_to_host(out)
    if values.size:
        values[:] = fired.copy_to_host().reshape(n, layer.height, layer.width, n_maps).transpose(0, 3, 1, 2)
