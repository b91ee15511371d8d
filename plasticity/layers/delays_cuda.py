"""Layers with delays on a graphics processor: the three sums of :mod:`.delays` over lists of spikes.

    output             thread (t, o) of a sample walks the spikes of the k steps up to t: y += x K[i, t - t', o]
    kernel gradient    thread (d, o) of an input walks its spikes, sample after sample: g += x dy[t' + d, n, o]
    input gradient     tiles of a matrix product in shared memory, one lag after the other

Threads next to each other are outputs (inputs in the last one): they walk the same spikes and read numbers that lie
next to each other. Each thread owns one result and adds in a fixed order, without atomic operations: the bits do not
change from run to run. They agree with the CPU's to rounding. Kernels with learnable positions are made on the CPU.
"""

import numpy as np
from numba import cuda, float32

from ...runtime.device import on_device
from ...runtime.jit import cuda_kernel
from .dcls import SIGMA_MIN, build, elements, pull_back
from .delays import Saved, _checked, check_max_delay
from .pairs import EVAL

__all__ = ["delay_backward_cuda", "delay_forward_cuda"]

THREADS = 128  # a block
TILE = 16  # side of a tile of the input gradient


@cuda_kernel
def output(starts, index, value, kernels, n_samples, out):
    """Y (T_out, N, O); spikes of step t of sample n are the places starts[n T + t] .. starts[n T + t + 1]."""
    t, n = cuda.blockIdx.x, cuda.blockIdx.y
    o = cuda.blockIdx.z * cuda.blockDim.x + cuda.threadIdx.x
    if o >= out.shape[2]:
        return
    steps = (starts.size - 1) // n_samples
    total = float32(0)
    for source in range(max(0, t - kernels.shape[1] + 1), min(t + 1, steps)):
        place = n * steps + source
        for e in range(starts[place], starts[place + 1]):
            total += value[e] * kernels[index[e], t - source, o]
    out[t, n, o] = total


@cuda_kernel
def kernel_gradient(starts, sample, step, value, dy, out):
    """Gradient (I, k, O); spikes of input i are the places starts[i] .. starts[i + 1]."""
    i, d = cuda.blockIdx.x, cuda.blockIdx.y
    o = cuda.blockIdx.z * cuda.blockDim.x + cuda.threadIdx.x
    if o >= out.shape[2]:
        return
    total = float32(0)
    for e in range(starts[i], starts[i + 1]):
        t = step[e] + d
        if t < dy.shape[0]:
            total += value[e] * dy[t, sample[e], o]
    out[i, d, o] = total


@cuda_kernel
def input_gradient(turned, dy, out):
    """Dx (T, N, I) of dy (T_out, N, O); `turned` is (k, O, I). A block is TILE steps of a sample by TILE inputs."""
    left = cuda.shared.array((TILE, TILE), float32)
    right = cuda.shared.array((TILE, TILE), float32)  # a line of its own: the simulator tells arrays by their lines
    n, a, b = cuda.blockIdx.y, cuda.threadIdx.y, cuda.threadIdx.x
    t, i = cuda.blockIdx.x * TILE + a, cuda.blockIdx.z * TILE + b
    total = float32(0)
    for d in range(turned.shape[0]):
        for first in range(0, turned.shape[1], TILE):
            inside = t + d < dy.shape[0] and first + b < turned.shape[1]
            left[a, b] = dy[t + d, n, first + b] if inside else float32(0)
            inside = first + a < turned.shape[1] and i < turned.shape[2]
            right[a, b] = turned[d, first + a, i] if inside else float32(0)
            cuda.syncthreads()
            for c in range(TILE):
                total += left[a, c] * right[c, b]
            cuda.syncthreads()
    if t < out.shape[0] and i < out.shape[2]:
        out[t, n, i] = total


def delay_forward_cuda(
    p,
    x,
    mode=EVAL,
    *,
    max_delay,
    version="gauss",
    sigma_min=SIGMA_MIN,
    input_gradient=True,
    train=("weight", "position"),
    device="cuda",
):
    """:func:`.delays.delay_forward` on a CUDA device, in float32; arrays come from and go to the host.

    Raises
    ------
    NoDevice
        If the device is not there (a ValueError).
    """
    check_max_delay(max_delay)
    p = {key: np.asarray(p[key], np.float32) for key in ("weight", "position", "width")}
    parts = elements(p["weight"], p["position"], p["width"], max_delay, version, sigma_min)
    x = _checked(x, parts)
    kernels = build(parts, flip=True)
    t_out, (n_steps, n_samples, _) = len(x) + (parts.k - 1) // 2, x.shape
    n, t, i = np.nonzero(x.swapaxes(0, 1))
    starts = np.searchsorted(n * n_steps + t, np.arange(n_samples * n_steps + 1)).astype(np.int32)
    n_out = kernels.shape[2]
    with on_device(device):
        y = cuda.device_array((t_out, n_samples, n_out), np.float32)
        spikes = [_there(a) for a in (starts, i.astype(np.int32), x[t, n, i].astype(np.float32))]
        output[(t_out, n_samples, -(-n_out // THREADS)), THREADS](*spikes, _there(kernels), n_samples, y)
        y = y.copy_to_host()
    chosen = (f"events {device}",) * 3
    return y, Saved(x, parts, kernels, None, None, chosen, input_gradient, tuple(train), t_out)


def delay_backward_cuda(p, saved, dy, device="cuda"):
    """:func:`.delays.delay_backward` of what :func:`delay_forward_cuda` saved."""
    x, kernels = saved.x, saved.kernel
    n_in, k, n_out = kernels.shape
    dx, dp = None, {}
    with on_device(device):
        upper = _there(np.ascontiguousarray(dy, np.float32))
        if saved.train:
            i, n, t = np.nonzero(x.transpose(2, 1, 0))
            starts = np.searchsorted(i, np.arange(n_in + 1)).astype(np.int32)
            spikes = (starts, n.astype(np.int32), t.astype(np.int32), x[t, n, i].astype(np.float32))
            g = cuda.device_array(kernels.shape, np.float32)
            kernel_gradient[(n_in, k, -(-n_out // THREADS)), THREADS](*(_there(a) for a in spikes), upper, g)
            dp = pull_back(saved.parts, g.copy_to_host(), flip=True, wanted=saved.train)
        if saved.input_gradient:
            out = cuda.device_array(x.shape, np.float32)
            grid = (-(-len(x) // TILE), x.shape[1], -(-n_in // TILE))
            input_gradient[grid, (TILE, TILE)](_there(np.ascontiguousarray(kernels.transpose(1, 2, 0))), upper, out)
            dx = out.copy_to_host()
    return dx, dp


def _there(a):
    """`a` on the device; an empty list of spikes gets one entry that is never read."""
    return cuda.to_device(a if a.size else np.zeros(1, a.dtype))
