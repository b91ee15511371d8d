"""Result of the competition experiment: what each neuron learnt, and counts over seeds.

A neuron *has* a pattern if it fires in at least 95 % of its presentations (last replay). Of those that have one:
`latency_spread` is the largest difference of latency within a pattern, `successive` the number of its neurons that are
told apart by 4 ms or more (counted from the earliest, each against the last one counted).
"""

import numpy as np

from ...runtime.params import as_dict
from ...runtime.results import Result
from .founding import add_all

__all__ = ["APART", "HAS", "result", "successive", "summarise"]

HAS, APART = 0.95, 4e-3


def successive(latencies, apart=APART):
    """How many of `latencies` (s) are `apart` or more from the last one counted, from the earliest on.

    Examples
    --------
    >>> successive([7e-3, 25e-3, 8e-3])
    2
    """
    last, n = -np.inf, 0
    for t in sorted(latencies):
        if t - last >= apart:
            last, n = t, n + 1
    return n


def result(params, run, outcome) -> Result:
    """Everything of a competition run."""
    p = params
    r = Result("simulation", parameters=as_dict(p))
    for name, values, text in (("seed", run.seeds, "seed of the run"), ("neuron", range(p.n_neurons), "neuron"),
                               ("pattern", range(p.n_patterns), "pattern")):  # fmt: skip
        r.add(name, np.array(values, np.int64), (name,), long_name=text)
    r.add("inhibition", np.array(p.inhibition), ("inhibition",), long_name="peak of an IPSP, in thresholds")
    shape = (len(p.inhibition), p.n_neurons)
    found = add_all(r, run, outcome, ("inhibition", "neuron"), shape)
    rate = found.hit_rate.reshape(len(run.seeds), *shape, p.n_patterns)
    has = rate >= HAS
    dims = ("seed", "inhibition", "neuron", "pattern")
    r.add("hit_rate", rate, dims, long_name="share of presentations with an output spike, last replay")
    r.add("has_pattern", has, dims, long_name="1: fires in at least 95 % of the presentations")
    latency = r["latency"]
    spread, count = np.zeros((*has.shape[:2], p.n_patterns)), np.zeros((*has.shape[:2], p.n_patterns), np.int64)
    for at in np.ndindex(spread.shape):
        mine = latency[at[0], at[1], :, at[2]][has[at[0], at[1], :, at[2]]]
        spread[at] = np.ptp(mine) if mine.size else np.nan
        count[at] = successive(mine)
    cells = ("seed", "inhibition", "pattern")
    r.add("latency_spread", spread, cells, "s", "largest difference of latency between neurons that have the pattern")
    r.add("successive", count, cells, long_name="neurons that have it with latencies at least 4 ms apart")
    return r


def summarise(r) -> dict:
    """Means over seeds for each inhibition; of hits, latencies and spreads also over patterns."""
    rows = {}
    for b, beta in enumerate(r["inhibition"]):
        has, latency = r["has_pattern"][:, b].astype(bool), r["latency"][:, b]
        spread = r["latency_spread"][:, b]
        rows[f"inhibition{beta:g}"] = {
            "neurons_with_pattern": has.any(axis=-1).sum(axis=1).mean(),
            "patterns_with_neuron": has.any(axis=1).sum(axis=-1).mean(),
            "successive": r["successive"][:, b].mean(),
            "hits": r["hit_rate"][:, b].sum(axis=1).mean(),
            "latency": latency[has].mean() if has.any() else np.nan,
            "latency_spread": np.nanmean(spread) if np.isfinite(spread).any() else np.nan,
            "false_alarm": r["false_alarm"][:, b].sum(axis=-1).mean(),
            "seeds_with_two_apart": (r["successive"][:, b].max(axis=-1) >= 2).mean(),
        }
    if len(rows) == 1:
        return next(iter(rows.values()))
    return {name: {k: row[name] for k, row in rows.items()} for name in next(iter(rows.values()))}
