"""Learning of many networks on a graphics processor: one network a block, all on the same images, one after another.

The threads of a block share the neurons of their network. After each step's spikes every position that crossed its
threshold has its winner over maps; among those candidates the block picks winners in the order (-V, map, row, column)
by two reductions, the largest V and then the lowest place. As on the CPU, an image ends as soon as it has k winners.
Potentials are sums of float32 in the order (y, c, x): the bits of the CPU. Weights change by the same scalar functions
of the rule in float64; a fused multiply-add may there round the last bit otherwise before it is cut to float32.
"""

from typing import NamedTuple

import numba
import numpy as np
from numba import cuda

from ...runtime.device import on_device
from ...runtime.jit import cuda_device, specialise_cuda
from .conv_cuda import integrate, map_last, upload
from .reinforce_cpu import HITS, IMAGES, MISSES, PUNISH, REWARD, UPDATED, amplitudes, factors, update

__all__ = ["Nets", "Task", "Work", "compiled", "replicas_loop", "run_replicas"]

THREADS = 512  # a block
_IMAGES = 512  # a launch
_NOWHERE = np.int32(2**31 - 1)


class Nets(NamedTuple):
    """What belongs to each of R networks."""

    weights: np.ndarray  # (R, C, KH, KW, F) float32, changed in place
    theta: np.ndarray  # (R,) float32
    scalars: np.ndarray  # (R, P) float64, numbers of the rule
    state: np.ndarray  # (R, 6) float64, as of reinforce; without reward only the updates so far count


class Task(NamedTuple):
    """What there is to learn."""

    schedule: np.ndarray  # (R, N, 2) float64, amplitudes at each image (without reward)
    labels: np.ndarray  # (N,) int64
    classes: np.ndarray  # (F,) int64
    block: int  # images between changes of the factors; -1 = learning without reward
    radius: int  # of exclusion by a winner


class Work(NamedTuple):
    """Working memory of R networks."""

    v: np.ndarray  # (R, OH OW F) potentials, float32 or float64
    crossed: np.ndarray  # (R, OH OW) int32, step of the first crossing at a position
    best: np.ndarray  # (R, OH OW) int32, its winner over maps


@cuda_device
def _best_map(v, p, n_maps):
    best = 0
    for f in range(1, n_maps):
        if v[p * n_maps + f] > v[p * n_maps + best]:
            best = f
    return best


@cuda_device
def _free(found, m, f, y, x, radius):
    """Whether none of `m` winners excludes map f at (y, x)."""
    for k in range(m):
        if found[k, 0] == f:
            return False
        if radius > 0 and abs(found[k, 1] - y) <= radius and abs(found[k, 2] - x) <= radius:
            return False
    return True


@cuda_device
def _synapse(j, weights):
    """(channel, row, column) of the j-th weight of a map."""
    kernel_h, kernel_w = weights.shape[1], weights.shape[2]
    return j // (kernel_h * kernel_w), j // kernel_w % kernel_h, j % kernel_w


@cuda_device
def _came_before(images, n, c, winner, dy, dx):
    """Whether input (c, winner's row + dy, its column + dx) spiked before or with the winner."""
    y, x = winner[1] + dy, winner[2] + dx
    if y < 0 or y >= images.times.shape[2] or x < 0 or x >= images.times.shape[3]:
        return False
    return images.times[n, c, y, x] <= winner[3]


def row(scalars, r):  # pragma: no cover
    """Stand-in: the scalars of network `r` as a tuple."""
    raise NotImplementedError


