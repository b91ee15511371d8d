"""Learning in fully connected layers of one-spike neurons on the CPU: gradients of firing times, sample after sample.

With T_c the times wanted of the outputs (:func:`aim`), [a] = 1 if a holds, 0 if not, and dt_j / dV_j = -1,

    e_c = (T_c - t_c) / T,   delta = e / |e|,   w_ch <- w_ch - eta delta_c [t_h < t_c],   w <- w (1 - eta lambda)
    delta_h = sum of delta_c w_ch [t_h < t_c] over c, again divided by its norm;  a silent neuron below has delta_h = 0

A sample without error changes nothing but decay, and most samples have none. Decay is a number a layer: weights are
s times what is stored, thresholds theta / s, until s < 1/2.

Binary layers keep real weights w beside their signs B: the gradient of B goes to w, delta_h is made with w, and the
scale a of V = a sum B goes down by eta_a times the mean of delta_j [t_i < t_j] B_ji.

Kheradpisheh & Masquelier 2020, doi 10.1142/S0129065720500276; Kheradpisheh, Mirsadeghi & Masquelier 2021,
doi 10.1007/s11063-021-10680-x (binary).
"""

import math
from typing import NamedTuple

import numpy as np

from ...runtime import rng
from ...runtime.jit import kernel
from .dense_cpu import walk

__all__ = ["Aim", "Memory", "Rates", "Shown", "aim", "gradient_many", "learn_binary", "learn_many", "make_memory"]


class Aim(NamedTuple):
    """What the outputs should do."""

    n_steps: int  # T
    gap: int  # losers should be so many steps later than the winner
    silent_gap: int  # nobody fires: the label should fire so many steps before T; 0 = no error
    label_limit: int = 32_767  # the label is told to come at most so many steps earlier
    lead: int = 0  # it should be so many steps ahead of the first of the others


class Rates(NamedTuple):
    """Step and decay of each layer, and in which order the layers change."""

    eta: np.ndarray  # (L)
    decay: np.ndarray  # (L)
    theta: np.ndarray  # (L)
    updated: bool  # the error goes down through the weights as they are after their step


class Shown(NamedTuple):
    """How the samples are shown; `width` 0 = as they are."""

    width: int  # of the image, and
    height: int
    shift: int  # it is moved by up to so many pixels each way
    jitter: int  # and its spikes by up to so many steps
    drop: np.ndarray  # (L - 1) share of the neurons of each hidden layer that stay silent
    k0: np.uint64  # random stream of the pass
    k1: np.uint64


class Memory(NamedTuple):
    """Working memory of learning; `n` neurons in all layers."""

    delta: np.ndarray  # (n)
    step: np.ndarray  # (n) of the weights' type
    left: np.ndarray  # (n) delta of those that have not fired yet
    pull: np.ndarray  # (n)
    index: np.ndarray  # (spikes) of a sample as it is shown
    time: np.ndarray  # (spikes)
    bins: np.ndarray  # (T + 1)


def make_memory(net, kind, n_steps):
    """Memory for learning in `net` with weights of type `kind`."""
    n, n_inputs = int(net.at_neuron[-1]), int(net.sizes[0])
    spikes = np.empty(n_inputs, np.uint16), np.empty(n_inputs, np.int16)
    return Memory(np.zeros(n), np.zeros(n, kind), np.zeros(n), np.zeros(n), *spikes, np.zeros(n_steps + 1, np.int64))


@kernel
def aim(time, label, how, error):
    """Errors e_c of the output times `time`, divided by their norm, into `error`; returns the norm before (0 = none).

    The label should fire with the winner, or `lead` steps before the first of the others (but at most `label_limit`
    earlier than it did), and who is less than `gap` later than the winner, that much later.
    """
    rival, n_steps = how.n_steps, how.n_steps
    for c in range(time.size):
        if c != label:
            rival = min(rival, np.int64(time[c]))
    first = min(rival, np.int64(time[label]))
    for c in range(time.size):
        t = np.int64(time[c])
        wanted = t
        if first == n_steps:
            wanted = n_steps - how.silent_gap if c == label else t
        elif c == label:
            wanted = max(min(t, rival - how.lead), t - how.label_limit)
        elif t - first < how.gap:
            wanted = min(first + how.gap, n_steps)
        error[c] = np.float64(wanted - t) / n_steps
    total = 0.0
    for c in range(time.size):
        total += error[c] * error[c]
    if total > 0:
        total = math.sqrt(total)
        for c in range(time.size):
            error[c] /= total
    return total


