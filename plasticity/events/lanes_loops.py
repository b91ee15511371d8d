"""Loops of neurons on one shared input, volley by volley: side by side in lanes, or one after the other.

A *volley* is all input spikes with one time; it adds up before the threshold is tested. With the interval d between two
volleys, V <- V exp(-d / tau_m), y <- y exp(-d / tau_minus), G <- G exp(d / tau_plus), then spike by spike

    V += w_j,   w_j <- on_pre(w_j, y),   X_j += G        (the trace of afferent j is x_j = X_j / G)

and where V >= theta: w_i <- on_post(w_i, x_i) for all i, V <- 0, y += 1.

*Lanes* hold L neurons as (N, L): a spike touches L neighbours in memory. The change at an output spike would be a
column of N of them. It is put off instead: until the next spike of j its trace only decays, and for a rule with
on_post(on_post(w, a), b) = on_post(w, a + b) the output spikes k since then act as one,

    w_j <- on_post(w_j, X_j (P - P_j)),    P = sum_k 1 / G(t_k),    P_j = P at the last spike of j,

done before w_j is used. P_j is not kept for each synapse: P changes at output spikes only, so a list of its values
(one row for each volley with an output spike of the block) and, for each afferent, the row that was the last at its
last spike. When G is large all is scaled to G = 1 and P counts from 0 again; from time to time synapses whose row is
old, or stands in the first half of a full list, are brought up to date. All of that depends on the spikes alone:
cutting the input elsewhere changes no bit.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.ieee import fma
from ...runtime.jit import kernel
from ...runtime.vmath import exp
from .loops import fill_factors, no, on_post, on_pre, yes  # noqa: F401

__all__ = ["Lanes", "Rows", "Spikes", "Volleys", "current_weights", "walk_lanes", "walk_rows"]

SEGMENT = 2048  # input spikes whose factors are made at a time
LIST = 512  # rows of the list of P
_LARGE = 1e3  # of G in lanes: so little is lost in P - P_j
_LONG = 1e4  # of G: after so long an interval nothing is put off any more
_OLD, _OLDEST = 6, 9  # turns: what is put off grows by up to _LONG in each, and float32 holds 1e38
_FORGET = 1e-32  # a scaled trace below this is 0
_OFF_GRID = 1e-3  # steps that a time may be off by
_LONGEST = 2.0**31 - 1  # steps without a spike
_MOST = 1e30  # factor of G over one interval: no trace is left after it
_HUGE = 1e100  # of G in rows
_NOTHING = 1e-30  # a scaled trace below this is 0 there
ONE, TWO, FOUR = np.uint64(1), np.uint64(2), np.uint64(4)  # unsigned: no test for an index from the end

has_pre = has_post = yes


class Spikes(NamedTuple):
    """Input spikes of a chunk."""

    times: np.ndarray  # (K,) s
    units: np.ndarray  # (K,) uint32
    rates: np.ndarray  # (4,) 1/s, of decay, growth, fade and 0
    table: np.ndarray  # (T, 4) factors of these over 0, 1, ... steps, then over intervals too long for that
    gaps: np.ndarray  # (K,) int32: row of the interval before each spike; 0 within a volley. K = 0: not on a grid
    start: float  # s, last volley of the chunk before


class Volleys(NamedTuple):
    """Input of a chunk for lanes, made once for all of them."""

    times: np.ndarray  # (V,) s
    starts: np.ndarray  # (V + 1,) first spike of each
    units: np.ndarray  # (K,) uint32
    decay: np.ndarray  # (V,) as the weights
    fade: np.ndarray  # (V,) as the weights
    growth: np.ndarray  # (V,) float64


class Lanes(NamedTuple):
    """B blocks of L neurons with N afferents; arrays without a type are of the weights' type."""

    weights: np.ndarray  # (B, N, L), some not up to date
    v: np.ndarray  # (B, L)
    post: np.ndarray  # (B, L), y
    total: np.ndarray  # (B, L), P
    rows: np.ndarray  # (B, LIST, L), list of P
    left: np.ndarray  # (B, LIST) int64, turn in which a row was followed by the next
    seen: np.ndarray  # (B, N) int64, row of each afferent
    trace: np.ndarray  # (B, N), X
    growth: np.ndarray  # (B,) float64, G
    place: np.ndarray  # (B, 2) int64: last row, turns so far
    time: np.ndarray  # (1,) float64, s, of the last volley
    count: np.ndarray  # (1,) int64, M: lanes beyond belong to no neuron


class Rows(NamedTuple):
    """M neurons, float64, each for itself."""

    own: np.ndarray  # (M, N) weights
    trace: np.ndarray  # (M, N), X
    v: np.ndarray  # (M,)
    post: np.ndarray  # (M,)
    growth: np.ndarray  # (M,)
    time: np.ndarray  # (1,) float64, s


