"""Loops of the spike-response neuron: runs x neurons over a chunk of input spikes, exact, without a time grid.

Between inputs V / K = a exp(-t / tau_m) + b exp(-t / tau_s); an input of weight w: a += w, b -= w, V itself is
continuous. V can rise through theta only where a > 0 > b, and has one maximum at most. If that maximum, at least
theta, lies d or less before an instant with potential V, then

    V >= theta g(d),   g(d) = (exp(-d / tau_m) - q exp(-d / tau_s)) / (1 - q) >= 1 - d**2 / (2 tau_m tau_s),
    q = tau_s / tau_m

so one comparison after each input says whether the interval before it must be searched. There, Newton's iteration from
the left: V is concave up to its maximum, hence the iterates never pass the crossing, and an iterate behind the maximum
or the interval says that there is none. The earliest crossing of all neurons fires (ties: the lowest number); the
others get their inhibition at that instant, and the search goes on from there.

Every operation belongs to one input or output spike: cutting the input elsewhere changes no bit.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.ieee import fma
from ...runtime.jit import kernel
from ...runtime.vmath import exp
from .loops import no, on_post, on_pre, short_exp

SEGMENT = 1024  # inputs whose factors are made at a time: they stay in the innermost cache
ROUNDING = 1e-11  # relative; what the comparison leaves for rounding of V
_SHORT = 0.03
DONE, N_OUT = 0, 1  # columns of the cursor

has_pre = has_post = nearest = reduced = no
__all__ = ["Chunk", "Neuron", "State", "crossing", "on_post", "on_pre", "walk"]


class State(NamedTuple):
    """Where R runs of M neurons with N afferents stand; all float64."""

    weights: np.ndarray  # (R, M, N)
    a: np.ndarray  # (R, M), slow part of V / K just after the last input
    b: np.ndarray  # (R, M), fast part
    time: np.ndarray  # (R,), s, of the last input
    last: np.ndarray  # (R, N), s, last spike of each afferent; -inf: none
    trace: np.ndarray  # (R, N), presynaptic trace at that spike
    post: np.ndarray  # (R, M), s, last output spike; -inf: none
    post_trace: np.ndarray  # (R, M), postsynaptic trace at that spike
    wake: np.ndarray  # (R, M), s, end of the refractory time


class Chunk(NamedTuple):
    """Input spikes; one row is shared by all runs, else one row a run."""

    times: np.ndarray  # (1 or R, K), s
    units: np.ndarray  # (1 or R, K), uint32
    counts: np.ndarray  # (1 or R,)
    stop: float  # s; -inf: up to the last input


class Neuron(NamedTuple):
    """Scalars of a call; rates in 1/s."""

    rate_m: float  # -1 / tau_m
    rate_s: float
    rate_plus: float  # -1 / tau_plus
    rate_minus: float
    far_plus: float  # s, pairs further apart count as none
    far_minus: float
    refractory: float  # s
    a_reset: float  # a just after an output spike, in theta / K
    b_reset: float
    norm: float  # K


@kernel
def fill(start, times, neuron, decay, fall, limit):
    """Factors of the inputs at `times` after one at `start`: of a, of b, and of theta in the comparison."""
    rm, rs = neuron.rate_m, neuron.rate_s
    longest, c = _SHORT / max(abs(rm), abs(rs)), -0.5 * rm * rs
    d = times[0] - start
    decay[0] = exp(d * rm) if d > longest else short_exp(d * rm)
    fall[0] = exp(d * rs) if d > longest else short_exp(d * rs)
    limit[0] = max(fma(d * c, d, 1.0 - ROUNDING), 0.0)
    before, after = times[: times.size - 1], times[1:]
    e, f, g = decay[1 : times.size], fall[1 : times.size], limit[1 : times.size]
    some_long = False
    for k in range(after.size):
        d = after[k] - before[k]
        some_long |= d > longest
        e[k] = short_exp(d * rm)
        f[k] = short_exp(d * rs)
        g[k] = max(fma(d * c, d, 1.0 - ROUNDING), 0.0)
    if some_long:
        for k in range(after.size):
            d = after[k] - before[k]
            e[k] = exp(d * rm) if d > longest else e[k]
            f[k] = exp(d * rs) if d > longest else f[k]


@kernel
def crossing(a, b, theta, d, neuron):
    """First time in [0, d] at which a exp(rate_m t) + b exp(rate_s t) is at theta and rises; inf if there is none.

    The neuron is known to have been below theta up to time 0: what is above it there got there by rounding.
    """
    if a <= theta or b >= 0.0:
        return np.inf
    t = 0.0
    for _ in range(200):  # a handful, except where the maximum itself meets theta: there one bit an iteration
        slow, fast = a * exp(t * neuron.rate_m), b * exp(t * neuron.rate_s)
        gap, slope = theta - slow - fast, slow * neuron.rate_m + fast * neuron.rate_s
        if slope <= 0.0:
            return np.inf
        if gap <= 0.0:
            return t
        step = gap / slope
        t += step
        if t > d:
            return np.inf
        if step < 1e-14:
            return t
    return t


@kernel
def check(times, units, start, n):
    """0, or 1: times are not finite, not sorted or before `start`; 2: there is a unit >= n."""
    wrong, largest = False, np.uint32(0)
    if times.size:
        wrong = not (times[0] >= start and times[times.size - 1] < np.inf)
    before, after = times[: max(times.size - 1, 0)], times[1:]
    for j in range(after.size):
        wrong |= not after[j] >= before[j]
    for j in range(units.size):
        largest = max(largest, units[j])
    return 1 if wrong else 2 if times.size and largest >= n else 0


@kernel
def first_from(times, j, t):
    """First index >= j with times[index] >= t."""
    low, high = j, times.size
    while low < high:
        middle = (low + high) >> 1
        if times[middle] < t:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def earliest(a, b, bar, d, neuron):
    """(time, neuron) of the first crossing within d; neuron -1: none."""
    at, who = np.inf, -1
    for m in range(a.size):
        t = crossing(a[m], b[m], bar[m], d, neuron)
        if t < at:
            at, who = t, m
    return at, who


@kernel
def fade(a, b, d, neuron):
    """Let all a and b decay by d, in place."""
    e, f = exp(d * neuron.rate_m), exp(d * neuron.rate_s)
    for m in range(a.size):
        a[m] *= e
        b[m] *= f


@kernel
def listen(now, wake, theta, bar, gain):
    """Who is awake at `now`: bar theta or inf, gain 1 or 0; return when the next one wakes up."""
    awake = np.inf
    for m in range(theta.size):
        asleep = wake[m] > now
        bar[m] = np.inf if asleep else theta[m]
        gain[m] = 0.0 if asleep else 1.0
        awake = min(awake, wake[m]) if asleep else awake
    return awake


@kernel
def reset(who, at, a, b, wake, theta, inhibition, neuron):
    """Output spike of `who` at `at`: its after-potential, its refractory time, the inhibition of the others."""
    for m in range(a.size):
        if m != who and wake[m] <= at:
            x = inhibition * theta[m] * neuron.norm
            a[m] -= x
            b[m] += x
    a[who], b[who] = neuron.a_reset * theta[who], neuron.b_reset * theta[who]
    wake[who] = at + neuron.refractory


def walk(first, last_run, state, chunk, neuron, theta, inhibition, rows, out, cursor):
    """Step the runs [first, last_run) through the chunk, or until their list `out` (R, C, 2: time, neuron) is full.

    theta (M,) in K; inhibition (R,) in thetas; rows (M,): the rule's parameters. Return the number of unfinished runs.
    Plain Python, compiled by ``specialise``: a rule's on_pre and on_post, flags has_pre, has_post, nearest, reduced.
    """
    n, unfinished, factors = theta.size, 0, np.empty((3, SEGMENT))
    bar, gain, new_a, new_b = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    decay, fall, limit = factors[0], factors[1], factors[2]
    for r in range(first, last_run):
        q = r if chunk.times.shape[0] > 1 else 0
        w, a, b, last, trace = state.weights[r], state.a[r], state.b[r], state.last[r], state.trace[r]
        post, post_trace, wake = state.post[r], state.post_trace[r], state.wake[r]
        start = end = cursor[r, DONE]
        n_out, j, count, full = 0, 0, chunk.counts[q], False
        times, units = chunk.times[q, :0], chunk.units[q, :0]
        before = state.time[r] if start == 0 else chunk.times[q, start - 1]  # time of the input before the segment
        while True:
            if start + j == end and end < count:
                before = chunk.times[q, end - 1] if end > 0 else before
                start, end, j = end, min(end + SEGMENT, count), 0
                times, units = chunk.times[q, start:end], chunk.units[q, start:end]
                fill(before, times, neuron, decay, fall, limit)
            over = j == times.size
            now, t = times[j - 1] if j > 0 else before, chunk.stop if over else times[j]
            if over and not t > now:
                break
            # Until the next end of a refractory time nothing changes about who listens.
            awake = listen(t, wake, theta, bar, gain)
            k, ahead = np.uint64(j), np.uint64(times.size if awake == np.inf else first_from(times, j, awake))
            while k < ahead:
                i, t, hit = units[k], times[k], False
                for m in range(n):
                    x = w[m, i] * gain[m]
                    new_a[m], new_b[m] = fma(a[m], decay[k], x), fma(b[m], fall[k], -x)
                    hit |= new_a[m] + new_b[m] >= bar[m] * limit[k]
                if hit:
                    break
                for m in range(n):
                    a[m], b[m] = new_a[m], new_b[m]
                    if has_pre() and (not reduced() or last[i] < post[m]):
                        lag = t - post[m]
                        if not reduced() or lag <= neuron.far_minus:
                            y = post_trace[m] * exp(lag * neuron.rate_minus) if lag <= neuron.far_minus else 0.0
                            w[m, i] = on_pre(w[m, i], y, rows[m])
                if has_post() and not nearest():
                    lag = t - last[i]
                    trace[i] = 1.0 + (trace[i] * exp(lag * neuron.rate_plus) if lag <= neuron.far_plus else 0.0)
                last[i] = t
                k += np.uint64(1)
            if not over and k == ahead:
                j = np.int64(k)
                continue
            j, full = np.int64(k), n_out + n > out.shape[1]
            if full:
                break
            now = times[j - 1] if j > 0 else before
            d, who = earliest(a, b, bar, t - now, neuron)
            while who >= 0:
                fade(a, b, d, neuron)
                now += d
                if has_post():
                    since, p, row = post[who], rows[who], w[who]
                    for i in range(last.size):
                        lag = now - last[i]
                        x = exp(lag * neuron.rate_plus) * (1.0 if nearest() else trace[i])
                        new = on_post(row[i], x if lag <= neuron.far_plus else 0.0, p)
                        row[i] = new if not reduced() or (last[i] >= since) & (lag <= neuron.far_plus) else row[i]
                old = 0.0 if nearest() else post_trace[who] * exp((now - post[who]) * neuron.rate_minus)
                post[who], post_trace[who], bar[who] = now, 1.0 + old, np.inf
                reset(who, now, a, b, wake, theta, inhibition[r], neuron)
                out[r, n_out, 0], out[r, n_out, 1] = now, who
                n_out += 1
                d, who = earliest(a, b, bar, t - now, neuron)
            fade(a, b, t - now, neuron)
            if over:
                before, j, times = t, 0, times[:0]
            else:  # the input at t is still to come, without a decay before it
                decay[j], fall[j], limit[j] = 1.0, 1.0, np.inf
        cursor[r, DONE], cursor[r, N_OUT] = start + j if full else count, n_out
        if full:
            unfinished += 1
        else:
            state.time[r] = now
    return unfinished