def changed(eta, delta, scale):
    """Step of the stored weights of a neuron with error `delta`."""
    return eta * delta / scale


def decayed(scale, eta, decay):
    """Scale of a layer after a sample."""
    return scale * (1.0 - eta * decay)


def error_below(delta, row, time, t):
    """Part of a neuron that fired at `t` in the errors of the layer above, `row` being its weights to that."""
    s = 0.0
    for c in range(delta.size):
        s += delta[c] * row[c] if t < time[c] else 0.0
    return s


_changed, _decayed, _error_below = kernel(changed), kernel(decayed), kernel(error_below)


@kernel
def _latest(delta, time):
    """The latest spike among neurons with an error: inputs after it have no part."""
    t = 0
    for j in range(delta.size):
        if delta[j] != 0.0:
            t = max(t, np.int64(time[j]))
    return t


@kernel
def _subtract(row, step):
    for j in range(row.size):
        row[j] -= step[j]


@kernel
def _subtract_binary(row, sign, step, delta, pull):
    for j in range(row.size):
        row[j] -= step[j]
    for j in range(row.size):
        sign[j] = 1 if row[j] >= 0 else -1
    for j in range(row.size):
        pull[j] += delta[j] * sign[j]


@kernel
def _descend(weights, sign, ids, times, by_neuron, layer, latest):
    """Step of one layer: inputs `ids` in order of time; their times are `times`, or ``times[id]`` if `by_neuron`.

    `layer` = (step, delta, pull, time, fired): a neuron's entries of step and delta become 0 as its spike is passed,
    and what is left belongs to the neurons that fire later. `pull` collects delta times sign.
    """
    step, delta, pull, time, fired = layer
    n, passed = step.size, 0
    for k in range(ids.size):
        t = np.int64(times[ids[k]]) if by_neuron else np.int64(times[k])
        if t >= latest:
            break
        while passed < fired.size and time[fired[passed]] <= t:
            step[fired[passed]] = 0
            delta[fired[passed]] = 0
            passed += 1
        a = np.int64(ids[k]) * n
        if sign.size:
            _subtract_binary(weights[a : a + n], sign[a : a + n], step, delta, pull)
        else:
            _subtract(weights[a : a + n], step)


@kernel
def _below(weights, scale, ids, times, delta, time, latest, out):
    """Errors of the layer below, divided by their norm, into `out`."""
    n, total = delta.size, 0.0
    out[:] = 0.0
    for k in range(ids.size):
        h = np.int64(ids[k])
        t = times[h]
        if t >= latest:
            break
        out[h] = scale * _error_below(delta, weights[h * n : (h + 1) * n], time, t)
        total += out[h] * out[h]
    if total > 0:
        total = math.sqrt(total)
        for h in range(out.size):
            out[h] /= total


