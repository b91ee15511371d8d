"""The coincidence experiment step by step: learning, the probe of the learned weights, the Result.

`learn` goes through the periods: input of all runs, all neurons on it, what is recorded. `probe` takes the final
weights and measures the signal-to-noise ratio (measures.probe). `result` names everything; `summarise` picks the few
numbers to print.
"""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ...datasets.patterns import TICK, PatternInput, Patterns, fill_period, frozen_patterns
from ...plasticity.events import LIF, advance, advance_clock, init_state, record
from ...plasticity.rules.own import find_rule, make_rule
from ...plasticity.rules.trace import ACTIONS, RULES
from ...runtime.params import as_dict
from ...runtime.results import Result
from ...theory.stdp_drift import initial_weight
from ..own_spikes import OwnSpikes
from .detection import EDGE, Schedule, convergence, pattern_counts, pattern_weights, weight_histogram
from .own_pattern import add_detectability, own_pattern
from .probe import noise, response
from .recording import CURVES, V_STEP, Recording

__all__ = ["Outcome", "learn", "probe", "result", "summarise"]

MOST_WEIGHTS = 20_000_000  # stored in a result; above, their histogram alone
MOST_PATTERN_SPIKES = 2_000_000
MOST_PERIODS = 20  # of one run in one call of the engine: a few ms, and a call costs 0.05 ms
N_BINS = 20
LEARNING = 0.9  # share of learning in the progress of a run
_log = logging.getLogger("firstspike")


@dataclass
class Outcome:
    """What learning leaves: parameter points (M,), patterns, state of the neurons, everything recorded."""

    theta: np.ndarray
    w_out: np.ndarray
    source: PatternInput
    patterns: Patterns
    state: dict
    recording: Recording


