"""What a detector's output spikes and weights say about the patterns it was shown.

Time is cut in periods of length T_p (s): random input on [0, D), then one block of length L + 2T on [D, T_p),
D = T_p - L - 2T, in which pattern number (period mod P) is shown; its own time 0 is at D + T. All intervals are
half-open.
Over the periods first <= k < last, for every run (R of them), neuron (M) and pattern (P):

    false_alarm  number of periods with at least one output spike in the random part           (R, M)
    miss         presentations of a pattern without an output spike in its block               (R, M, P)
    hit          output spikes in the blocks of a pattern, all of them                         (R, M, P)
    latency      s, mean over presentations with a spike of (first spike - D - T); inf if none (R, M, P)

Selective: at most 10 % of all presentations missed, and no false alarm. Silent: no output spike at all. Learned: a
pattern missed in less than half of its presentations. A neuron may be neither selective nor silent.

Reference: T. Masquelier & S. R. Kheradpisheh (2018), Front. Comput. Neurosci. 12:74, section "Methods".
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Detection", "Schedule", "convergence", "detection", "pattern_counts", "pattern_weights", "weight_histogram"]

# A spike this close (s) before an edge counts as on it: clock-driven times are multiples of a step, up to rounding.
EDGE = 1e-9


class Schedule(NamedTuple):
    """Timing of the input: `period`, pattern `duration`, `jitter` half-width (s), and number of patterns."""

    period: float
    duration: float
    jitter: float
    n_patterns: int

    @property
    def block_start(self) -> float:
        """D: where the random part ends and the pattern's block begins, s after the start of the period."""
        return self.period - self.duration - 2 * self.jitter


class Detection(NamedTuple):
    """Counts over a stretch of periods; see the head of this file for shapes and units."""

    n_periods: int
    n_presentations: np.ndarray  # (P,)
    n_spikes: np.ndarray  # (R, M)
    false_alarm: np.ndarray
    miss: np.ndarray
    hit: np.ndarray
    latency: np.ndarray

    @property
    def miss_rate(self):
        """Share of all presentations that were missed, (R, M); NaN without presentations."""
        return self.miss.sum(axis=2) / _count(self.n_presentations.sum())

    @property
    def selective(self):
        """At most 10 % missed and no false alarm, (R, M) bool."""
        return (self.miss_rate <= 0.1) & (self.false_alarm == 0)

    @property
    def silent(self):
        """No output spike, (R, M) bool."""
        return self.n_spikes == 0

    @property
    def learned(self):
        """Patterns missed in less than half of their presentations, (R, M, P) bool."""
        return self.miss < 0.5 * self.n_presentations

    @property
    def spikes_per_pattern(self):
        """Output spikes per presentation, (R, M); NaN without presentations."""
        return self.hit.sum(axis=2) / _count(self.n_presentations.sum())


def _count(n):
    return n if n else np.nan