@kernel
def _correct(index, step, net, work, memory, stores, rates, scale, alpha):
    """All layers from the last to the first change, the errors of the last one being in ``memory.delta``.

    `stores` = (sink, real, sign), flat: `sink` takes the steps (the weights themselves, or the gradient of a batch,
    then `rates.updated` is false), through `real` the errors go down, `sign` follows it if the layers are binary
    (else empty). `alpha` (L, 2), binary layers only: scales, and their rates.
    """
    sink, real, sign = stores
    at, out = net.at_neuron, net.limits.size - 1
    for layer in range(out, -1, -1):
        a, b = at[layer], at[layer + 1]
        delta, time, change, left = memory.delta[a:b], work.time[a:b], memory.step[a:b], memory.left[a:b]
        pull, fired = memory.pull[a:b], work.order[a : a + work.fired[layer]]
        latest = _latest(delta, time)
        wa, wb = net.at_weight[layer], net.at_weight[layer + 1]
        under = at[layer - 1] if layer else 0
        if layer and not rates.updated:
            ids = work.order[under : under + work.fired[layer - 1]]
            _below(real[wa:wb], scale[layer], ids, work.time[under:a], delta, time, latest, memory.delta[under:a])
        for j in range(delta.size):
            change[j] = _changed(rates.eta[layer], delta[j], scale[layer])
            left[j] = delta[j]
            pull[j] = 0.0
        signs = sign[wa:wb] if sign.size else sign
        if layer == 0:
            _descend(sink[wa:wb], signs, index, step, False, (change, left, pull, time, fired), latest)
        else:
            ids = work.order[under : under + work.fired[layer - 1]]
            below = work.time[under:a]
            _descend(sink[wa:wb], signs, ids, below, True, (change, left, pull, time, fired), latest)
        scale[layer] = _decayed(scale[layer], rates.eta[layer], rates.decay[layer])
        if layer and rates.updated:
            ids = work.order[under : under + work.fired[layer - 1]]
            _below(real[wa:wb], scale[layer], ids, work.time[under:a], delta, time, latest, memory.delta[under:a])
    if sign.size:
        for layer in range(out + 1):
            a, b, total = at[layer], at[layer + 1], 0.0
            for j in range(a, b):
                total += memory.pull[j]
            alpha[layer, 0] = max(alpha[layer, 0] - alpha[layer, 1] * total, 1e-3)


@kernel
def _show(index, step, shown, memory, n, n_steps):
    """Sample `n` moved in space and time into `memory`; returns the number of its spikes."""
    k0, k1 = rng.split(shown.k0, shown.k1, n)
    reach = 2 * shown.shift + 1
    down, right = rng.bounded(rng.bits(k0, k1, 0), reach), rng.bounded(rng.bits(k0, k1, 1), reach)
    down, right, reach = down - shown.shift, right - shown.shift, 2 * shown.jitter + 1
    bins = memory.bins
    bins[:] = 0
    for turn in range(2):  # count the spikes of each step, then put them there
        for k in range(index.size):
            row, column = np.int64(index[k]) // shown.width + down, np.int64(index[k]) % shown.width + right
            if row < 0 or column < 0 or row >= shown.height or column >= shown.width:
                continue
            t = np.int64(step[k])
            if shown.jitter:
                t += rng.bounded(rng.bits(k0, k1, 2 + index[k]), reach) - shown.jitter
                t = max(t, 0)
            if t < n_steps and turn == 0:
                bins[t + 1] += 1
            elif t < n_steps:
                memory.index[bins[t]], memory.time[bins[t]] = row * shown.width + column, t
                bins[t] += 1
        if turn == 0:
            for t in range(n_steps):
                bins[t + 1] += bins[t]
    return bins[n_steps - 1]


@kernel
def _forward(n, spikes, net, work, memory, how, shown):
    """Walk of sample `n`, changed as `shown` says; returns its input spikes and the step of the decision."""
    index, step, start = spikes
    ids, times = index[start[n] : start[n + 1]], step[start[n] : start[n + 1]]
    if shown.width:
        m = _show(ids, times, shown, memory, n, how.n_steps)
        ids, times = memory.index[:m], memory.time[:m]
    work.potential[:] = 0
    for layer in range(shown.drop.size):
        if shown.drop[layer] > 0:
            k0, k1 = rng.split(shown.k0 ^ np.uint64(1 + layer), shown.k1, n)
            for j in range(net.at_neuron[layer], net.at_neuron[layer + 1]):
                if rng.uniform(k0, k1, j) < shown.drop[layer]:
                    work.potential[j] = work.gone[0]
    decision, _ = walk(ids, times, net, work, how.n_steps, how.n_steps - 1, how.n_steps - 3, False)
    return ids, times, decision


