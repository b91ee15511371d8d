"""Loops of the events engine: runs x neurons over one chunk of input spikes, one spike after the other.

Between two input spikes V only decays, so only the jump of an input spike can reach the threshold. For event j of a
run, with the factors (shared by all its neurons) made for the whole chunk at once

    decay_j = exp(-(t_j - t_{j-1}) / tau_m)         V <- V decay_j + w[unit_j],   test V >= theta
    growth_j = exp((t_j - t_e) / tau_plus)          fade_j = exp(-(t_j - t_e) / tau_minus)

The presynaptic trace of afferent i is x_i = X_i / growth; an event adds growth_j to X. t_e is the start of the epoch
that holds t_j (epochs of fixed length from time 0: a function of the time alone, so that cutting the input elsewhere
changes no bit); at a new epoch X is scaled once. X belongs to the input, not to a neuron: neurons are walked in blocks
that share one copy, brought up to date only when one of them fires.

Rules without `on_pre` leave the weights alone between output spikes: four neurons are walked at once, the arithmetic
of each hides the latency of the others. Any other rule is walked by the plain loop, one neuron a block.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import kernel
from ...runtime.vmath import exp

#: Length of an epoch in units of the shorter trace time constant: exp(128) is far from overflow.
EPOCH = 128.0
LANES = 4
_FORGET = 1e-200  # a scaled trace below this is set to 0: no subnormal arithmetic


class State(NamedTuple):
    """Where R runs of M neurons with N afferents stand; float64 unless said."""

    weights: np.ndarray  # (R, M, N), float64 or float32
    v: np.ndarray  # (R, M), just after the last input spike
    time: np.ndarray  # (R,), s, of the last input spike
    trace: np.ndarray  # (R, N), X
    epoch: np.ndarray  # (R,), int64, to which X belongs
    post: np.ndarray  # (R, M), Y = y / fade
    post_epoch: np.ndarray  # (R, M), int64
    adapt: np.ndarray  # (R, M), Theta just after the last output spike
    adapt_time: np.ndarray  # (R, M), s, of the last output spike


class Chunk(NamedTuple):
    """Input spikes and their factors (R, K), number of spikes (R,), and points of time where V is read off."""

    times: np.ndarray
    units: np.ndarray  # uint32
    counts: np.ndarray
    decay: np.ndarray
    growth: np.ndarray
    fade: np.ndarray
    marks: np.ndarray  # (R, S): number of spikes at or before each point
    mark_decay: np.ndarray  # (R, S): decay from the last of them to the point


class Progress(NamedTuple):
    """How far each of B blocks of each run has come, and its output spikes."""

    trace: np.ndarray  # (R, B, N)
    epoch: np.ndarray  # (R, B)
    traced: np.ndarray  # (R, B): events that are in the trace
    done: np.ndarray  # (R, B): events that are done
    marked: np.ndarray  # (R, B): points read off
    n_out: np.ndarray  # (R, B)
    out: np.ndarray  # (R, B, C): event * LANES + lane
    record: np.ndarray  # (R, M, S): V at the points


class Constants(NamedTuple):
    """Scalars of a call."""

    tau_m: float
    tau_plus: float
    tau_minus: float
    tau_threshold: float
    d_threshold: float
    epoch: float  # s
    lanes: int


@kernel(fastmath={"contract", "nsz"})
def factors(times, units, count, last, n_afferents, c, decay, growth, fade):
    """Fill the factors of one run; return 0, 1 (times not sorted or not finite) or 2 (no such afferent)."""
    epoch, epochs, rate_m, rate_p, rate_q = c.epoch, 1.0 / c.epoch, 1.0 / c.tau_m, 1.0 / c.tau_plus, 1.0 / c.tau_minus
    wrong = 0
    n = np.uint32(n_afferents)
    for j in range(min(count, 1)):
        decay[j] = exp((last - times[j]) * rate_m)
        wrong |= 0 if times[j] >= last else 1
    if count > 1:
        before, after, out = times[: count - 1], times[1:count], decay[1:count]
        for j in range(out.size):
            out[j] = exp((before[j] - after[j]) * rate_m)
        for j in range(out.size):
            wrong |= 0 if after[j] >= before[j] else 1
    for j in range(count):
        wrong |= 2 if units[j] >= n else 0
    if growth.size:
        for j in range(count):
            growth[j] = exp((times[j] - np.floor(times[j] * epochs) * epoch) * rate_p)
    if fade.size:
        for j in range(count):
            fade[j] = exp((np.floor(times[j] * epochs) * epoch - times[j]) * rate_q)
    if count and not times[count - 1] < np.inf:
        wrong |= 1
    return wrong


@kernel
def epoch_of(time, c):
    """Number of the epoch that holds `time`: the same expression as in `factors`."""
    return np.int64(np.floor(time * (1.0 / c.epoch)))


@kernel
def epoch_end(times, j, stop, c):
    """First event of [j, stop) that belongs to a later epoch than event j, or `stop`."""
    e = epoch_of(times[j], c)
    if epoch_of(times[stop - 1], c) == e:
        return stop
    low, high = j, stop - 1
    while high - low > 1:
        middle = (low + high) // 2
        if epoch_of(times[middle], c) == e:
            low = middle
        else:
            high = middle
    return high


@kernel
def advance_trace(trace, epoch, times, units, growth, j, stop, c):
    """Add the events [j, stop) to the scaled trace of one run; return its epoch."""
    while j < stop:
        e = epoch_of(times[j], c)
        if e != epoch:
            factor = exp((epoch - e) * (c.epoch / c.tau_plus))
            for i in range(trace.size):
                x = trace[i] * factor
                trace[i] = x if x > _FORGET else 0.0
            epoch = e
        end = epoch_end(times, j, stop, c)
        for k in range(j, end):
            trace[units[k]] += growth[k]
        j = end
    return epoch


@kernel(fastmath={"contract"})
def walk_one(w, v, theta, j, stop, decay, units):
    """Step one neuron to its next crossing; return the event (or `stop`) and V after it."""
    while j < stop:
        v = v * decay[j] + w[units[j]]
        if v >= theta:
            break
        j += 1
    return j, v


@kernel(fastmath={"contract"})
def walk_four(w, v, theta, j, stop, decay, units):
    """Step up to four neurons to the first crossing of one of them; V is changed in place."""
    n = v.size
    a, b, d = min(1, n - 1), min(2, n - 1), min(3, n - 1)
    w0, w1, w2, w3 = w[0], w[a], w[b], w[d]
    v0, v1, v2, v3 = v[0], v[a], v[b], v[d]
    t0, t1, t2, t3 = theta[0], theta[a], theta[b], theta[d]
    while j < stop:
        i = units[j]
        f = decay[j]
        v0 = v0 * f + w0[i]
        v1 = v1 * f + w1[i]
        v2 = v2 * f + w2[i]
        v3 = v3 * f + w3[i]
        if (v0 >= t0) | (v1 >= t1) | (v2 >= t2) | (v3 >= t3):
            break
        j += 1
    v[0], v[a], v[b], v[d] = v0, v1, v2, v3
    return j


def on_pre(w, post_trace, p):
    """Stands for a rule without action at input spikes."""
    return w


def on_post(w, pre_trace, p):
    """Stands for a rule without action at output spikes."""
    return w


def yes():
    """A flag known when a loop is compiled."""
    return True


def no():
    """A flag known when a loop is compiled."""
    return False


has_pre = has_post = no


def blocks(first, last, state, chunk, progress, theta, rows, c):
    """Walk the blocks first <= r B + b < last over their events, or until their list of output spikes is full.

    Plain Python: compiled by ``specialise`` with on_pre, on_post, has_pre, has_post of a rule.
    """
    n_blocks, room = progress.done.shape[1], progress.out.shape[2] - c.lanes
    for task in range(first, last):
        r, b = task // n_blocks, task % n_blocks
        m0, m1 = b * c.lanes, min((b + 1) * c.lanes, theta.size)
        w, v, limit = state.weights[r, m0:m1], state.v[r, m0:m1], theta[m0:m1]
        times, units, decay, growth = chunk.times[r], chunk.units[r], chunk.decay[r], chunk.growth[r]
        fade, trace, out, count = chunk.fade[r], progress.trace[r, b], progress.out[r, b], chunk.counts[r]
        j, n_out, s = progress.done[r, b], progress.n_out[r, b], progress.marked[r, b]
        traced, epoch = progress.traced[r, b], progress.epoch[r, b]
        while n_out <= room:
            stop = chunk.marks[r, s] if s < chunk.marks.shape[1] else count
            while j < stop and n_out <= room:
                if has_pre():
                    y, e = state.post[r, m0], epoch_of(times[j], c)
                    if e != state.post_epoch[r, m0]:
                        y *= exp((state.post_epoch[r, m0] - e) * (c.epoch / c.tau_minus))
                        state.post_epoch[r, m0] = e
                    end, p, u, row, bar = epoch_end(times, j, stop, c), rows[m0], v[0], w[0], limit[0]
                    while j < end:
                        i = units[j]
                        u = u * decay[j] + row[i]
                        row[i] = on_pre(row[i], y * fade[j], p)
                        if u >= bar:
                            break
                        j += 1
                    v[0], state.post[r, m0], stopped = u, y, j < end
                elif m1 - m0 == 1:
                    j, v[0] = walk_one(w[0], v[0], limit[0], j, stop, decay, units)
                    stopped = j < stop
                else:
                    j = walk_four(w, v, limit, j, stop, decay, units)
                    stopped = j < stop
                if not stopped:
                    continue
                for m in range(m0, m1):
                    if v[m - m0] < theta[m]:
                        continue
                    bar = state.adapt[r, m] * exp((state.adapt_time[r, m] - times[j]) / c.tau_threshold)
                    if v[m - m0] < theta[m] + bar:
                        continue
                    if has_post():
                        epoch = advance_trace(trace, epoch, times, units, growth, traced, j + 1, c)
                        traced = j + 1
                        scale, row, p = 1.0 / growth[j], w[m - m0], rows[m]
                        for i in range(row.size):
                            row[i] = on_post(row[i], trace[i] * scale, p)
                    if has_pre():
                        state.post[r, m] += 1.0 / fade[j]
                    v[m - m0] = 0.0
                    state.adapt[r, m], state.adapt_time[r, m] = bar + c.d_threshold * theta[m], times[j]
                    out[n_out] = j * LANES + m - m0
                    n_out += 1
                j += 1
            if j < stop:
                break
            if s == chunk.marks.shape[1]:
                break
            for m in range(m0, m1):
                progress.record[r, m, s] = v[m - m0] * chunk.mark_decay[r, s]
            s += 1
        if j == count and has_post():
            epoch = advance_trace(trace, epoch, times, units, growth, traced, count, c)
            traced = count
        progress.done[r, b], progress.n_out[r, b], progress.marked[r, b] = j, n_out, s
        progress.traced[r, b], progress.epoch[r, b] = traced, epoch
