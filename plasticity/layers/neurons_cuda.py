"""Spiking neurons on a graphics processor: one thread a neuron, all steps, by the scalars of the CPU.

A thread keeps the potential (backwards: its gradient) in a register and walks the steps; threads next to each other
read neurons next to each other. In float32 a neuron and step moves 9 bytes forwards with h kept, 5 without, and 12
backwards. Sums over neurons (the gradient of a learnt rate) are made on the host, in a fixed order. Results agree with
the CPU's within rounding: a device may contract a b + c into one rounding.
"""

import numpy as np
from numba import cuda

from ...runtime.device import on_device
from ...runtime.jit import specialise_cuda
from .neurons_scalars import charge, derivative, reset, scalars, spike, through, toward

__all__ = ["backward", "compiled", "forward"]

THREADS = 128  # a block


def _fire(x, h, s, v, c, slopes):
    """Spikes s, potentials h (its size is 0: not wanted) and last potentials v, which holds the first ones."""
    j = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if j >= v.size:
        return
    u = v[j]
    for t in range(x.shape[0]):
        y = charge(u, x[t, j], c.k, c.v_r)
        z = spike(y - c.theta, *slopes)
        if h.size > 0:
            h[t, j] = y
        s[t, j] = z
        u = reset(y, z, c.theta, c.v_r)
    v[j] = u


def _back(h, ds, dx, g, first, dk, c, slopes):
    """Gradients dx of inputs, dk of k for each neuron, and g of the potential before the first step.

    g holds that after the last step; `first` is the potential before the first one. dx may be h.
    """
    j = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if j >= g.size:
        return
    carried, rate = g[j], c.k - c.k
    for t in range(h.shape[0] - 1, -1, -1):
        y = h[t, j]
        u = y - c.theta
        d = derivative(u, *slopes)
        a = ds[t, j] * d + carried * through(y, spike(u, *slopes), d, c.theta, c.v_r)
        before = first[j]
        if t > 0:
            before = reset(h[t - 1, j], spike(h[t - 1, j] - c.theta, *slopes), c.theta, c.v_r)
        rate += a * toward(y, before, c.k, c.v_r)
        dx[t, j] = c.gain * a
        carried = c.keep * a
    g[j] = carried
    dk[j] = rate


def compiled(loop, neuron, kind):
    """A loop of this file for the scalars of `neuron`."""
    functions = scalars(neuron, kind)
    return specialise_cuda(loop, **{k: f for k, f in functions.items() if k in loop.__code__.co_names or k == "real"})


def forward(device, neuron, x, h, spikes, v, c, slopes):
    """Fill `spikes` and, unless its size is 0, `h`, (T, N) on the host; v (N,) is the potential before, then after."""
    fire = compiled(_fire, neuron, x.dtype)
    with on_device(device):
        on = [cuda.to_device(x), cuda.device_array(h.shape, h.dtype), cuda.device_array(spikes.shape, spikes.dtype)]
        state = cuda.to_device(v)
        if x.size:
            fire[-(-v.size // THREADS), THREADS](*on, state, c, slopes)
        for a, b in ((on[1], h), (on[2], spikes), (state, v)):
            if b.size:
                a.copy_to_host(b)


def backward(device, neuron, h, ds, dx, g, first, c, slopes):
    """Fill `dx` (T, N) on the host; g (N,) as in the kernel. Returns dk of each neuron."""
    back, dk = compiled(_back, neuron, h.dtype), np.zeros_like(g)
    with on_device(device):
        on = [cuda.to_device(a) for a in (h, ds)]
        state, rate = cuda.to_device(g), cuda.to_device(dk)
        if h.size:
            # dx goes over h: each thread has read a step before it writes it
            back[-(-g.size // THREADS), THREADS](*on, on[0], state, cuda.to_device(first), rate, c, slopes)
        for a, b in ((on[0], dx), (state, g), (rate, dk)):
            if b.size:
                a.copy_to_host(b)
    return dk