@kernel
def inspect(start, times, units):
    """(times are sorted, finite and after `start`; largest afferent; number of volleys)."""
    n = 1
    wrong = not (times[0] > start and times[times.size - 1] < np.inf)
    before, after = times[: times.size - 1], times[1:]
    for j in range(after.size):
        wrong |= not after[j] >= before[j]
        n += 1 if after[j] > before[j] else 0
    return not wrong, greatest(units), n


@kernel
def greatest(values):
    """Largest of some integers."""
    most = values[0]
    for j in range(values.size):
        most = max(most, values[j])
    return most


@kernel
def count_steps(start, times, step, gaps):
    """Write the steps from each time to the one before, and return whether all times are whole multiples of `step`."""
    each, off = 1.0 / step, np.int32(0)
    before = np.floor(start * each + 0.5)
    for j in range(times.size):
        x = times[j] * each
        k = np.floor(x + 0.5)
        off |= np.int32(not abs(x - k) <= _OFF_GRID)
        gaps[j] = np.int32(min(k - before, _LONGEST))
        before = k
    return off == 0


@kernel
def fill_table(step, rates, gaps, n, table):
    """Row k < n of `table`: the factors over k steps; each longer gap becomes the number of a row of its own."""
    for k in range(n):
        write_factors(k * step, rates, table[k])
    if table.shape[0] > n:
        for j in range(gaps.size):
            if gaps[j] >= n:
                write_factors(gaps[j] * step, rates, table[n])
                gaps[j] = n
                n += 1


@kernel
def write_factors(interval, rates, row):
    """Factors over an interval."""
    for i in range(4):
        row[i] = min(exp(interval * rates[i]), _MOST)


@kernel
def find_factors(spikes, a, b, work):
    """Factors of the intervals before spikes [a, b), at most SEGMENT: a table (flat, 4 a row) and the row of each."""
    if spikes.gaps.size > 0:
        return spikes.table.reshape(-1), spikes.gaps[a:b]
    own, rows, each = work
    fill_factors(spikes.start if a == 0 else spikes.times[a - 1], spikes.times[a:b], spikes.rates, own)
    for e in range(b - a):
        for i in range(3):
            rows[e, i] = min(own[i, e], _MOST)
    return rows.reshape(-1), each[: b - a]


@kernel
def workspace():
    """Memory for `find_factors`."""
    return np.empty((4, SEGMENT)), np.empty((SEGMENT, 4)), np.arange(SEGMENT).astype(np.int32)


@kernel
def ends(spikes, j):
    """Whether spike `j` is the last of its volley."""
    if j + 1 == spikes.times.size:
        return True
    return spikes.gaps[j + 1] != 0 if spikes.gaps.size > 0 else spikes.times[j + 1] > spikes.times[j]


@kernel
def fill_volleys(spikes, volleys):
    """Fill `volleys`, whose arrays have the right sizes."""
    n, work = 0, workspace()
    volleys.starts[0] = 0
    for a in range(0, spikes.times.size, SEGMENT):
        b = min(a + SEGMENT, spikes.times.size)
        table, rows = find_factors(spikes, a, b, work)
        for j in range(a, b):
            if j == volleys.starts[n]:  # the interval before its first spike
                at = 4 * rows[j - a]
                volleys.decay[n], volleys.growth[n] = table[at], table[at + 1]
                volleys.fade[n] = table[at + 2]
            if ends(spikes, j):
                volleys.times[n], n = spikes.times[j], n + 1
                volleys.starts[n] = j + 1


@kernel
def decay_lanes(v, y, d, f):
    """Decay of V and y over an interval."""
    for m in range(v.size):
        v[m] *= d
    for m in range(y.size):
        y[m] *= f


@kernel
def crossed(v, theta):
    """Whether any lane is at its threshold."""
    n = np.int32(0)
    for m in range(v.size):
        n |= np.int32(v[m] >= theta[m])  # as wide as float32: vectorised
    return n != 0


@kernel
def rescale(trace, rows, total, g):
    """Scale so that G = 1 and P = 0."""
    factor = 1.0 / g
    for j in range(trace.size):
        x = trace[j] * factor
        trace[j] = x if x > _FORGET else 0.0
    for r in range(rows.shape[0]):
        row = rows[r]
        for m in range(row.size):
            row[m] = (row[m] - total[m]) * g
    for m in range(total.size):
        total[m] = 0.0


def point(columns, m):  # pragma: no cover
    """Stand-in: parameters of lane `m`, as a rule reads them."""
    raise NotImplementedError


