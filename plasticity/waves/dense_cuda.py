"""Fully connected layers of one-spike neurons on a graphics processor: an image, or a network that learns, a block.

The threads of a block share the neurons of a layer. A thread adds to the potential of its neurons, in registers, what
the spikes of a step bring, in the order of the CPU, and compares; nothing is multiplied on the way, so firing times
and answers are those of the CPU, bit for bit. Neurons that cross set their bit in a word of 32; counting bits gives
each its place in the list of those that have fired, in order of step and index, whichever thread came first.

Learning goes image after image as on the CPU, so a block holds one network and many networks learn side by side. The
errors come from the same functions, in float64; there the compiler may fuse a multiplication and an addition.

Kheradpisheh & Masquelier 2020, doi 10.1142/S0129065720500276.
"""

import math
from typing import NamedTuple

import numba
import numpy as np
from numba import cuda

from ...runtime.device import on_device
from ...runtime.jit import cuda_device, cuda_kernel
from . import dense_learn_cpu as cpu

__all__ = ["Plan", "Room", "Taught", "decide_cuda", "decide_images", "learn_cuda", "learn_networks"]

THREADS = 256  # a block
_BLOCKS = 4096  # of a launch of images: each has memory of its own
_SAMPLES = 2000  # of a launch of networks
_LAYERS = 16  # at most
_WORDS = 2048  # of 32 neurons: the largest layer

aim, changed, decayed = cuda_device(cpu.aim.py_func), cuda_device(cpu.changed), cuda_device(cpu.decayed)
error_below = cuda_device(cpu.error_below)


class Plan(NamedTuple):
    """Where things stand in flat arrays; int64, as of :class:`~firstspike.plasticity.waves.dense_cpu.Net`."""

    sizes: np.ndarray  # (L + 1)
    at_weight: np.ndarray  # (L + 1)
    at_neuron: np.ndarray  # (L + 1)


class Room(NamedTuple):
    """Working memory of B blocks with n neurons each, C of them outputs."""

    potential: np.ndarray  # (B, n)
    time: np.ndarray  # (B, n) int32 spike steps, T = silent
    order: np.ndarray  # (B, n) int32: those of a layer that have fired, in order of time and index
    held: np.ndarray  # (B, C) output potentials at the decision; if there is none, after step `read`
    fired: np.ndarray  # (B, L) int32, how many have fired
    gone: np.ndarray  # (1) potential of who has fired


class Taught(NamedTuple):
    """What belongs to each of R networks that learn."""

    samples: np.ndarray  # (R, K) int64, in this order
    eta: np.ndarray  # (R, L)
    decay: np.ndarray  # (R, L)
    theta: np.ndarray  # (R, L)
    delta: np.ndarray  # (R, n) float64
    step: np.ndarray  # (R, n) of the weights' type
    tally: np.ndarray  # (R, 6) int64
    awake: np.ndarray  # (R, hidden neurons) int64


@cuda_device
def _rank(mask, j):
    """Number of set bits before bit j."""
    n = cuda.popc(np.int64(mask[j >> 5]) & ((np.int64(1) << (j & 31)) - 1))
    for w in range(j >> 5):
        n += cuda.popc(np.int64(mask[w]))
    return n


@cuda_device
def _collect(mask, potential, time, order, n_fired, n, gone, t):
    """Those whose bit is set fire at `t` and take no more part; returns how many have fired; all bits are cleared."""
    i, width, total = cuda.threadIdx.x, cuda.blockDim.x, n_fired
    for w in range((n + 31) >> 5):
        total += cuda.popc(np.int64(mask[w]))
    for j in range(i, n, width):
        if (np.int64(mask[j >> 5]) >> (j & 31)) & 1:
            order[n_fired + _rank(mask, j)] = j
            time[j] = t
            potential[j] = gone
    cuda.syncthreads()
    for w in range(i, (n + 31) >> 5, width):
        mask[w] = 0
    cuda.syncthreads()
    return total


