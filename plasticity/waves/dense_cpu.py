"""Fully connected layers of one-spike neurons on the CPU: one sample walks through all layers, step by step.

    V_j(t) = sum of w_ji over the inputs with t_i <= t;   t_j = 1 + first t with V_j(t) > theta,   at most T = silent

A spike comes one step after the crossing, so at step t a layer hears what the layer below sent at step t - 1: the
layers advance together, the last one first, and a walk can end as soon as an output is decided. A neuron's spikes of
one step are all added before the threshold is tested. Inside a step the order of summation is that of the indices.

Weights of a layer stand as (pre, post), post contiguous: a spike adds one row. The same loops serve float32, float64
and binary weights (int8, potentials int16: counts). Kheradpisheh & Masquelier 2020, doi 10.1142/S0129065720500276.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.bits import above, lowest
from ...runtime.jit import kernel

__all__ = ["Net", "Work", "count_many", "decide_many", "make_net", "make_work", "sort_many", "walk"]

_GONE = -16384  # potential of a neuron that has fired, binary weights: with < 16384 inputs it never comes back


class Net(NamedTuple):
    """Weights and thresholds of L layers."""

    weights: np.ndarray  # all layers, one after the other, each (pre, post)
    sizes: np.ndarray  # (L + 1) inputs, neurons of each layer
    at_weight: np.ndarray  # (L + 1) where the weights of a layer begin
    at_neuron: np.ndarray  # (L + 1) where the neurons of a layer begin in the arrays of Work
    limits: np.ndarray  # (L) thresholds, in units of the stored weights and of the potentials' type


class Work(NamedTuple):
    """What one walk leaves behind, and its memory; `n` neurons in all layers together."""

    potential: np.ndarray  # (n)
    time: np.ndarray  # (n) int32 spike steps, T = silent
    order: np.ndarray  # (n) uint16: those of a layer that have fired, in order of time and index
    heard: np.ndarray  # (L) how many of them the next layer has heard
    fired: np.ndarray  # (L) how many have fired
    held: np.ndarray  # (C) output potentials at the decision; if there is none, after step `read`
    gone: np.ndarray  # (1) potential of who has fired


def make_net(weights, sizes, limits):
    """:class:`Net` from flat weights."""
    sizes = np.asarray(sizes, np.int64)
    at_weight = np.concatenate([[0], np.cumsum(sizes[:-1] * sizes[1:])])
    kind = np.int16 if weights.dtype == np.int8 else weights.dtype
    return Net(weights, sizes, at_weight, np.concatenate([[0], np.cumsum(sizes[1:])]), np.array(limits, kind))


def make_work(net):
    """Memory of a walk through `net`."""
    n, n_layers, kind = int(net.at_neuron[-1]), len(net.limits), net.limits.dtype
    heard, fired = np.zeros((2, n_layers), np.int64)
    gone = np.array([-np.inf if kind.kind == "f" else _GONE]).astype(kind)
    memory = (np.zeros(n, kind), np.zeros(n, np.int32), np.zeros(n, np.uint16), heard, fired)
    return Work(*memory, np.zeros(net.sizes[-1], kind), gone)


@kernel
def _add_two(v, one, two):
    for j in range(v.size):
        v[j] = v[j] + one[j] + two[j]


@kernel
def _add_last(v, row, limit):
    """Add a row; returns how many neurons are above the threshold then."""
    n = np.int32(0)
    for j in range(v.size):
        v[j] += row[j]
        n = np.int32(n + (v[j] > limit))
    return n


@kernel
def _arrive(v, weights, ids, limit):
    """Add the rows of all spikes of a step; returns how many neurons are above the threshold after the last one."""
    n, k = v.size, 0
    while k + 2 < ids.size:
        one, two = np.int64(ids[k]) * n, np.int64(ids[k + 1]) * n
        _add_two(v, weights[one : one + n], weights[two : two + n])
        k += 2
    if k + 1 < ids.size:
        one = np.int64(ids[k]) * n
        _add_last(v, weights[one : one + n], limit)
    one = np.int64(ids[ids.size - 1]) * n
    return _add_last(v, weights[one : one + n], limit)


@kernel
def _collect(v, limit, gone, t, time, order, n, left):
    """The `left` neurons that have crossed fire at `t` and take no more part; returns how many have fired so far."""
    last, whole = n + left, v.size & ~7
    for start in range(0, whole, 8):
        bits = above(v, start, limit)
        while bits:
            j = start + lowest(bits)
            bits &= bits - 1
            v[j] = gone
            time[j] = t
            order[n] = j
            n += 1
        if n == last:
            return n
    for j in range(whole, v.size):
        if v[j] > limit:
            v[j] = gone
            time[j] = t
            order[n] = j
            n += 1
    return n


@kernel
def walk(index, step, net, work, n_steps, stop, read, early):
    """Let one sample pass through all layers.

    Parameters
    ----------
    index, step : ndarray, shape (n_spikes,)
        Input spikes, by step and then index.
    net, work : Net, Work
        Layers; what they do is left in `work`.
    n_steps : int
        T, which stands for silence.
    stop : int
        Crossings count at steps < stop (T - 1 in full).
    read : int
        Where all outputs are silent, ``work.held`` are their potentials after this step.
    early : bool
        End with the first output.

    Returns
    -------
    decision : int
        Step of the first output spike, T if there is none.
    n_heard : int
        Input spikes until the walk ended.
    """
    at, sizes, fired, heard = net.at_neuron, net.sizes, work.fired, work.heard
    out, gone, decision, e, t = net.limits.size - 1, work.gone[0], n_steps, 0, 0
    work.time[:] = n_steps
    heard[:] = 0
    fired[:] = 0
    final, kept, last = work.potential[at[out] :], False, max(stop - 1, read)
    while True:
        waiting = False
        for layer in range(out):
            waiting |= heard[layer] < fired[layer]
        if not waiting:
            if e == step.size:
                break
            t = np.int64(step[e])
        if t > last:
            break
        if t > read and not kept:
            work.held[:] = final
            kept = True
        for up in range(out, -1, -1):
            v, n = work.potential[at[up] : at[up + 1]], sizes[up + 1]
            weights = net.weights[net.at_weight[up] : net.at_weight[up + 1]]
            if up == 0:
                first = e
                while e < step.size and step[e] == t:
                    e += 1
                ids = index[first:e]
            else:
                ids = work.order[at[up - 1] + heard[up - 1] : at[up - 1] + fired[up - 1]]
                heard[up - 1] = fired[up - 1]
            if ids.size == 0 or fired[up] == n:
                continue
            crossed = _arrive(v, weights, ids, net.limits[up])
            if t < stop and crossed:
                if up == out and decision == n_steps:
                    decision = t + 1
                    work.held[:] = v
                    kept = True
                    if early:
                        break
                time, order = work.time[at[up] : at[up + 1]], work.order[at[up] : at[up + 1]]
                fired[up] = _collect(v, net.limits[up], gone, t + 1, time, order, fired[up], crossed)
        if early and decision < n_steps:
            break
        t += 1
    while e < step.size and step[e] <= t and decision < n_steps and early:
        e += 1
    if not kept:
        work.held[:] = final
    return decision, e


@kernel
def count_many(levels, table, n_steps, number):
    """How many entries of each row (N, I) have a step ``table[level]`` < T."""
    for n in range(levels.shape[0]):
        row, m = levels[n], 0
        for i in range(row.size):
            m += table[row[i]] < n_steps
        number[n] = m


@kernel
def sort_many(levels, table, n_steps, index, step, start):
    """Spikes (``table[level]`` < T) of rows (N, I), sorted by step and index, into flat arrays from ``start[n]`` on."""
    count, live = np.zeros(n_steps + 1, np.int64), np.empty(levels.shape[1], np.int64)
    for n in range(levels.shape[0]):
        row, m = levels[n], 0
        for i in range(row.size):  # without a branch: which entries are silent cannot be foreseen
            live[m] = i
            m += table[row[i]] < n_steps
        count[:] = 0
        for k in range(m):
            count[table[row[live[k]]]] += 1
        place = start[n]
        for t in range(n_steps):
            c = count[t]
            count[t] = place
            place += c
        for k in range(m):
            i = live[k]
            t = table[row[i]]
            p = count[t]
            count[t] = p + 1
            index[p] = i
            step[p] = t


@kernel
def decide_many(index, step, start, net, work, settings, answer, time, spikes):
    """Classes of many samples.

    Parameters
    ----------
    index, step, start : ndarray
        Spikes of N samples, those of sample n from ``start[n]`` to ``start[n + 1]``.
    net, work : Net, Work
        As in :func:`walk`.
    settings : tuple of int
        (T, stop, read).
    answer, time, spikes : ndarray
        Out: (N) the class by potential, (N, C) steps of the outputs that fire at the decision (T: the others), and
        (N, 1 + L) the decision and the spikes before it, of the input and of each hidden layer.
    """
    n_steps, stop, read = settings
    out = net.limits.size - 1
    for n in range(answer.size):
        a, b = start[n], start[n + 1]
        work.potential[:] = 0
        decision, heard = walk(index[a:b], step[a:b], net, work, n_steps, stop, read, True)
        held, best = work.held, 0
        for c in range(1, held.size):
            best = c if held[c] > held[best] else best
        answer[n] = best
        for c in range(held.size):
            time[n, c] = decision if decision < n_steps and held[c] > net.limits[out] else n_steps
        spikes[n, 0], spikes[n, 1] = decision, heard
        for layer in range(out):
            spikes[n, 2 + layer] = work.fired[layer]
