"""Loops of the events engine: runs x neurons over one chunk of input spikes, one spike after the other.

Between two input spikes V only decays, so only the jump of an input spike can reach the threshold. With the interval
d_j = t_j - t_{j-1} before event j, the factors of a run are made once for all its neurons,

    decay_j = exp(-d_j / tau_m)     growth_j = exp(d_j / tau_plus)     fade_j = exp(-d_j / tau_minus)

    V <- V decay_j + w[unit_j],   test V >= theta,     y <- y fade_j  (postsynaptic trace)

The presynaptic trace of afferent i is kept as x_i = X_i / G: at each event G <- G growth_j, X[unit_j] <- X[unit_j] + G,
and no other trace is touched. Every operation belongs to one event, so cutting the input elsewhere changes no bit.

The plain loop walks one neuron with any rule. If a rule leaves the weights alone at input spikes, four neurons are
walked at once: the arithmetic of each hides the latency of the others, and they share one copy of the trace, brought
up to date only when one of them fires. The chain of V is what takes the time: `fma` (a b + c in one rounding, the same
bits on every processor) makes it a third shorter.

The loops test V >= theta; the adaptive part Theta (t) is made only where that holds. It falls until the next output
spike, so after a vain test theta + Theta at the time of an event further on is a bar that nothing before it can pass
without reaching the threshold, and those events are walked without any exponential.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.ieee import fma
from ...runtime.jit import kernel
from ...runtime.vmath import exp

LANES = 4
SEGMENT = 1024  # events whose factors are made at a time: they stay in the innermost cache
AHEAD = 32  # events that a raised threshold holds for: fewer, and it is made often; more, and it has fallen too far
DONE, MARKED, N_OUT = 0, 1, 2  # columns of Progress.cursor
_SHORT = 0.03  # intervals below this (in time constants) are the rule: a short polynomial serves them
_LARGE = 1e100  # of G: time to start again from 1
_FORGET = 1e-200  # a scaled trace below this is set to 0: no subnormal arithmetic


class State(NamedTuple):
    """Where R runs of M neurons with N afferents stand; float64 (`weights` may be float32)."""

    weights: np.ndarray  # (R, M, N)
    v: np.ndarray  # (R, M), just after the last input spike
    time: np.ndarray  # (R,), s, of the last input spike
    trace: np.ndarray  # (R, N), X
    growth: np.ndarray  # (R,), G
    post: np.ndarray  # (R, M), y at the last input spike
    adapt: np.ndarray  # (R, M), Theta just after the last output spike
    adapt_time: np.ndarray  # (R, M), s, of the last output spike


class Chunk(NamedTuple):
    """Input spikes of R runs, their factors, and points of time where V is read off."""

    times: np.ndarray  # (R, K), s
    units: np.ndarray  # (R, K), uint32
    counts: np.ndarray  # (R,)
    rates: np.ndarray  # (2 or 4,), 1/s: -1 / tau_m, and what the rule needs of 1 / tau_plus, -1 / tau_minus, or 0
    factors: np.ndarray  # (R, 2 or 4, K): exp(d_j rate), made once for all blocks; K = 0 if there is only one
    marks: np.ndarray  # (R, S): number of spikes at or before each point
    mark_decay: np.ndarray  # (R, S): decay of V from the last of them to the point


class Progress(NamedTuple):
    """How far each of B blocks of neurons of each run has come, and its output spikes."""

    trace: np.ndarray  # (R, B, N)
    growth: np.ndarray  # (R, B)
    cursor: np.ndarray  # (R, B, 3) int64: events done, points read off, output spikes
    out: np.ndarray  # (R, B, C) int64: event * LANES + lane
    record: np.ndarray  # (R, M, S): V at the points


class Constants(NamedTuple):
    """Scalars of a call."""

    tau_threshold: float
    d_threshold: float
    growth: int  # which of the rates is 1 / tau_plus
    fade: int  # and which -1 / tau_minus; 0 if the rule does not need it
    lanes: int  # neurons a block


@kernel
def short_exp(x):
    """Exponential of abs(x) < 0.03: Taylor to x**7, error below 2e-17."""
    p = fma(x, 1 / 5040, 1 / 720)
    p = fma(x, p, 1 / 120)
    p = fma(x, p, 1 / 24)
    p = fma(x, p, 1 / 6)
    p = fma(x, p, 0.5)
    return fma(x * x, p, x) + 1.0


@kernel
def fill_two(start, times, rate_a, rate_b, a, b):
    """Write exp(d_j rate) for two rates to `a` and `b`; the value depends on the interval d_j alone."""
    longest = _SHORT / max(abs(rate_a), abs(rate_b))
    d = times[0] - start
    a[0] = exp(d * rate_a) if d > longest else short_exp(d * rate_a)
    b[0] = exp(d * rate_b) if d > longest else short_exp(d * rate_b)
    before, after, a, b = times[: times.size - 1], times[1:], a[1 : times.size], b[1 : times.size]
    some_long = False
    for j in range(after.size):
        d = after[j] - before[j]
        some_long |= d > longest
        a[j] = short_exp(d * rate_a)
        b[j] = short_exp(d * rate_b)
    if some_long:
        for j in range(after.size):
            d = after[j] - before[j]
            a[j] = exp(d * rate_a) if d > longest else a[j]
            b[j] = exp(d * rate_b) if d > longest else b[j]


@kernel
def fill_factors(start, times, rates, factors):
    """Write the factors (2 or 4, n) of the events at `times`, the first of which follows an event at `start`."""
    for k in range(0, rates.size, 2):
        fill_two(start, times, rates[k], rates[k + 1], factors[k], factors[k + 1])


@kernel
def prepare(first, last, state, chunk):
    """Check the input of runs [first, last) and fill the shared factors.

    Return 0, or 1 + r for run r with bad times, -1 - r with bad units.
    """
    n = np.uint32(state.weights.shape[2])
    for r in range(first, last):
        count = chunk.counts[r]
        if count == 0:
            continue
        times = chunk.times[r, :count]
        wrong = not (times[0] >= state.time[r] and times[count - 1] < np.inf)
        before, after = times[: count - 1], times[1:]
        for j in range(after.size):
            wrong |= not after[j] >= before[j]
        if wrong:
            return 1 + r
        units, largest = chunk.units[r, :count], np.uint32(0)
        for j in range(count):
            largest = max(largest, units[j])
        if largest >= n:
            return -1 - r
        if chunk.factors.shape[2]:
            fill_factors(state.time[r], times, chunk.rates, chunk.factors[r])
    return 0


@kernel
def restart(trace, growth):
    """Scale X so that G is 1 again."""
    factor = 1.0 / growth
    for i in range(trace.size):
        x = trace[i] * factor
        trace[i] = x if x > _FORGET else 0.0
    return 1.0


@kernel
def advance_trace(trace, g, growth, units, j, stop):
    """Add the events [j, stop) to the trace; return G."""
    for k in range(np.uint64(j), np.uint64(stop)):
        g *= growth[k]
        if g > _LARGE:
            g = restart(trace, g)
        trace[units[k]] += g
    return g


@kernel
def walk_four(w, v, theta, j, stop, decay, units):
    """Step two to four neurons to the first crossing of one of them; V is changed in place."""
    n = v.size
    a, b = min(2, n - 1), min(3, n - 1)  # a lane without a neuron doubles the last one
    w0, w1, w2, w3 = w[0], w[1], w[a], w[b]
    v0, v1, v2, v3 = v[0], v[1], v[a], v[b]
    t0, t1, t2, t3 = theta[0], theta[1], theta[a], theta[b]
    k, last = np.uint64(j), np.uint64(stop)  # unsigned: no test for an index from the end
    while k < last:
        i = units[k]
        f = decay[k]
        v0 = fma(v0, f, w0[i])
        v1 = fma(v1, f, w1[i])
        v2 = fma(v2, f, w2[i])
        v3 = fma(v3, f, w3[i])
        if (v0 >= t0) | (v1 >= t1) | (v2 >= t2) | (v3 >= t3):
            break
        k += np.uint64(1)
    v[0], v[1], v[a], v[b] = v0, v1, v2, v3
    return np.int64(k)


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

    Return how many are not at the end, and the number of output spikes in their lists.
    Plain Python: compiled by ``specialise`` with on_pre, on_post, has_pre, has_post of a rule.
    """
    n_blocks, room, n_points = progress.cursor.shape[1], progress.out.shape[2] - c.lanes, chunk.marks.shape[1]
    own, unfinished, found = np.empty((chunk.rates.size, SEGMENT)), 0, 0
    for task in range(first, last):
        r, b = task // n_blocks, task % n_blocks
        m0, m1, count = b * c.lanes, min((b + 1) * c.lanes, theta.size), chunk.counts[r]
        w, v, limit, p = state.weights[r, m0:m1], state.v[r, m0:m1], theta[m0:m1], rows[m0]
        trace, out, cursor, g = progress.trace[r, b], progress.out[r, b], progress.cursor[r, b], progress.growth[r, b]
        s, n_out, bars, until = cursor[MARKED], 0, limit.copy(), 0  # bars hold for the events before `until`
        start = end = cursor[DONE]  # of the segment; j and traced (events that are in the trace) count from its start
        j = traced = 0
        times, units, growth = chunk.times[r, :0], chunk.units[r, :0], own[0, :0]
        decay = fade = growth
        while n_out <= room:
            if start + j == end and end < count:
                if has_post():
                    g = advance_trace(trace, g, growth, units, traced, j)
                before = state.time[r] if end == 0 else chunk.times[r, end - 1]
                start, end = end, (count if n_blocks > 1 else min(end + SEGMENT, count))
                times, units, j, traced, until = chunk.times[r, start:end], chunk.units[r, start:end], 0, 0, 0
                if n_blocks > 1:
                    decay, growth = chunk.factors[r, 0, start:end], chunk.factors[r, c.growth, start:end]
                    fade = chunk.factors[r, c.fade, start:end]
                else:
                    fill_factors(before, times, chunk.rates, own)
                    decay, growth, fade = own[0, : times.size], own[c.growth, : times.size], own[c.fade, : times.size]
            stop = min(chunk.marks[r, s], end) - start if s < n_points else end - start
            while j < stop and n_out <= room:
                if j >= until:
                    until = stop
                    for m in range(bars.size):
                        bars[m] = limit[m]
                halt = min(until, stop)
                if m1 - m0 == 1:
                    u, y, row, bar = v[0], state.post[r, m0], w[0], bars[0]
                    k, last = np.uint64(j), np.uint64(halt)  # unsigned: no test for an index from the end
                    while k < last:
                        i = units[k]
                        u = fma(u, decay[k], row[i])
                        if has_pre():
                            y *= fade[k]
                            row[i] = on_pre(row[i], y, p)
                        if has_post():
                            g *= growth[k]
                            if g > _LARGE:
                                g = restart(trace, g)
                            trace[i] += g
                        if u >= bar:
                            break
                        k += np.uint64(1)
                    j, v[0], state.post[r, m0] = np.int64(k), u, y
                    traced = min(j + 1, halt)
                else:
                    j = walk_four(w, v, bars, j, halt, decay, units)
                if j == halt:
                    continue
                for m in range(m0, m1):
                    if v[m - m0] < bars[m - m0]:
                        continue
                    high = state.adapt[r, m] * exp((state.adapt_time[r, m] - times[j]) / c.tau_threshold)
                    if v[m - m0] < theta[m] + high:
                        until = min(until, j + AHEAD, stop)
                        later = (state.adapt_time[r, m] - times[until - 1]) / c.tau_threshold
                        bars[m - m0] = theta[m] + state.adapt[r, m] * exp(later)
                        continue
                    if has_post():
                        g = advance_trace(trace, g, growth, units, traced, j + 1)
                        scale, row, q, traced = 1.0 / g, w[m - m0], rows[m], j + 1
                        for i in range(row.size):
                            row[i] = on_post(row[i], trace[i] * scale, q)
                    if has_pre():
                        state.post[r, m] += 1.0
                    v[m - m0] = 0.0
                    state.adapt[r, m], state.adapt_time[r, m] = high + c.d_threshold * theta[m], times[j]
                    out[n_out] = (start + j) * LANES + m - m0
                    n_out += 1
                j += 1
            if start + j == end and end < count:
                continue
            if j < stop or s == n_points:
                break
            for m in range(m0, m1):
                progress.record[r, m, s] = v[m - m0] * chunk.mark_decay[r, s]
            s += 1
        if has_post():
            g = advance_trace(trace, g, growth, units, traced, j)
        cursor[DONE], cursor[MARKED], cursor[N_OUT], progress.growth[r, b] = start + j, s, n_out, g
        found += n_out
        if start + j < count or s < n_points:
            unfinished += 1
        elif b == 0:  # the run's own state; the other blocks end with the same trace
            state.growth[r] = g
            if n_blocks > 1:
                for i in range(trace.size):  # assigning the slice would compile numba's text functions: seconds
                    state.trace[r, i] = trace[i]
            if count:
                state.time[r] = chunk.times[r, count - 1]
    return unfinished, found


@kernel
def collect(progress, lanes, times, run, neuron, event, time):
    """Write run, neuron, number of the event and time (s) of all listed output spikes."""
    n = 0
    for r in range(progress.out.shape[0]):
        for b in range(progress.out.shape[1]):
            for code in progress.out[r, b, : progress.cursor[r, b, N_OUT]]:
                j = code // LANES
                run[n], neuron[n], event[n], time[n] = r, b * lanes + code % LANES, j, times[r, j]
                n += 1
