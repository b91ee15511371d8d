"""What a coincidence run keeps while it goes: output spikes, learning curves, weights now and then, stretches of V(t).

All of it is plain arrays, so that a run's state is a dict of arrays: :meth:`Recording.state`. R runs, M neurons, N
afferents; H points of the learning curves, S copies of the weights, W windows of V with T samples.
"""

import numpy as np

from ...datasets.poisson import TICK
from .detection import EDGE, convergence, detection

__all__ = ["CURVES", "V_STEP", "Recording", "period_starts", "window_starts"]

V_STEP = 1e-4  # s between two samples of a recorded V(t), and of the mean response

#: learning curves: name -> unit, what it is over the periods since the last point
CURVES = {
    "n_w": ("1", "weights above 1/2"),
    "conv": ("1", "mean distance of the weights from 0 or 1"),
    "hit": ("1", "output spikes per presentation"),
    "miss": ("1", "share of presentations without output spike"),
    "false_alarm": ("1", "share of periods with an output spike in the random part"),
    "latency": ("s", "mean first output spike after the start of the pattern; NaN if none"),
}


def period_starts(periods, period):
    """Start (s) of each of `periods` (int), with the rounding of the input: a whole number of TICK, times TICK."""
    return np.asarray(periods, np.int64) * round(period / TICK) * TICK


def window_starts(n_periods, length):
    """First periods of three windows of `length` periods: at the start, in the middle, at the end; none if 0.

    Examples
    --------
    >>> window_starts(600, 1)
    [0, 300, 599]
    """
    if not length:
        return []
    last = max(n_periods - length, 0)
    middle = min(n_periods // 2 // length * length, last)  # a multiple: windows then show the patterns in order
    return [0, middle, last]


class Recording:
    """Growing record of one run of the experiment; see the head of this file."""

    def __init__(self, shape, n_afferents, schedule, n_periods, *, history_every, weights_every, v_periods, v_step):
        """`shape` (R, M); windows of V: `v_periods` periods each (0: none), a sample every `v_step` s."""
        self.shape, self.schedule, self.weights_every = shape, schedule, weights_every
        ends = [*range(history_every, n_periods, history_every), n_periods]
        self.ends = np.array(ends)  # the periods after which a point of the curves is taken
        self.curves = {name: np.full((*shape, len(ends)), np.nan) for name in CURVES}
        n_copies = n_periods // weights_every if weights_every else 0
        self.weights = np.zeros((n_copies, *shape, n_afferents), np.float32)
        self.v_periods = min(v_periods, n_periods)
        self.windows = window_starts(n_periods, self.v_periods)
        self.grid = np.arange(0.0, schedule.period - EDGE, v_step)  # of each period of a window, s
        self.v = np.zeros((len(self.windows), *shape, self.v_periods * self.grid.size), np.float32)
        self._spikes = [np.zeros(1024, np.int32), np.zeros(1024, np.int32), np.zeros(1024, np.int32), np.zeros(1024)]
        self.n_spikes = 0

    @property
    def spikes(self):
        """Output spikes so far: run, neuron, period (int32) and time (s), in the order of periods."""
        return tuple(column[: self.n_spikes] for column in self._spikes)

    def add_spikes(self, first, n, run, neuron, time):
        """Append output spikes of `n` periods from `first` on (sorted by run, time, neuron), in order of periods."""
        starts = period_starts(first + np.arange(1, n), self.schedule.period)
        period = first + np.searchsorted(starts, time, side="right")
        order = np.argsort(period, kind="stable")  # the order does not depend on how periods were put together
        self._append(*(column[order] for column in (run, neuron, period, time)))

    def _append(self, run, neuron, period, time):
        end = self.n_spikes + time.size
        if end > self._spikes[0].size:
            room = max(2 * self._spikes[0].size, end)
            self._spikes = [np.concatenate([c, np.zeros(room - c.size, c.dtype)]) for c in self._spikes]
        for column, values in zip(self._spikes, (run, neuron, period, time), strict=True):
            column[self.n_spikes : end] = values
        self.n_spikes = end

    def stretch(self, period, most):
        """How many periods from `period` on may be simulated in one go, at most `most`: until something is read off."""
        if self.wants_v(period):
            return 1
        stops = [int(self.ends[np.searchsorted(self.ends, period, side="right")])]
        stops += [first for first in self.windows if first > period]
        if self.weights_every:
            stops.append((period // self.weights_every + 1) * self.weights_every)
        return min(most, min(stops) - period)

    def detection(self, first, last):
        """Measures over the periods `first` <= k < `last`."""
        run, neuron, period, time = self.spikes
        a, b = np.searchsorted(period, (first, last))
        return detection(run[a:b], neuron[a:b], period[a:b], time[a:b], self.schedule, self.shape, first, last)

    def wants_v(self, period):
        """Whether V of this period is to be recorded."""
        return any(first <= period < first + self.v_periods for first in self.windows)

    def add_v(self, period, v):
        """Keep V (R, M, samples) of one period in the windows that cover it."""
        for w, first in enumerate(self.windows):
            at = (period - first) * self.grid.size
            if first <= period < first + self.v_periods:
                self.v[w][..., at : at + self.grid.size] = v

    @property
    def v_time(self):
        """Time of the samples of a window after its start, s."""
        return (np.arange(self.v_periods)[:, None] * self.schedule.period + self.grid).ravel()

    def end_period(self, period, weights):
        """Take what is due after `period` (0-based); return True where a point was added to the curves."""
        done = period + 1
        if self.weights_every and done % self.weights_every == 0:
            self.weights[done // self.weights_every - 1] = weights
        h = int(np.searchsorted(self.ends, done))
        if self.ends[h] != done:
            return False
        found = self.detection(self.ends[h - 1] if h else 0, done)
        self.curves["n_w"][..., h], self.curves["conv"][..., h] = convergence(weights)
        self.curves["hit"][..., h] = found.spikes_per_pattern
        self.curves["miss"][..., h] = found.miss_rate
        self.curves["false_alarm"][..., h] = found.false_alarm / found.n_periods
        self.curves["latency"][..., h] = _mean_latency(found)
        return True

    def latest(self, name):
        """Values (R, M) of the curve `name` at its last point so far; NaN before the first."""
        curve = self.curves[name]
        known = np.flatnonzero(~np.isnan(self.curves["n_w"][0, 0]))
        return curve[..., known[-1] if known.size else 0]

    def state(self):
        """Everything recorded so far, as a dict of arrays."""
        names = ("spike_run", "spike_neuron", "spike_period", "spike_time")
        curves = {f"{name}_history": curve for name, curve in self.curves.items()}
        return dict(zip(names, self.spikes, strict=True)) | curves | {"weights_history": self.weights, "v": self.v}

    def restore(self, state):
        """Put back what :meth:`state` gave, in a record made with the same arguments."""
        self.n_spikes = 0
        run, neuron, period, time = (state[f"spike_{name}"] for name in ("run", "neuron", "period", "time"))
        self._append(run, neuron, period, time)
        for name, curve in self.curves.items():
            curve[...] = state[f"{name}_history"]
        self.weights[...] = state["weights_history"]
        self.v[...] = state["v"]


def _mean_latency(found):
    """Mean over all presentations with a spike, whichever the pattern, (R, M); NaN if there is none."""
    seen = found.n_presentations - found.miss
    total = np.where(seen > 0, found.latency * np.maximum(seen, 1), 0.0)
    total[seen == 0] = 0.0
    n = seen.sum(axis=2)
    return np.where(n > 0, total.sum(axis=2) / np.maximum(n, 1), np.nan)