@cuda_device
def _walk(index, step, weights, plan, limits, room, settings, early, mask):
    """Let one sample pass through all layers: :func:`~firstspike.plasticity.waves.dense_cpu.walk` by a block.

    `room` holds the rows of this block; `mask` is shared memory, all 0. Every thread keeps the same counts.
    """
    n_steps, stop, read = settings
    i, width, out = cuda.threadIdx.x, cuda.blockDim.x, limits.size - 1
    fired, heard = cuda.local.array(_LAYERS, numba.int64), cuda.local.array(_LAYERS, numba.int64)
    for up in range(out + 1):
        fired[up] = heard[up] = 0
        for j in range(plan.at_neuron[up] + i, plan.at_neuron[up + 1], width):
            room.potential[j], room.time[j] = 0, n_steps
    final, kept, last, decision, e, t = room.potential[plan.at_neuron[out] :], False, max(stop - 1, read), n_steps, 0, 0
    while True:
        waiting = False
        for up in range(out):
            waiting |= heard[up] < fired[up]
        if not waiting:
            if e == step.size:
                break
            t = np.int64(step[e])
        if t > last:
            break
        if t > read and not kept:
            for c in range(i, final.size, width):
                room.held[c] = final[c]
            kept = True
        for up in range(out, -1, -1):
            a, b, n = plan.at_neuron[up], plan.at_neuron[up + 1], plan.sizes[up + 1]
            v, first = room.potential[a:b], e
            if up == 0:
                while e < step.size and step[e] == t:
                    e += 1
                m, ids = e - first, room.order[:0]
            else:
                under = plan.at_neuron[up - 1]
                m, ids = fired[up - 1] - heard[up - 1], room.order[under + heard[up - 1] : under + fired[up - 1]]
                heard[up - 1] = fired[up - 1]
            if m == 0 or fired[up] == n:
                continue
            above = 0
            for j in range(i, n, width):
                x, row = v[j], plan.at_weight[up] + j
                for k in range(m):
                    x += weights[row + n * np.int64(ids[k] if up else index[first + k])]
                v[j] = x
                if t < stop and x > limits[up]:
                    cuda.atomic.add(mask, j >> 5, np.uint32(1 << (j & 31)))
                    above = 1
            if cuda.syncthreads_or(above):
                if up == out and decision == n_steps:
                    decision, kept = t + 1, True
                    for c in range(i, final.size, width):
                        room.held[c] = final[c]
                fired[up] = _collect(mask, v, room.time[a:b], room.order[a:b], fired[up], n, room.gone[0], t + 1)
                if early and decision < n_steps:
                    break
        if early and decision < n_steps:
            break
        t += 1
    while early and decision < n_steps and e < step.size and step[e] <= t:
        e += 1
    if not kept:
        for c in range(i, final.size, width):
            room.held[c] = final[c]
    if i == 0:
        for up in range(out + 1):
            room.fired[up] = fired[up]
    cuda.syncthreads()
    return decision, e


@cuda_device
def _mine(room, b):
    """Memory of one block."""
    return Room(room.potential[b], room.time[b], room.order[b], room.held[b], room.fired[b], room.gone)


@cuda_device
def _largest(held):
    best = 0
    for c in range(1, held.size):
        if held[c] > held[best]:
            best = c
    return best


@cuda_kernel
def decide_images(spikes, weights, plan, limits, room, settings, answer, time, cost):
    """Classes of N samples, one a block at a time: :func:`~firstspike.plasticity.waves.dense_cpu.decide_many`.

    `spikes` = (index, step, start), `settings` = (T, stop, read).
    """
    index, step, start = spikes
    mask = cuda.shared.array(_WORDS, numba.uint32)
    i, width, mine, out = cuda.threadIdx.x, cuda.blockDim.x, _mine(room, cuda.blockIdx.x), limits.size - 1
    for w in range(i, _WORDS, width):
        mask[w] = 0
    cuda.syncthreads()
    for n in range(cuda.blockIdx.x, answer.size, cuda.gridDim.x):
        a, b = start[n], start[n + 1]
        decision, heard = _walk(index[a:b], step[a:b], weights, plan, limits, mine, settings, True, mask)
        for c in range(i, time.shape[1], width):
            here = decision < settings[0] and mine.held[c] > limits[out]
            time[n, c] = decision if here else settings[0]
        if i == 0:
            answer[n] = _largest(mine.held)
            cost[n, 0], cost[n, 1] = decision, heard
            for layer in range(out):
                cost[n, 2 + layer] = mine.fired[layer]
        cuda.syncthreads()