def replicas_loop(images, nets, task, layer, work, winners):
    """One block a network; compiled by `specialise_cuda` for row, factors, amplitudes and update of a rule.

    `winners` (R, N, k, 4) int32 holds -1 and is filled with map, row, column, step.
    """
    top_value = cuda.shared.array(1, numba.float64)
    top_place = cuda.shared.array(1, numba.int32)
    a = cuda.shared.array(2, numba.float64)  # amplitudes (before, after)
    r, i, width = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    weights, state, v, crossed, best = nets.weights[r], nets.state[r], work.v[r], work.crossed[r], work.best[r]
    rule = row(nets.scalars, r)
    n_maps, n_places = layer.n_maps, layer.height * layer.width
    size = weights.shape[0] * weights.shape[1] * weights.shape[2]  # of one map's kernel
    for n in range(images.times.shape[0]):
        found, m = winners[r, n], 0
        for j in range(i, n_places * n_maps, width):
            v[j] = 0.0
        for p in range(i, n_places, width):
            crossed[p] = layer.n_steps
        cuda.syncthreads()
        for t in range(layer.n_steps):
            fired = 0
            for j in range(i, n_places * n_maps, width):
                p = j // n_maps
                if crossed[p] < t:  # this position has its winner
                    continue
                top, left = p // layer.width - layer.pad, p % layer.width - layer.pad
                v[j] = integrate(v[j], images, n, t, weights, j % n_maps, top, left)
                if v[j] > nets.theta[r] and (t == layer.n_steps - 1 or not layer.last_only):
                    crossed[p] = t
                    fired = 1
            if cuda.syncthreads_or(fired) == 0:
                continue
            for p in range(i, n_places, width):
                if crossed[p] == t:
                    best[p] = _best_map(v, p, n_maps)
            while m < found.shape[0]:
                if i == 0:
                    top_value[0], top_place[0] = 0.0, _NOWHERE
                cuda.syncthreads()
                for p in range(i, n_places, width):
                    if crossed[p] == t and _free(found, m, best[p], p // layer.width, p % layer.width, task.radius):
                        cuda.atomic.max(top_value, 0, v[p * n_maps + best[p]])
                cuda.syncthreads()
                for p in range(i, n_places, width):
                    if crossed[p] == t and _free(found, m, best[p], p // layer.width, p % layer.width, task.radius):
                        if v[p * n_maps + best[p]] == top_value[0]:
                            cuda.atomic.min(top_place, 0, best[p] * n_places + p)
                cuda.syncthreads()
                place = top_place[0]
                if place == _NOWHERE:
                    break
                if i == 0:
                    found[m, 0], p = place // n_places, place % n_places
                    found[m, 1], found[m, 2], found[m, 3] = p // layer.width, p % layer.width, t
                m += 1
                cuda.syncthreads()
            if m == found.shape[0]:
                break
        if m > 0:
            if i == 0 and task.block < 0:
                a[0], a[1] = task.schedule[r, n, 0], task.schedule[r, n, 1]
            elif i == 0:
                hit = task.classes[found[0, 0]] == task.labels[n]
                state[HITS if hit else MISSES] += 1.0
                a[0], a[1] = amplitudes(hit, state[REWARD], state[PUNISH], rule)
            cuda.syncthreads()
            for j in range(i, m * size, width):
                f, (c, ky, kx) = found[j // size, 0], _synapse(j % size, weights)
                before = _came_before(images, n, c, found[j // size], ky - layer.pad, kx - layer.pad)
                weights[c, ky, kx, f] = update(np.float64(weights[c, ky, kx, f]), before, a[0], a[1], rule)
            cuda.syncthreads()
            if state[UPDATED] == 0.0:  # a zero step brings the other weights, too, into the rule's bounds
                for j in range(i, n_maps * size, width):
                    f, (c, ky, kx) = j % n_maps, _synapse(j // n_maps, weights)
                    weights[c, ky, kx, f] = update(np.float64(weights[c, ky, kx, f]), True, 0.0, 0.0, rule)
            cuda.syncthreads()
        if i == 0:
            state[UPDATED] += 1.0 if m > 0 else 0.0
            state[IMAGES] += 1.0
            if state[IMAGES] == task.block:
                reward, punish = factors(state[HITS], state[MISSES], state[IMAGES], rule)
                state[REWARD], state[PUNISH] = reward, punish
                state[HITS] = state[MISSES] = state[IMAGES] = 0.0


def _row(n):
    """Function giving row `r` of an array with `n` columns as a tuple, which a rule may unpack."""
    # a compiled tuple needs its length in the source
    return eval(f"lambda array, r: ({''.join(f'array[r, {i}], ' for i in range(n))})", {"__name__": __name__})


def _no_factors(hits, misses, n, p):
    return 0.0, 0.0


def _no_amplitudes(hit, reward, punish, p):
    return 0.0, 0.0


def compiled(rule, n_scalars):
    """The kernel for a rule, with reward if it has `amplitudes`."""
    return specialise_cuda(
        replicas_loop,
        row=_row(n_scalars),
        factors=getattr(rule, "factors", _no_factors),
        amplitudes=getattr(rule, "amplitudes", _no_amplitudes),
        update=rule.update,
    )


def run_replicas(times, nets, task, layer, rule, winners, device):
    """Let R networks learn; arrays on the host.

    `nets.weights` come as (R, F, C, KH, KW) and are returned so; `nets.state` and `winners` (R, N, k, 4) are changed in
    place. `rule` gives the functions.
    """
    n_nets, n_places = len(nets.weights), layer.height * layer.width
    # without threshold, layers that learn by reward sum exactly: float64 has room for every bit
    kind = np.float64 if layer.last_only and task.block >= 0 else np.float32
    kernel = compiled(rule, nets.scalars.shape[1])
    with on_device(device):
        inner = Nets(cuda.to_device(map_last(nets.weights)), *(cuda.to_device(x) for x in nets[1:]))
        classes = cuda.to_device(task.classes)
        work = Work(
            cuda.device_array((n_nets, n_places * layer.n_maps), kind),
            cuda.device_array((n_nets, n_places), np.int32),
            cuda.device_array((n_nets, n_places), np.int32),
        )
        for start in range(0, len(times), _IMAGES):
            part = slice(start, start + _IMAGES)
            found = cuda.to_device(np.full_like(winners[:, part], -1))
            schedule = cuda.to_device(np.ascontiguousarray(task.schedule[:, part]))
            labels = cuda.to_device(task.labels[part])
            now = task._replace(schedule=schedule, labels=labels, classes=classes)
            kernel[n_nets, THREADS](upload(times[part], layer.n_steps), inner, now, layer, work, found)
            winners[:, part] = found.copy_to_host()
        nets.state[:] = inner.state.copy_to_host()
        return np.ascontiguousarray(np.moveaxis(inner.weights.copy_to_host(), -1, 1))