@kernel
def _tell(label, net, work, how, decision, tally, awake):
    """Count: right by potential, right with ties, silent, ties, steps of decisions, hidden spikes; who fired."""
    out, held, best = net.at_neuron[net.limits.size - 1], work.held, 0
    time, tied = work.time[out:], 0
    for c in range(held.size):
        best = c if held[c] > held[best] else best
        tied += time[c] == decision
    silent = decision == how.n_steps
    tally[0] += best == label
    tally[1] += best == label if silent else time[label] == decision
    tally[2] += silent
    tally[3] += tied > 1 and not silent
    tally[4] += decision
    for layer in range(net.limits.size - 1):
        tally[5] += work.fired[layer]
        a = net.at_neuron[layer]
        for k in range(a, a + work.fired[layer]):
            awake[a + work.order[k]] += 1


@kernel
def learn_many(samples, spikes, labels, net, work, memory, how, shown, rates, tallies):
    """Learn from `samples` one after the other; the weights of `net` change in place.

    `spikes` = (index, step, start) of all samples; `tallies` = (int64 (6), int64 (hidden neurons)), see the learners.
    """
    tally, awake = tallies
    n_layers, none = net.limits.size, np.empty(0, np.int8)
    scale, alpha, out = np.ones(n_layers), np.empty((0, 2)), net.at_neuron[net.limits.size - 1]
    for n in samples:
        ids, times, decision = _forward(n, spikes, net, work, memory, how, shown)
        _tell(labels[n], net, work, how, decision, tally, awake)
        if aim(work.time[out:], labels[n], how, memory.delta[out:]) > 0:
            _correct(ids, times, net, work, memory, (net.weights, net.weights, none), rates, scale, alpha)
        else:
            for layer in range(n_layers):
                scale[layer] = _decayed(scale[layer], rates.eta[layer], rates.decay[layer])
        for layer in range(n_layers):
            if scale[layer] < 0.5:
                _fold(net, layer, scale)
            net.limits[layer] = rates.theta[layer] / scale[layer]
    for layer in range(n_layers):
        _fold(net, layer, scale)
        net.limits[layer] = rates.theta[layer]


@kernel
def _fold(net, layer, scale):
    part = net.weights[net.at_weight[layer] : net.at_weight[layer + 1]]
    for i in range(part.size):
        part[i] *= scale[layer]
    scale[layer] = 1.0


@kernel
def learn_binary(samples, spikes, labels, net, work, memory, how, shown, rates, alpha, real, tallies):
    """As :func:`learn_many` for binary weights; `real` (flat) are the weights whose signs `net` holds."""
    tally, awake = tallies
    scale, out = np.ones(net.limits.size), net.at_neuron[net.limits.size - 1]
    for n in samples:
        ids, times, decision = _forward(n, spikes, net, work, memory, how, shown)
        _tell(labels[n], net, work, how, decision, tally, awake)
        if aim(work.time[out:], labels[n], how, memory.delta[out:]) > 0:
            _correct(ids, times, net, work, memory, (real, real, net.weights), rates, scale, alpha)
            for layer in range(net.limits.size):
                net.limits[layer] = min(math.floor(rates.theta[layer] / alpha[layer, 0]), 16000)


@kernel
def gradient_many(samples, spikes, labels, net, work, memory, how, shown, rates, gradient, tallies):
    """Sum over `samples` of the normalised gradients, added to `gradient` (flat); the weights stay."""
    tally, awake = tallies
    scale, alpha, none = np.ones(net.limits.size), np.empty((0, 2)), np.empty(0, np.int8)
    out = net.at_neuron[net.limits.size - 1]
    for n in samples:
        ids, times, decision = _forward(n, spikes, net, work, memory, how, shown)
        _tell(labels[n], net, work, how, decision, tally, awake)
        if aim(work.time[out:], labels[n], how, memory.delta[out:]) > 0:
            _correct(ids, times, net, work, memory, (gradient, net.weights, none), rates, scale, alpha)