@cuda_device
def _below(weights, plan, layer, scale, room, delta, n_steps):
    """Errors of the layer below `layer`, divided by their norm, into `delta`."""
    i, width = cuda.threadIdx.x, cuda.blockDim.x
    under, a, b = plan.at_neuron[layer - 1], plan.at_neuron[layer], plan.at_neuron[layer + 1]
    n, w = plan.sizes[layer + 1], plan.at_weight[layer]
    for h in range(i, a - under, width):
        t, error = room.time[under + h], 0.0
        if t < n_steps:
            row = weights[w + h * n : w + (h + 1) * n]
            error = scale * error_below(delta[a:b], row, room.time[a:b], t)
        delta[under + h] = error
    cuda.syncthreads()
    total = 0.0
    for k in range(room.fired[layer - 1]):  # by every thread, in the order of the CPU
        error = delta[under + room.order[under + k]]
        total += error * error
    cuda.syncthreads()
    if total > 0:
        total = math.sqrt(total)
        for h in range(i, a - under, width):
            delta[under + h] /= total
    cuda.syncthreads()


@cuda_device
def _descend(index, step, weights, plan, layer, room, delta, change):
    """Weights of one layer change; a thread goes through the rows for its neurons."""
    a, n = plan.at_neuron[layer], plan.sizes[layer + 1]
    for j in range(cuda.threadIdx.x, n, cuda.blockDim.x):
        if delta[a + j] != 0.0:
            t, by, w = room.time[a + j], change[a + j], plan.at_weight[layer] + j
            if layer == 0:
                for k in range(step.size):
                    if step[k] >= t:
                        break
                    weights[w + n * np.int64(index[k])] -= by
            else:
                under = plan.at_neuron[layer - 1]
                for k in range(room.fired[layer - 1]):
                    h = room.order[under + k]
                    if room.time[under + h] >= t:
                        break
                    weights[w + n * np.int64(h)] -= by


@cuda_device
def _tell(label, room, decision, n_steps, tally):
    """Count, as on the CPU; by one thread."""
    hidden, n_tied, first = room.fired.size - 1, 0, room.time.size - room.held.size
    for c in range(room.held.size):
        n_tied += room.time[first + c] == decision
    silent, right = decision == n_steps, _largest(room.held) == label
    tally[0] += right
    tally[1] += right if silent else room.time[first + label] == decision
    tally[2] += silent
    tally[3] += n_tied > 1 and not silent
    tally[4] += decision
    for layer in range(hidden):
        tally[5] += room.fired[layer]


@cuda_device
def _scaled(weights, plan, layer, scale):
    for k in range(plan.at_weight[layer] + cuda.threadIdx.x, plan.at_weight[layer + 1], cuda.blockDim.x):
        weights[k] *= scale


@cuda_kernel
def learn_networks(spikes, labels, weights, plan, limits, room, how, updated, taught, first, last):
    """Network r, block r, learns from its samples `first` to `last`; ``weights[r]`` change in place.

    `limits` (R, L) thresholds, which change; see :func:`~firstspike.plasticity.waves.dense_learn_cpu.learn_many`.
    """
    index, step, start = spikes
    mask = cuda.shared.array(_WORDS, numba.uint32)
    norm = cuda.shared.array(1, numba.float64)
    scale = cuda.local.array(_LAYERS, numba.float64)
    i, width, r = cuda.threadIdx.x, cuda.blockDim.x, cuda.blockIdx.x
    mine, flat, limit, delta, change = _mine(room, r), weights[r], limits[r], taught.delta[r], taught.step[r]
    eta, decay, theta, tally, awake = taught.eta[r], taught.decay[r], taught.theta[r], taught.tally[r], taught.awake[r]
    n_layers = limit.size
    settings, outputs = (how.n_steps, how.n_steps - 1, how.n_steps - 3), plan.at_neuron[n_layers - 1]
    for w in range(i, _WORDS, width):
        mask[w] = 0
    for layer in range(n_layers):
        scale[layer] = 1.0
    cuda.syncthreads()
    for k in range(first, last):
        n = taught.samples[r, k]
        ids, times, label = index[start[n] : start[n + 1]], step[start[n] : start[n + 1]], labels[n]
        decision, _ = _walk(ids, times, flat, plan, limit, mine, settings, False, mask)
        for layer in range(n_layers - 1):
            a = plan.at_neuron[layer]
            for j in range(i, mine.fired[layer], width):
                awake[a + mine.order[a + j]] += 1
        if i == 0:
            _tell(label, mine, decision, how.n_steps, tally)
            norm[0] = aim(mine.time[outputs:], label, how, delta[outputs:])
        cuda.syncthreads()
        learns = norm[0] > 0
        for layer in range(n_layers - 1, -1, -1):
            if learns:
                if layer and not updated:
                    _below(flat, plan, layer, scale[layer], mine, delta, how.n_steps)
                for j in range(plan.at_neuron[layer] + i, plan.at_neuron[layer + 1], width):
                    change[j] = changed(eta[layer], delta[j], scale[layer])
                cuda.syncthreads()
                _descend(ids, times, flat, plan, layer, mine, delta, change)
                cuda.syncthreads()
            scale[layer] = decayed(scale[layer], eta[layer], decay[layer])
            if learns and layer and updated:
                _below(flat, plan, layer, scale[layer], mine, delta, how.n_steps)
        for layer in range(n_layers):
            if scale[layer] < 0.5:
                _scaled(flat, plan, layer, scale[layer])
                scale[layer] = 1.0
            if i == 0:
                limit[layer] = theta[layer] / scale[layer]
        cuda.syncthreads()
    for layer in range(n_layers):
        _scaled(flat, plan, layer, scale[layer])
        if i == 0:
            limit[layer] = theta[layer]


