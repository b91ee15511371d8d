"""What a run of pair STDP under random input keeps: rates, weights and their histogram over time, intervals, drift."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ...datasets.poisson import fill_poisson
from ...plasticity.events import lanes
from ...plasticity.events.lif import LIF
from ...plasticity.rules.own import find_rule, make_rule
from ...plasticity.rules.trace import ACTIONS, RULES
from ...runtime.results import Result
from ...runtime.rng import uniforms

__all__ = ["learn"]

BINS = 40
_INPUT = ("rate", "tau_plus", "tau_minus")  # points that agree in these share one call of the engine
_LAST = 20.0  # s, of which the output spikes are stored


class _Task:
    """The points of one seed that share an engine call."""

    def __init__(self, seed, s, index, p, grid, device="cpu"):
        self.seed, self.s, self.index, self.device = seed, s, index, device
        some = {k: v[index] for k, v in grid.items()}
        self.rate = float(some["rate"][0])
        values = {"a_plus": some["a_plus"], "a_minus": some["a_plus"] * some["ratio"]}
        values |= {k: float(some[k][0]) for k in ("tau_plus", "tau_minus")}
        self.rule = make_rule(find_rule(p.rule, RULES, ACTIONS), values, p.rule_parameters)
        self.lif = LIF(p.tau_m, some["threshold"])
        n = p.n_afferents
        if p.start >= 0:
            weights = np.full((index.size, n), p.start)
        else:  # the same first weights for the same neuron of all points
            own = {m: uniforms(seed, f"weights {m}", n) for m in np.unique(some["neuron"])}
            weights = np.stack([own[m] for m in some["neuron"]])
        weights = weights.astype(np.float32 if p.precision == "single" else np.float64)
        if device == "cpu":
            self.state = lanes.init_lanes(weights, self.rule)
        elif lanes.adds_up(self.rule):
            from ...plasticity.events.lanes_cuda import init_lanes_cuda

            self.state = init_lanes_cuda(weights, self.rule)
        else:
            raise ValueError(f"rule {p.rule} runs on the cpu only (output spikes do not add up), got device {device!r}")

    def advance(self, times, units, step, threads):
        """Output spikes of a stretch."""
        if self.device == "cpu":
            return lanes.advance_lanes(self.state, times, units, self.lif, self.rule, step=step, threads=threads)
        from ...plasticity.events.lanes_cuda import advance_lanes_cuda

        return advance_lanes_cuda(self.state, times, units, self.lif, self.rule, step=step, device=self.device)

    def weights(self):
        """Weights of the points, up to date."""
        if self.device == "cpu":
            return lanes.lane_weights(self.state, self.rule)
        from ...plasticity.events.lanes_cuda import lane_weights_cuda

        return lane_weights_cuda(self.state, self.rule)


def learn(p, run, grid):
    """Simulate all points of `grid` for all seeds; return the Result."""
    keys = list(zip(*(grid[k].tolist() for k in _INPUT), strict=True))
    parts = [np.flatnonzero([k == key for k in keys]) for key in dict.fromkeys(keys)]
    tasks = [_Task(seed, s, index, p, grid, run.device) for s, seed in enumerate(run.seeds) for index in parts]
    n_steps = round(p.duration / p.history_every)
    kept = _Kept((len(run.seeds), len(keys)), n_steps, p)
    first = 0
    if run.restored is not None:
        first = int(run.restored["done"])
        kept.restore(run.restored)
        for t, task in enumerate(tasks):
            task.state = {k: run.restored[f"task{t}.{k}"].copy() for k in task.state}
    spread = len(tasks) >= run.threads
    parallel = run.threads if spread and run.device == "cpu" else 1  # one launch at a time
    with ThreadPoolExecutor(parallel) as pool:
        for k in range(first, n_steps):
            inputs = _inputs(tasks, p, k, pool)
            work = [(task, inputs[task.seed, task.rate], p, 1 if spread else run.threads, kept, k) for task in tasks]
            list(pool.map(lambda args: _step(*args), work))
            kept.spikes_in_order()
            run.tick(
                lambda k=k: _snapshot(tasks, kept, k + 1), (k + 1) / n_steps, f"{kept.rate[..., k].mean():.1f} Hz out"
            )
    return _result(p, run, grid, tasks, kept)


def _snapshot(tasks, kept, done):
    states = {f"task{t}.{k}": v for t, task in enumerate(tasks) for k, v in task.state.items()}
    return states | kept.state() | {"done": np.array(done)}


def _inputs(tasks, p, k, pool):
    """Input spikes of a stretch for each (seed, rate): written once, read by all points."""

    def make(key):
        seed, rate = key
        start, stop = k * p.history_every, (k + 1) * p.history_every
        times, units, counts = fill_poisson([seed], p.n_afferents, rate, start, stop, index=k)
        times, units = times[0, : counts[0]], units[0, : counts[0]]
        if p.clock_step:
            steps = np.floor(times / p.clock_step)
            np.clip(steps, round(start / p.clock_step), None, out=steps)  # rounding at the edge
            times = steps * p.clock_step
        return times, units

    keys = list(dict.fromkeys((task.seed, task.rate) for task in tasks))
    return dict(zip(keys, pool.map(make, keys), strict=True))


def _step(task, spikes, p, threads, kept, k):
    neuron, time = task.advance(*spikes, p.clock_step, threads)
    kept.add(k, task.s, task.index, neuron, time, task.weights())


class _Kept:
    """Record of a run of S seeds and P points over H stretches."""

    def __init__(self, shape, n_steps, p):
        self.p, self.shape = p, shape
        self.first = min(int(round(n_steps * (1 - p.analysis))), n_steps - 1)  # stretch that the analysis starts with
        self.rate = np.zeros((*shape, n_steps))
        self.mean = np.zeros((*shape, n_steps))
        self.histogram = np.zeros((*shape, n_steps, BINS), np.int32)
        self.intervals = np.zeros((*shape, 4))  # time of the last spike, number of intervals, their sum and squares
        self.intervals[..., 0] = np.nan
        self.drift = np.zeros((*shape, BINS, 3))  # number, sum of changes, sum of squares, by weight before
        self.before = np.zeros((*shape, p.n_afferents), np.float32)
        self.spikes = np.zeros((0, 3))  # seed, point, s
        self._new: list = []

    def add(self, k, s, index, neuron, time, weights):
        """Take stretch `k` of the points `index` of seed `s`; other points may be taken at the same time."""
        every, m = self.p.history_every, index.size
        self.rate[s, index, k] = np.bincount(neuron, minlength=m) / every
        self.mean[s, index, k] = weights.mean(axis=1, dtype=np.float64)
        now = np.clip((weights * BINS).astype(np.int32), 0, BINS - 1)
        rows = np.arange(m)[:, None] * BINS
        self.histogram[s, index, k] = np.bincount((rows + now).ravel(), minlength=m * BINS).reshape(m, BINS)
        if k > self.first:
            old, change = self.before[s, index], weights - self.before[s, index]
            cells = (rows + np.clip((old * BINS).astype(np.int32), 0, BINS - 1)).ravel()
            for i, what in enumerate((None, change.ravel(), change.ravel() ** 2)):
                self.drift[s, index, :, i] += np.bincount(cells, what, m * BINS).reshape(m, BINS)
        if k >= self.first:
            self.before[s, index] = weights
            self._add_intervals(s, index, neuron, time)
        if (k + 1) * every > self.p.duration - _LAST:
            self._new.append(np.stack([np.full(time.size, float(s)), index[neuron], time], axis=1))

    def _add_intervals(self, s, index, neuron, time):
        order = np.argsort(neuron, kind="stable")
        neuron, time = neuron[order], time[order]
        last = self.intervals[s, index, 0]
        starts = np.searchsorted(neuron, np.arange(index.size))
        gaps = np.diff(time, prepend=np.nan)
        some = starts < np.append(starts[1:], neuron.size)  # neurons with a spike
        gaps[starts[some]] = time[starts[some]] - last[some]
        there = np.isfinite(gaps)
        for i, what in ((1, None), (2, gaps[there]), (3, gaps[there] ** 2)):
            self.intervals[s, index, i] += np.bincount(neuron[there], what, index.size)
        ends = np.append(starts[1:], neuron.size)[some] - 1
        last[some] = time[ends]
        self.intervals[s, index, 0] = last

    def spikes_in_order(self):
        """Put the new output spikes into the list, whatever the order of the tasks was."""
        if self._new:
            new = np.concatenate(self._new)
            self.spikes = np.concatenate([self.spikes, new[np.lexsort((new[:, 2], new[:, 1], new[:, 0]))]])
            self._new = []

    def state(self):
        """All of it, as arrays."""
        names = ("rate", "mean", "histogram", "intervals", "drift", "before", "spikes")
        return {f"kept.{name}": getattr(self, name) for name in names}

    def restore(self, state):
        """Put back what :meth:`state` gave."""
        for name in ("rate", "mean", "histogram", "intervals", "drift", "before", "spikes"):
            setattr(self, name, state[f"kept.{name}"].copy())


def _result(p, run, grid, tasks, kept):
    r, dims = Result(kind="simulation"), ("seed", "point")
    r.add("seed", np.array(run.seeds), ("seed",), "1", "seed of the run")
    for name, values in grid.items():
        unit = {"rate": "Hz", "tau_plus": "s", "tau_minus": "s"}.get(name, "1")
        r.add(name, values, ("point",), unit, f"{name} of a point")
    r.add("history", (np.arange(kept.rate.shape[2]) + 1) * p.history_every, ("history",), "s", "end of a stretch")
    r.add("weight_bin", (np.arange(BINS) + 0.5) / BINS, ("weight_bin",), "1", "middle of a bin of weights")
    r.add("rate_history", kept.rate, (*dims, "history"), "Hz", "output rate in a stretch")
    r.add("mean_weight_history", kept.mean, (*dims, "history"), "1", "mean weight at the end of a stretch")
    r.add("weight_histogram", kept.histogram, (*dims, "history", "weight_bin"), "1", "weights in a bin")
    r.add("rate_out", kept.rate[..., kept.first :].mean(axis=2), dims, "Hz", "output rate in the last part")
    r.add("mean_weight", kept.mean[..., kept.first :].mean(axis=2), dims, "1", "mean weight in the last part")
    share = kept.histogram[..., kept.first :, BINS // 2 :].sum(axis=(2, 3)) / kept.histogram[..., kept.first :, :].sum(
        axis=(2, 3)
    )
    r.add("strong", share, dims, "1", "share of weights above 1/2 in the last part")
    n, total, squares = (kept.intervals[..., i] for i in (1, 2, 3))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / n
        cv = np.sqrt(np.maximum(squares / n - mean**2, 0)) / mean
        number = kept.drift[..., 0]
        drift = kept.drift[..., 1] / number / p.history_every
        spread = (kept.drift[..., 2] / number - (kept.drift[..., 1] / number) ** 2) / p.history_every
    r.add("cv", np.where(n > 1, cv, np.nan), dims, "1", "coefficient of variation of the intervals, last part")
    r.add("drift", drift, (*dims, "weight_bin"), "s-1", "mean change of a weight, last part")
    r.add("diffusion", spread, (*dims, "weight_bin"), "s-1", "variance of the change of a weight, last part")
    weights = np.zeros((*kept.shape, p.n_afferents), np.float32)
    for task in tasks:
        weights[task.s, task.index] = task.weights()
    r.add("weights", weights, (*dims, "afferent"), "1", "weights at the end")
    for i, (name, unit) in enumerate((("spike_seed", "1"), ("spike_point", "1"), ("spike_time", "s"))):
        column = kept.spikes[:, i]
        text = f"output spikes of the last {_LAST:g} s: {name.removeprefix('spike_')}"
        r.add(name, column if name == "spike_time" else column.astype(np.int32), ("spike",), unit, text)
    return r
