"""Result of the founding and the competition experiments: arrays under their names, and the few numbers to print."""

import numpy as np

from ...runtime.params import as_dict
from ...runtime.results import Result
from .detection import convergence
from .replays import N_BINS, V_STEP, patterns_of
from .slots import finding, slot_measures

__all__ = ["MOST_LATENCY", "LEAST_HIT", "add_all", "result", "summarise"]

LEAST_HIT, MOST_LATENCY = 0.98, 10e-3  # of success
_FIRST = 1.0  # s, over which the first output rate is taken
MOST_PATTERN_SEEDS = 8  # of which the frozen patterns are stored


def add_all(r, run, outcome, cells, shape):
    """Add what every experiment on tapes has; `cells`: dimension names of `shape`, the cells of a seed."""
    source, n_runs = outcome.source, len(run.seeds)
    columns, n = outcome.columns(), int(np.prod(shape))
    n_patterns, n_slots = source.n_patterns, source.n_slots
    replays = outcome.conv.shape[2] // -(-n_slots // 20)
    whole = (n_runs, n, n_patterns)
    found = slot_measures(*columns, outcome.shown, source.slot, whole, (replays - 1) * n_slots, replays * n_slots)
    time, discharges = finding(*columns, outcome.shown, source.slot, whole)
    dims, full = ("seed", *cells), (n_runs, *shape)

    def add(name, data, more=(), units="1", text=""):
        data = np.asarray(data)
        r.add(name, data.reshape(*full, *data.shape[2:]), (*dims, *more), units, text)

    r.add("presentations", found.presentations, ("seed", "pattern"), long_name="slots with the pattern, last replay")
    add("hit", found.hit, ("pattern",), text="of these, with an output spike")
    add("latency", found.latency, ("pattern",), "s", "mean first output spike after the start of the slot; inf: none")
    add("false_alarm", found.false_alarm, text="output spikes in other slots, last replay")
    add("n_spikes", found.n_spikes, text="output spikes, last replay")
    add("found_time", time, units="s", text="last output spike in a slot without pattern, whole run")
    add("found_discharges", discharges, text="output spikes until then")
    early = np.bincount((columns[0] * n + columns[1])[columns[2] < _FIRST], minlength=n_runs * n)
    add("rate_first", early.reshape(n_runs, n) / _FIRST, units="Hz", text="output rate in the first second")
    add("rate_last", found.n_spikes / outcome.duration, units="Hz", text="output rate, last replay")
    weights = outcome.state["weights"].reshape(n_runs, n, -1)
    add("conv", convergence(weights)[1], text="mean distance of the final weights from 0 or 1")
    strong = weights > 0.5
    counts = np.einsum("rcn,rpn->rcp", strong.astype(np.int64), outcome.member.astype(np.int64))
    add("n_involved", counts, ("pattern",),
        text="final weights above 1/2 of the pattern's afferents")  # fmt: skip
    add("n_uninvolved", (strong & ~outcome.member.any(axis=1)[:, None]).sum(axis=2), text="of those in no pattern")
    add("weights", weights.astype(np.float32), ("afferent",), text="final weights")
    r.add("history", _ends(outcome, replays), ("history",), "s", "time at the end of each step")
    r.add("weight_bin", (np.arange(N_BINS) + 0.5) / N_BINS, ("weight_bin",), long_name="middle of the bin")
    r.add("side", np.arange(2), ("side",), long_name="0: afferents of a pattern, 1: of none")
    add("weight_histogram_history", outcome.histogram, ("history", "side", "weight_bin"), text="weights over time")
    add("conv_history", outcome.conv, ("history",), text="mean distance of the weights from 0 or 1 over time")
    r.add("shown", outcome.shown, ("seed", "slot"), long_name="pattern of each slot, -1: none")
    r.add("involved", outcome.member, ("seed", "pattern", "afferent"), long_name="1: takes part in the pattern")
    _add_spikes(r, columns, cells, shape)
    _add_potential(r, outcome, cells, shape, replays)
    _add_patterns(r, run, source)
    return found