def walk_lanes(b, state, volleys, theta, columns, out):
    """Step block `b` through all volleys; return the number of output spikes.

    out: int64 (V L,), volley * L + lane. Plain Python: compiled by ``specialise``.
    """
    w, v, y, total, rows = state.weights[b], state.v[b], state.post[b], state.total[b], state.rows[b]
    seen, trace, left, limit, p = state.seen[b], state.trace[b], state.left[b], theta[b], columns[b]
    g, last, turn, n_out, n = state.growth[b], state.place[b, 0], state.place[b, 1], 0, v.size
    for k in range(volleys.times.size):
        g *= volleys.growth[k]
        if has_post() and (g > _LARGE or last == left.size - 1):
            # leave the first rows: those that are too old, and half of a full list
            drop = left.size // 2 if last == left.size - 1 else 0
            if g > _LONG:
                drop = last
            elif last > 0 and left[0] <= turn - _OLDEST:
                while drop < last and left[drop] <= turn - _OLD:
                    drop += 1
            for j in range(seen.size if drop else 0):
                if seen[j] < drop:
                    if trace[j] > 0.0:
                        row, since, x = w[j], rows[seen[j]], trace[j]
                        for m in range(row.size):
                            row[m] = on_post(row[m], x * (total[m] - since[m]), point(p, m))
                    seen[j] = last
                seen[j] -= drop
            for r in range(drop, last + 1 if drop else 0):
                left[r - drop] = left[r]
                to, of = rows[r - drop], rows[r]
                for m in range(to.size):
                    to[m] = of[m]
            last -= drop
            if g > _LARGE:
                rescale(trace, rows[: last + 1], total, g)
                g = 1.0
                turn += 1
        decay_lanes(v, y, volleys.decay[k], volleys.fade[k])
        for e in range(np.uint64(volleys.starts[k]), np.uint64(volleys.starts[k + 1])):
            j = volleys.units[e]
            row, since, x = w[j], rows[seen[j]], trace[j]
            for m in range(row.size):  # one pass: several would be twice as slow
                z = row[m]
                if has_post():
                    z = row.dtype.type(on_post(z, x * (total[m] - since[m]), point(p, m)))
                v[m] += z
                row[m] = on_pre(z, y[m], point(p, m))
            trace[j] += g
            seen[j] = last
        if crossed(v, limit):
            for m in range(n):
                if v[m] >= limit[m]:
                    v[m] = 0.0
                    y[m] += 1.0
                    total[m] += 1.0 / g
                    out[n_out] = k * n + m
                    n_out += 1
            left[last] = turn
            last += 1
            to = rows[last]
            for m in range(n):
                to[m] = total[m]
    state.growth[b], state.place[b, 0], state.place[b, 1] = g, last, turn
    return n_out


def current_weights(state, columns, out):
    """Write the weights of all lanes, up to date, to `out` (B, N, L). Plain Python: compiled by ``specialise``."""
    for b in range(out.shape[0]):
        p, total = columns[b], state.total[b]
        for j in range(out.shape[1]):
            row, to, since, x = state.weights[b, j], out[b, j], state.rows[b, state.seen[b, j]], state.trace[b, j]
            for m in range(to.size):
                to[m] = on_post(row[m], x * (total[m] - since[m]), point(p, m)) if has_post() else row[m]


@kernel
def restart(trace, g):
    """Scale the traces of a neuron so that G = 1."""
    factor = 1.0 / g
    for i in range(trace.size):
        x = trace[i] * factor
        trace[i] = x if x > _NOTHING else 0.0
    return 1.0


def walk_rows(first, last, state, spikes, theta, params, out):
    """Step the neurons [first, last) through all input spikes, one after the other; return the number of output spikes.

    out: int64 (K (last - first),), spike that ended the volley * M + neuron. Plain Python: compiled by ``specialise``.
    """
    n_out, work = 0, workspace()
    for a in range(0, spikes.times.size, SEGMENT):
        b = min(a + SEGMENT, spikes.times.size)
        units, n = spikes.units[a:b], np.uint64(b - a)
        table, rows = find_factors(spikes, a, b, work)
        for m in range(first, last):
            w, x, v, y, g = state.own[m], state.trace[m], state.v[m], state.post[m], state.growth[m]
            bar, p, e = theta[m], params[m], np.uint64(0)
            while e < n:
                while e < n:  # nothing in here but what each spike needs: registers are few
                    i, k = units[e], np.uint64(rows[e]) * FOUR
                    weight = w[i]
                    v = fma(v, table[k], weight)
                    if has_pre():
                        y *= table[k + TWO]
                        w[i] = on_pre(weight, y, p)
                    if has_post():
                        g *= table[k + ONE]
                        x[i] += g
                    if (v >= bar) | (g > _HUGE):
                        break
                    e += ONE
                if e < n and v >= bar and ends(spikes, a + np.int64(e)):
                    if has_post():
                        scale = 1.0 / g
                        for q in range(w.size):
                            w[q] = on_post(w[q], x[q] * scale, p)
                    v = 0.0
                    y += 1.0
                    out[n_out] = (a + np.int64(e)) * theta.size + m
                    n_out += 1
                if g > _HUGE:
                    g = restart(x, g)
                e += ONE
            state.v[m], state.post[m], state.growth[m] = v, y, g
    return n_out