def _plan(net):
    n_layers, widest = len(net.sizes) - 1, int(net.sizes[1:].max())
    if n_layers > _LAYERS or widest > 32 * _WORDS:
        raise ValueError(f"a device takes {_LAYERS} layers of {32 * _WORDS} neurons, got {n_layers} and {widest}")
    return Plan(*(cuda.to_device(x) for x in (net.sizes, net.at_weight, net.at_neuron)))


def _room(net, n_blocks, kind):
    n, array = int(net.at_neuron[-1]), cuda.device_array
    whole = array((n_blocks, n), kind), array((n_blocks, n), np.int32), array((n_blocks, n), np.int32)
    gone = np.array([-np.inf if kind.kind == "f" else -(2**30)]).astype(kind)
    few = array((n_blocks, int(net.sizes[-1])), kind), array((n_blocks, len(net.limits)), np.int32)
    return Room(*whole, *few, cuda.to_device(gone))


def _threads(net):
    """A thread a neuron of the widest layer, in whole warps."""
    return min(THREADS, 32 * -(-int(net.sizes[1:].max()) // 32))


def decide_cuda(spikes, net, settings, answer, time, cost, device):
    """Fill `answer`, `time` and `cost`, as of :func:`~firstspike.plasticity.waves.dense_cpu.decide_many`, on `device`.

    `spikes` = (index, step, start); `net` is a :class:`~firstspike.plasticity.waves.dense_cpu.Net`: float32, float64
    or int8, whose potentials are then int32.
    """
    kind = net.limits.dtype if net.limits.dtype.kind == "f" else np.dtype(np.int32)
    n_blocks = max(1, min(len(answer), _BLOCKS))
    with on_device(device):
        plan, room = _plan(net), _room(net, n_blocks, kind)
        there = tuple(cuda.to_device(np.ascontiguousarray(x)) for x in spikes)
        weights, limits = cuda.to_device(net.weights), cuda.to_device(net.limits.astype(kind))
        out = [cuda.device_array(x.shape, x.dtype) for x in (answer, time, cost)]
        decide_images[n_blocks, _threads(net)](there, weights, plan, limits, room, settings, *out)
        for host, x in zip((answer, time, cost), out, strict=True):
            x.copy_to_host(host)


def learn_cuda(samples, spikes, labels, flats, net, how, rates, tallies, device):
    """R networks learn on `device`: `flats` (R, weights) and `tallies` = ((R, 6), (R, hidden)) change in place.

    `net` gives the sizes; `rates` are Rates with arrays (R, L).
    """
    n_nets, kind, n = len(flats), flats.dtype, int(net.at_neuron[-1])
    with on_device(device):
        plan, room, move = _plan(net), _room(net, n_nets, kind), cuda.to_device
        weights, there = move(flats), tuple(move(np.ascontiguousarray(x)) for x in spikes)
        memory = cuda.device_array((n_nets, n), np.float64), cuda.device_array((n_nets, n), kind)
        taught = Taught(move(samples), *(move(x) for x in rates[:3]), *memory, *(move(x) for x in tallies))
        limits, labels = move(rates.theta.astype(kind)), move(labels)
        for a in range(0, samples.shape[1], _SAMPLES):
            ends = a, min(a + _SAMPLES, samples.shape[1])
            rest = how, rates.updated, taught, *ends
            learn_networks[n_nets, _threads(net)](there, labels, weights, plan, limits, room, *rest)
        weights.copy_to_host(flats)
        for host, x in zip(tallies, taught[-2:], strict=True):
            x.copy_to_host(host)