def _ends(outcome, replays):
    n_slots = outcome.source.n_slots
    ends = np.minimum(20 * np.arange(1, outcome.conv.shape[2] // replays + 1), n_slots) * outcome.source.slot
    return (np.arange(replays)[:, None] * outcome.duration + ends).ravel()


def _add_spikes(r, columns, cells, shape):
    run, cell, time = columns
    r.add("spike_run", run, ("spike",), long_name="output spikes: index of the seed")
    for name, index in zip(cells, np.unravel_index(cell, shape), strict=True):
        r.add(f"spike_{name}", index.astype(np.int32), ("spike",), long_name=f"output spikes: {name}")
    r.add("spike_time", time, ("spike",), "s", "output spikes: time")


def _add_potential(r, outcome, cells, shape, replays):
    v = outcome.v
    if v.size:
        ends = _ends(outcome, replays)
        r.add("v_start", [0.0, ends[-2] if ends.size > 1 else 0.0], ("v_window",), "s", "start of the window")
        r.add("v_time", V_STEP * np.arange(v.shape[2]), ("v_time",), "s", "time after the start of the window")
        text = "potential of the first seed, in peaks of a PSP of weight 1"
        r.add("v", v.reshape(2, *shape, -1).astype(np.float32), ("v_window", *cells, "v_time"), long_name=text)


def _add_patterns(r, run, source):
    rows = [
        (k, p, t, u)
        for k, seed in enumerate(run.seeds[:MOST_PATTERN_SEEDS])
        for p, (times, units) in enumerate(patterns_of(seed, source))
        for t, u in zip(times.tolist(), units.tolist(), strict=True)
    ]
    run_index, pattern, time, unit = zip(*rows, strict=True) if rows else ((), (), (), ())
    dims = ("pattern_spike",)
    for name, values, text in (("run", run_index, "index of the seed"), ("pattern", pattern, "pattern"),
                               ("unit", unit, "afferent")):  # fmt: skip
        r.add(f"pattern_spike_{name}", np.array(values, np.int32), dims, long_name=text)
    r.add(
        "pattern_spike_time", np.array(time, float), dims, "s", "time in the slot in which the pattern was first seen"
    )


def result(params, run, outcome, theta, first) -> Result:
    """Everything of a founding run; `theta` and `first` (M,): thresholds and first weights."""
    r = Result("simulation", parameters=as_dict(params))
    for name, values, text in (("seed", run.seeds, "seed of the run"), ("neuron", range(theta.size), "neuron"),
                               ("pattern", [0], "pattern")):  # fmt: skip
        r.add(name, np.array(values, np.int64), (name,), long_name=text)
    r.add("threshold", theta, ("neuron",), long_name="threshold, in peaks of a PSP of weight 1")
    r.add("start_weight", first, ("neuron",), long_name="first weight of all afferents")
    found = add_all(r, run, outcome, ("neuron",), (theta.size,))
    good = (found.hit_rate[..., 0] > LEAST_HIT) & (found.false_alarm == 0) & (found.latency[..., 0] < MOST_LATENCY)
    r.add("success", good, ("seed", "neuron"), long_name="1: hits > 98 %, no false alarm, latency < 10 ms")
    return r


def summarise(r) -> dict:
    """Few numbers of each neuron."""
    rows = [_neuron(r, m) for m in range(r["success"].shape[1])]
    if len(rows) == 1:
        return rows[0]
    return {name: {f"neuron{m}": row[name] for m, row in enumerate(rows)} for name in rows[0]}


def _neuron(r, m):
    good = r["success"][:, m].astype(bool)
    use = good if good.any() else np.ones_like(good)
    latency = r["latency"][use, m, 0]
    shown = np.maximum(r["presentations"][use, 0], 1)
    names = ("found_time", "found_discharges", "rate_first", "rate_last", "n_uninvolved")
    return {
        "success": good.mean(),
        "hit": (r["hit"][use, m, 0] / shown).mean(),
        "latency": latency[np.isfinite(latency)].mean() if np.isfinite(latency).any() else np.nan,
        "false_alarm": r["false_alarm"][:, m].mean(),
        "n_involved": r["n_involved"][use, m, 0].mean(),
    } | {name: r[name][use, m].mean() for name in names}