def detection(run, neuron, period, time, schedule, shape, first, last) -> Detection:
    """Count hits, misses and false alarms over the periods `first` <= k < `last`.

    Parameters
    ----------
    run, neuron, period : int arrays (n_spikes,)
        Which run, neuron and period (0-based) each output spike belongs to.
    time : float array (n_spikes,)
        Its time, s from the start of the simulation.
    schedule : Schedule
        Timing of the input.
    shape : (int, int)
        Number of runs R and of neurons M.
    first, last : int
        Half-open range of periods.

    Raises
    ------
    ValueError
        If the range of periods is reversed or starts below 0.
    """
    if not 0 <= first <= last:
        raise ValueError(f"first and last must satisfy 0 <= first <= last, got {first} and {last}")
    n_runs, n_neurons = shape
    n_cells, n_periods, n_patterns = n_runs * n_neurons, last - first, schedule.n_patterns
    use = (period >= first) & (period < last)
    cell = run[use].astype(np.int64) * n_neurons + neuron[use]
    k = period[use].astype(np.int64)
    phase = time[use] - k * schedule.period
    in_block = phase >= schedule.block_start - EDGE
    k -= first

    alarm = np.zeros((n_cells, n_periods), bool)
    alarm[cell[~in_block], k[~in_block]] = True
    first_spike = np.full((n_cells, n_periods), np.inf)
    lag = phase[in_block] - schedule.block_start - schedule.jitter
    np.minimum.at(first_spike, (cell[in_block], k[in_block]), lag)
    shown = np.arange(first, last) % n_patterns  # pattern of each period
    hit = np.bincount(cell[in_block] * n_patterns + shown[k[in_block]], minlength=n_cells * n_patterns)

    miss = np.zeros((n_cells, n_patterns), np.int64)
    latency = np.full((n_cells, n_patterns), np.inf)
    for p in range(n_patterns):
        lags = first_spike[:, shown == p]
        seen = np.isfinite(lags)
        miss[:, p] = lags.shape[1] - seen.sum(axis=1)
        some = seen.any(axis=1)
        latency[some, p] = np.where(seen, lags, 0.0)[some].sum(axis=1) / seen[some].sum(axis=1)
    cells = (n_runs, n_neurons)
    return Detection(
        n_periods=n_periods,
        n_presentations=np.bincount(shown, minlength=n_patterns),
        n_spikes=np.bincount(cell, minlength=n_cells).reshape(cells),
        false_alarm=alarm.sum(axis=1).reshape(cells),
        miss=miss.reshape(*cells, n_patterns),
        hit=hit.reshape(*cells, n_patterns),
        latency=latency.reshape(*cells, n_patterns),
    )


def convergence(weights):
    """How far the weights are from a yes or a no: (n_w, conv) over the last axis.

    n_w = number of weights above 1/2 (int), conv = mean |w - 1(w > 1/2)| (0 = all weights are 0 or 1).

    Examples
    --------
    >>> import numpy as np
    >>> n_w, conv = convergence(np.array([0.0, 0.25, 1.0, 0.75]))
    >>> int(n_w), float(conv)
    (2, 0.125)
    """
    n_w = np.empty(weights.shape[:-1], np.int64)
    conv = np.empty(weights.shape[:-1])
    for index in np.ndindex(n_w.shape):  # row by row: a grid's weights times a few copies would not fit a laptop
        w = weights[index]
        n_w[index] = np.count_nonzero(w > 0.5)
        conv[index] = np.minimum(w, 1.0 - w).mean(dtype=np.float64)
    return n_w, conv


def weight_histogram(weights, n_bins=20):
    """Counts of weights in `n_bins` equal bins of [0, 1], on the last axis; what is beyond is in the outer bins."""
    counts = np.empty((*weights.shape[:-1], n_bins), np.int64)
    for index in np.ndindex(weights.shape[:-1]):
        bins = np.clip((weights[index] * n_bins).astype(np.int64), 0, n_bins - 1)
        counts[index] = np.bincount(bins, minlength=n_bins)
    return counts


def pattern_counts(run, pattern, unit, shape):
    """Spikes of each afferent in each frozen pattern, int array of `shape` (R, P, N), from three index arrays."""
    n_runs, n_patterns, n_afferents = shape
    index = (run.astype(np.int64) * n_patterns + pattern) * n_afferents + unit
    return np.bincount(index, minlength=n_runs * n_patterns * n_afferents).reshape(shape)


def pattern_weights(weights, counts):
    """n_w_pattern: spikes of each pattern that arrive through weights above 1/2, (R, M, P).

    Parameters
    ----------
    weights : array (R, M, N)
        In [0, 1].
    counts : int array (R, P, N)
        From :func:`pattern_counts`. Expected for an ideal detector: N f window + M_sel f (L - window).
    """
    out = np.empty((*weights.shape[:2], counts.shape[1]), np.int64)
    for run in range(weights.shape[0]):
        out[run] = np.rint((weights[run] > 0.5).astype(np.float64) @ counts[run].T.astype(np.float64))
    return out