def learn(params, run, theta, w_out) -> Outcome:
    """Simulate all periods of all runs; `theta` and `w_out` (M,) are the parameter points."""
    p = params
    source = PatternInput(p.n_afferents, p.rate, p.n_patterns, p.pattern_duration, p.jitter, p.period)
    period_s = round(p.period / TICK) * TICK  # what the input makes of it
    own = OwnSpikes(p.spikes, p.n_afferents, period_s, p.n_periods) if p.spikes else None
    if p.pattern:
        patterns = own_pattern(p, len(run.seeds))
    else:
        patterns = no_patterns(len(run.seeds), p.n_patterns) if own else frozen_patterns(run.seeds, source)
    lif = LIF(tau_m=p.tau_m, threshold=theta, tau_threshold=p.tau_threshold, d_threshold=p.threshold_jump)
    settings = {"a_plus": p.a_plus, "w_out": w_out, "tau_plus": p.tau_plus}
    rule = make_rule(find_rule(p.rule, RULES, ACTIONS), settings, p.rule_parameters)
    start = initial_weight(theta, p.n_afferents, p.rate, p.tau_m, p.start_distance)
    if start.max() > 1:
        _log.warning("the first weight is %.3g > 1: threshold is too high for this input", start.max())
    shape = (len(run.seeds), theta.size)
    state = init_state(np.broadcast_to(start[None, :, None], (*shape, p.n_afferents)))
    recording = Recording(
        shape,
        p.n_afferents,
        Schedule(period_s, p.pattern_duration, p.jitter, p.n_patterns),
        p.n_periods,
        history_every=p.history_every,
        weights_every=p.weights_every,
        v_periods=0 if p.clock_step else p.v_periods,  # the clock-driven twin does not read V off
        v_step=V_STEP,
    )
    first = _restore(run.restored, state, recording)
    parts = [_Part(a, b, run, source, own or patterns, state) for a, b in _shares(shape[0], run.threads)]
    note = ""
    with ThreadPoolExecutor(len(parts)) as pool:
        spread = pool.map if len(parts) > 1 else map
        # The twin's spikes carry the end of their step: one in the last step of a period would go to the next.
        k, most = first, 1 if p.clock_step else max(MOST_PERIODS // (shape[0] * shape[1]), 1)
        while k < p.n_periods:
            grid = k * period_s + recording.grid if recording.wants_v(k) else None
            n = recording.stretch(k, most)
            steps = list(spread(lambda part, k=k, n=n, grid=grid: part.step(k, n, p, lif, rule, period_s, grid), parts))
            spikes = [np.concatenate(column) for column in zip(*(s for s, _ in steps), strict=True)]
            recording.add_spikes(k, n, *spikes)
            _check_weights(state["weights"], spikes, p.rule, run.seeds, k + n)
            if grid is not None:
                recording.add_v(k, np.concatenate([v for _, v in steps]))
            k += n
            if recording.end_period(k - 1, state["weights"]):
                note = f"{np.nanmean(recording.latest('hit')):.2f} spikes per pattern"
            run.tick(lambda k=k: _snapshot(state, recording, k), LEARNING * k / p.n_periods, note)
    return Outcome(theta, w_out, source, patterns, state, recording)


def _check_weights(weights, spikes, rule, seeds, period):
    """Raise ValueError where a rule has made a weight that is not a number; only neurons that fired are looked at."""
    for r, m in {(int(r), int(m)) for r, m in zip(spikes[0], spikes[1], strict=True)}:
        if not np.isfinite(weights[r, m]).all():
            where = f"seed {seeds[r]}, neuron {m}, by the end of period {period}"
            raise ValueError(f"rule {rule} made weights that are not finite ({where})")


def no_patterns(n_runs, n_patterns):
    """Stands for patterns where the input is the user's own: nobody knows them."""
    empty = np.zeros((n_runs, n_patterns, 0), np.int64)
    return Patterns(empty, empty.astype(np.int32), np.zeros((n_runs, n_patterns), np.int64))


def _snapshot(state, recording, period, **more):
    """All that is needed to go on after `period` periods, as a flat dict of arrays."""
    neurons = {f"neurons.{name}": array for name, array in state.items()}
    recorded = {f"recorded.{name}": array for name, array in recording.state().items()}
    return neurons | recorded | {"period": np.int64(period)} | more


def _restore(snapshot, state, recording):
    """Put a snapshot back into `state` and `recording`; return the number of periods done."""
    if snapshot is None:
        return 0
    for name, array in state.items():
        array[...] = snapshot[f"neurons.{name}"]
    recording.restore({k.removeprefix("recorded."): v for k, v in snapshot.items() if k.startswith("recorded.")})
    return int(snapshot["period"])


def _shares(n_runs, threads):
    """Ranges (first, last) of runs, one a thread; runs are independent, so the cut changes no bit."""
    n = min(n_runs, threads)
    return [(n_runs * i // n, n_runs * (i + 1) // n) for i in range(n)]


class _Part:
    """The runs `first` to `last` - 1, which one thread takes through input and neurons: views of their state."""

    def __init__(self, first, last, run, source, given, state):
        """`given`: the frozen patterns, or the user's own spikes."""
        self.first, self.seeds, self.source = first, run.seeds[first:last], source
        self.own = given if isinstance(given, OwnSpikes) else None
        self.patterns = None if self.own else Patterns(*(a[first:last] for a in given))
        self.state = {name: array[first:last] for name, array in state.items()}
        self.threads = max(run.threads // len(run.seeds), 1)  # left for the neurons where runs are few
        self.chunk = None

    def step(self, k, n, p, lif, rule, period_s, grid):
        """Periods `k` to `k` + `n` - 1: output spikes (run, neuron, time), and V at the times `grid` or None."""
        v, chunk = None, self.chunk
        if self.own:
            chunk = self.own.fill(k, n, len(self.seeds))
        else:
            given = self.seeds, self.source, self.patterns, k
            self.chunk = chunk = fill_period(*given, n_periods=n, fresh_pattern=p.fresh_pattern, out=chunk)
        if p.clock_step:
            spikes = advance_clock(self.state, *chunk, lif, rule, dt=p.clock_step, stop=(k + n) * period_s)
        elif grid is None:
            spikes = advance(self.state, *chunk, lif, rule, threads=self.threads)
        else:
            spikes, v = record(self.state, *chunk, lif, rule, grid=grid, threads=self.threads)
        return (spikes[0] + self.first, *spikes[1:]), v


def probe(params, run, outcome):
    """Signal-to-noise ratio of the final weights: dict of `v_noise_mean`, `v_noise_std` (R, M), `v_max` (R, M, P).

    Empty if ``probe_duration`` is 0, or the input is the user's own. The presentations follow those of learning: other
    periods, other draws.
    """
    p = params
    if not p.probe_duration or p.spikes:
        return {}
    n_runs, n_neurons = outcome.state["weights"].shape[:2]
    found = {name: np.full((n_runs, n_neurons), np.nan) for name in ("v_noise_mean", "v_noise_std")}
    found["v_max"] = np.full((n_runs, n_neurons, p.n_patterns), np.nan)
    first = 0
    if run.restored is not None and "probed" in run.restored:
        first = int(run.restored["probed"])
        found = {name: run.restored[name] for name in found}

    stopping = threading.Event()

    def one(r):
        weights = np.ascontiguousarray(outcome.state["weights"][r].T, np.float32)
        mean, std = noise(weights, p.rate, p.tau_m, p.probe_duration * p.tau_m, run.seeds[r])
        return mean, std, _peaks(params, run.seeds[r], outcome, r, weights, stopping)

    def snapshot(r):
        probed = np.int64(r + 1)
        return _snapshot(outcome.state, outcome.recording, p.n_periods, probed=probed, **found)

    pool = ThreadPoolExecutor(run.threads)
    try:
        for r, job in [(r, pool.submit(one, r)) for r in range(first, n_runs)]:
            values = run.wait(job.result)
            for array, value in zip(found.values(), values, strict=True):
                array[r] = value
            done = LEARNING + (1 - LEARNING) * (r + 1) / n_runs
            run.tick(lambda r=r: snapshot(r), done, "measuring the signal-to-noise ratio")
    finally:
        stopping.set()  # an interrupted run does not wait for the rest
        pool.shutdown(cancel_futures=True)
    return found


def _peaks(params, seed, outcome, r, weights, stopping):
    """Largest value of the mean V over jittered presentations of each pattern, (M, P), in one run.

    When `stopping` is set the rest is left out: nobody will look at it.
    """
    p, schedule = params, outcome.recording.schedule
    grid = np.arange(schedule.block_start, schedule.period - EDGE, V_STEP)
    patterns = Patterns(*(a[r : r + 1] for a in outcome.patterns))
    out = np.empty((weights.shape[1], p.n_patterns))
    first = -(-p.n_periods // p.n_patterns) * p.n_patterns  # shows pattern 0
    for pattern in range(p.n_patterns):
        if stopping.is_set():
            break

        def presentations(pattern=pattern):
            chunk = None
            for n in range(p.probe_presentations + 1):
                k = first + n * p.n_patterns + pattern
                chunk = fill_period((seed,), outcome.source, patterns, k, fresh_pattern=p.fresh_pattern, out=chunk)
                yield k * schedule.period, chunk[0][0], chunk[1][0], chunk[2][0]

        out[:, pattern] = response(weights, presentations(), p.tau_m, grid, schedule.period).max(axis=0)
    return out


def result(params, run, outcome, probed, known) -> Result:
    """All arrays of a run under their names, with dimensions and units; `known` is the theory's dict of numbers."""
    p = params
    r = Result("simulation", parameters=as_dict(params))
    for name, values, text in (
        ("seed", run.seeds, "seed of the run"),
        ("neuron", range(outcome.theta.size), "parameter point"),
        ("pattern", range(p.n_patterns), "pattern"),
    ):
        r.add(name, np.array(values, np.int64), (name,), long_name=text)
    r.add("threshold", outcome.theta, ("neuron",), long_name="threshold, in jumps by a weight of 1")
    r.add("w_out", outcome.w_out, ("neuron",), long_name="loss of each weight at an output spike")
    for name, value in known.items():
        text = f"theory of the ideal detector: {name}"
        r.add(f"theory_{name}", value, units="s" if name == "t_peak" else "1", long_name=text)
    _add_detection(r, outcome.recording.detection(p.n_periods - p.n_recorded, p.n_periods))
    _add_weights(r, p, outcome)
    _add_recording(r, outcome.recording)
    if p.pattern:
        add_detectability(r, p)
    cells = ("seed", "neuron")
    if probed:
        signal = probed["v_max"] - probed["v_noise_mean"][..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            snr = signal / probed["v_noise_std"][..., None]
        r.add("snr_empirical", snr, (*cells, "pattern"), long_name="signal-to-noise ratio of the final weights")
        r.add("v_max", probed["v_max"], (*cells, "pattern"), long_name="peak of the mean response, no threshold")
        r.add("v_noise_mean", probed["v_noise_mean"], cells, long_name="mean potential in noise, no threshold")
        r.add("v_noise_std", probed["v_noise_std"], cells, long_name="its standard deviation")
    return r


def _add_detection(r, found):
    cells = ("seed", "neuron")
    r.add("n_presentations", found.n_presentations, ("pattern",), long_name="presentations in the recorded periods")
    r.add("n_spikes", found.n_spikes, cells, long_name="output spikes in the recorded periods")
    r.add("false_alarm", found.false_alarm, cells, long_name="recorded periods with a spike in the random part")
    r.add("hit", found.hit, (*cells, "pattern"), long_name="output spikes in presentations")
    r.add("miss", found.miss, (*cells, "pattern"), long_name="presentations without output spike")
    r.add("latency", found.latency, (*cells, "pattern"), "s", "mean first spike after the pattern's start; inf if none")
    r.add("selective", found.selective, cells, long_name="1: <= 10 % missed and no false alarm")
    r.add("silent", found.silent, cells, long_name="1: no output spike in the recorded periods")
    r.add("learned", found.learned, (*cells, "pattern"), long_name="1: missed in less than half of its presentations")


def _add_weights(r, p, outcome):
    weights, cells = outcome.state["weights"], ("seed", "neuron")
    edges = np.linspace(0, 1, N_BINS + 1)
    r.add("weight_bin", (edges[1:] + edges[:-1]) / 2, ("weight_bin",), long_name="middle of the bin")
    histogram = weight_histogram(weights, N_BINS)
    r.add("weight_histogram", histogram, (*cells, "weight_bin"), long_name="number of final weights in each bin")
    n_w, conv = convergence(weights)
    r.add("n_w", n_w, cells, long_name="final weights above 1/2")
    r.add("conv", conv, cells, long_name="mean distance of the final weights from 0 or 1")
    if weights.size <= MOST_WEIGHTS:
        r.add("weights", weights.astype(np.float32), (*cells, "afferent"), long_name="final weights")
    ticks, units, counts = outcome.patterns
    run, pattern, k = np.nonzero(np.arange(ticks.shape[2]) < counts[..., None])
    units = units[run, pattern, k]
    per_unit = pattern_counts(run, pattern, units, (*counts.shape, p.n_afferents))
    strong = pattern_weights(weights, per_unit)
    r.add("n_w_pattern", strong, (*cells, "pattern"), long_name="spikes of the pattern through weights above 1/2")
    if units.size <= MOST_PATTERN_SPIKES:
        columns = ("run", run, "index of the seed"), ("pattern", pattern, "pattern"), ("unit", units, "afferent")
        for name, values, text in columns:
            r.add(f"pattern_spike_{name}", values.astype(np.int32), ("pattern_spike",), long_name=text)
        time = ticks[run, pattern, k] * TICK
        r.add("pattern_spike_time", time, ("pattern_spike",), "s", "time from the start of the frozen pattern")


def _add_recording(r, recording):
    texts = {"run": "index of the seed", "neuron": "neuron", "period": "period", "time": "time"}
    for (name, text), values in zip(texts.items(), recording.spikes, strict=True):
        unit = "s" if name == "time" else "1"
        r.add(f"spike_{name}", values, ("spike",), unit, f"output spikes: {text}")
    period = recording.schedule.period
    r.add(
        "history", recording.ends * period, ("history",), "s", "end of the stretch that a learning curve's point covers"
    )
    for name, (unit, text) in CURVES.items():
        r.add(f"{name}_history", recording.curves[name], ("seed", "neuron", "history"), unit, f"over time: {text}")
    if recording.weights.size:
        n = np.arange(1, recording.weights.shape[0] + 1) * recording.weights_every
        r.add("snapshot", n * period, ("snapshot",), "s", "time of the copy of the weights")
        dims = ("snapshot", "seed", "neuron", "afferent")
        r.add("weights_history", recording.weights, dims, long_name="weights over time")
    if recording.v.size:
        r.add("v_start", np.array(recording.windows) * period, ("v_window",), "s", "start of the window")
        r.add("v_time", recording.v_time, ("v_time",), "s", "time after the start of the window")
        r.add(
            "v", recording.v, ("v_window", "seed", "neuron", "v_time"), long_name="potential, in jumps by a weight of 1"
        )


def summarise(r, most) -> dict:
    """Few numbers of a result: of each neuron where there are at most `most`, else of the whole grid."""
    selective = r["selective"].astype(bool)
    n_neurons = selective.shape[1]
    if r.parameters.get("spikes"):  # of the user's own: there is no pattern that one could hit or miss
        names = ("n_spikes", "n_w", "conv")
        return {name: _cells(r[name].astype(float).mean(axis=0), most) for name in names}
    if n_neurons > most:
        share = selective.mean(axis=0)
        near = np.abs(r["n_w"] / r["theory_n_selected"] - 1) < 0.1
        perfect = (near & selective).mean(axis=0)
        return {
            "neurons": n_neurons,
            "selective": share.mean(),
            "neurons_selective_in_most_seeds": int((share > 0.5).sum()),
            "neurons_optimal_in_most_seeds": int((perfect > 0.5).sum()),
        } | _means(r, selective)
    rows = [_neuron(r, m, selective[:, m]) for m in range(n_neurons)]
    if n_neurons == 1:
        return rows[0]
    return {name: {f"neuron{m}": row[name] for m, row in enumerate(rows) if name in row} for name in rows[0]}


def _cells(values, most):
    """A number for each neuron, or the mean over many."""
    if values.size == 1 or values.size > most:
        return float(values.mean())
    return {f"neuron{m}": float(v) for m, v in enumerate(values)}


def _neuron(r, m, selective):
    """Numbers of one neuron over seeds."""
    shown = recorded = float(r["n_presentations"].sum())  # one presentation a period
    use = selective if selective.any() else np.ones_like(selective)
    out = {"selective": selective.mean(), "silent": r["silent"][:, m].mean()}
    out["learned"] = r["learned"][:, m].sum(axis=1).mean()
    out["miss"] = r["miss"][use, m].sum(axis=1).mean() / shown
    out["false_alarm"] = r["false_alarm"][:, m].mean() / recorded
    out["spikes_per_pattern"] = r["hit"][use, m].sum(axis=1).mean() / shown
    latency = r["latency"][use, m]
    out["latency"] = latency[np.isfinite(latency)].mean() if np.isfinite(latency).any() else np.nan
    picked = np.zeros_like(r["selective"], bool)
    picked[use, m] = True
    return out | _means(r, picked)


def _means(r, picked):
    """Means of weights and potentials over the (seed, neuron) cells in `picked`; empty if there is none."""
    if not picked.any():
        return {}
    names = [name for name in ("n_w", "snr_empirical", "v_max", "v_noise_mean", "v_noise_std") if name in r]
    return {name: float(r[name][picked].mean()) for name in names}
