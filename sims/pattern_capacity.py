"""How many patterns can one neuron learn? The coincidence experiment over P, with threshold and w_out from theory.

For each number of patterns P the time constant is the best one (`theory.design`), the threshold V_max / margin, and
w_out a multiple of the critical value A_plus f tau_plus, below which spikes in noise strengthen every weight. All
margins and multiples are neurons that see the same input; seeds are runs. Soft-bound rule and adaptive threshold as
in sims/coincidence.py. Of each neuron, over the last presentations of every pattern:

    learned      patterns missed in less than half of their presentations          0 .. P
    miss         share of all presentations without output spike
    false_alarm  share of periods with an output spike in the random part
    n_w / M - 1  weights above 1/2 against the ideal detector's number

The best point of a P is the one with the largest mean over seeds of learned / P - miss - false_alarm. A neuron that
keeps one of several patterns is local code, one that keeps all is distributed code; with few patterns a run may end in
either: `learned` of every seed is in the result.

Reference: T. Masquelier & S. R. Kheradpisheh (2018) Front. Comput. Neurosci. 12:74, doi 10.3389/fncom.2018.00074.
"""

from dataclasses import dataclass, replace

from ..runtime.params import param

__all__ = ["PRESETS", "PatternCapacity", "expected", "figure", "memory", "simulate", "summary"]

TITLE = "Pattern capacity: how many spike patterns one neuron learns by STDP"
REFERENCES = "doi:10.3389/fncom.2018.00074"
_PAPER = "Masquelier & Kheradpisheh 2018"
MEASURES = {
    "learned": "patterns missed in less than half of their presentations",
    "miss": "share of presentations without output spike",
    "false_alarm": "share of the recorded periods with an output spike in the random part",
    "n_w": "final weights above 1/2",
    "latency": "mean first output spike after the start of a pattern; NaN if none",
    "snr": "empirical signal-to-noise ratio of the final weights, mean over learned patterns; NaN if none",
}


@dataclass
class PatternCapacity:
    """Parameters of the experiment; `n_patterns`, `margin` and `w_out` are its axes."""

    n_patterns: tuple[int, ...] = param((1, 2, 5, 10, 20, 40), "numbers of patterns P", low=1, axis=True, source=_PAPER)
    margin: tuple[float, ...] = param((1.1,), "theory's peak over the threshold", above=0, axis=True)
    w_out: tuple[float, ...] = param(
        (0.97, 1.0, 1.03, 1.06, 1.1), "w_out, in critical values A_plus rate tau_plus", low=0, axis=True
    )
    n_afferents: int = param(10_000, "number of afferents N", low=1, source=_PAPER)
    rate: float = param(3.2, "rate of each afferent f", "Hz", above=0, source=_PAPER)
    pattern_duration: float = param(0.1, "length of a pattern L", "s", above=0, source=_PAPER)
    period: float = param(0.4, "from one presentation to the next", "s", above=0, source=_PAPER)
    jitter: float = param(3.2e-3, "half-width of the jitter of pattern spikes", "s", above=0, source=_PAPER)
    rule: str = param("soft_bound", "learning rule", choices=("additive", "soft_bound"), source=_PAPER)
    a_plus: float = param(0.1, "amplitude of the trace", above=0, source=_PAPER)
    tau_plus: float = param(20e-3, "decay of the trace", "s", above=0, source=_PAPER)
    threshold_jump: float = param(1.8, "rise of the threshold at an output spike, in thresholds", low=0, source=_PAPER)
    tau_threshold: float = param(80e-3, "decay of that rise", "s", above=0, source=_PAPER)
    start_distance: float = param(-1.0, "threshold minus mean potential at the start, in its std", source=_PAPER)
    n_periods: int = param(12_000, "periods simulated", low=1, source=_PAPER)
    n_shown: int = param(100, "last presentations of each pattern, over which is measured", low=1, source=_PAPER)
    probe_duration: float = param(5e3, "length of the noise record of the empirical SNR; 0 = no SNR", "tau_m", low=0)
    probe_presentations: int = param(40, "presentations of each pattern for the empirical SNR", low=1)

    def validate(self):
        """There must be enough periods, and what the coincidence experiment asks for holds."""
        most = max(self.n_patterns) * self.n_shown
        if most > self.n_periods:
            raise ValueError(f"n_periods must be >= n_shown * n_patterns = {most}, got {self.n_periods}")


PRESETS = {
    "masquelier2018": PatternCapacity(),
    "quick": replace(PatternCapacity(), n_patterns=(2, 5), w_out=(1.0, 1.03), n_periods=4000),
    "search": replace(PatternCapacity(), margin=tuple(1.1 * 1.025**k for k in (-2, -1, 0, 1, 2))),
}
FIGURES = ("s4",)

# Independent event-driven simulations, one to five seeds, thresholds of V_max / 1.1 and w_out near the critical value.
_REFERENCE = {
    5: dict(learned=5, miss=0.01, false_alarm=0.0, n_w_error=-0.06),
    10: dict(learned=10, miss=0.014, false_alarm=0.0, n_w_error=-0.065),
    20: dict(learned=20, miss=0.019, false_alarm=0.0, n_w_error=-0.047),
    40: dict(learned=40, miss=0.042, false_alarm=0.044, n_w_error=0.08),
}


def designs(params):
    """`theory.design` of each P, at the first margin; arrays (P,)."""
    import numpy as np

    from ..theory.pattern_design import design

    p = params
    return design(
        p.n_afferents, p.rate, np.array(p.n_patterns), p.jitter, p.pattern_duration,
        margin=p.margin[0], d0=p.start_distance, a_plus=p.a_plus, tau_plus=p.tau_plus,
    )  # fmt: skip


def experiment(params, n_patterns):
    """The coincidence experiment of one P: all margins and values of w_out as a grid of neurons."""
    from .coincidence import Coincidence

    p, d = params, designs(replace(params, n_patterns=(n_patterns,)))
    shared = ("n_afferents", "rate", "pattern_duration", "period", "jitter", "rule", "a_plus", "tau_plus")
    shared += ("threshold_jump", "tau_threshold", "start_distance", "n_periods", "probe_duration")
    critical = float(d.w_out_critical[0])
    made = Coincidence(
        **{name: getattr(p, name) for name in shared}, n_patterns=n_patterns, probe_presentations=p.probe_presentations,
        window=float(d.window[0]), tau_m=float(d.tau_m[0]), threshold=tuple(1 / m for m in p.margin),
        w_out=tuple(critical * w for w in p.w_out), w_out_in="weight", layout="grid", v_periods=0,
        n_recorded=p.n_shown * n_patterns, history_every=p.n_periods,
    )  # fmt: skip
    made.validate()
    return made


def memory(params, n_seeds) -> int:
    """Bytes that a run needs, roughly."""
    from .coincidence import memory as of_one

    return max(of_one(experiment(params, p), n_seeds) for p in params.n_patterns)


class _Stage:
    """The run as the experiment of one P sees it: its own progress and state, what was found so far beside it."""

    def __init__(self, run, index, total, name, found):
        self.run, self.index, self.total, self.name, self.found = run, index, total, name, found
        self.seeds, self.threads, self.wait = run.seeds, run.threads, run.wait
        kept = run.restored
        self.restored = kept if kept is not None and int(kept["stage"]) == index and "period" in kept else None

    def state(self):
        """What was found by the stages before."""
        import numpy as np

        return {f"found.{name}": array for name, array in self.found.items()} | {"stage": np.int64(self.index)}

    def tick(self, snapshot, done, note=""):
        note = f"{self.name} patterns" + (f": {note}" if note else "")
        self.run.tick(lambda: snapshot() | self.state(), (self.index + done) / self.total, note)


def simulate(params, run):
    """Run the experiment for all P and all seeds of `run`; see the head of this file. Returns a Result."""
    import numpy as np

    from .coincidence import points
    from .measures.coincidence import learn, probe

    p = params
    shape = (len(run.seeds), len(p.n_patterns), len(p.margin), len(p.w_out))
    found = {name: np.full(shape, np.nan) for name in MEASURES}
    found["learned_pattern"] = np.zeros((*shape, max(p.n_patterns)), np.uint8)
    first = 0
    if run.restored is not None:
        first = int(run.restored["stage"])
        found = {name: run.restored[f"found.{name}"].copy() for name in found}
    for k in range(first, len(p.n_patterns)):
        n = p.n_patterns[k]
        one, stage = experiment(p, n), _Stage(run, k, len(p.n_patterns), n, found)
        outcome = learn(one, stage, *points(one))
        _keep(found, k, one, outcome, probe(one, stage, outcome), shape)
        after = _Stage(run, k + 1, len(p.n_patterns), n, found)
        run.tick(after.state, (k + 1) / len(p.n_patterns), f"{n} patterns done")
    return _result(p, run, found)


def _keep(found, k, one, outcome, probed, shape):
    """Put the measures of the experiment of one P, number `k`, into `found`."""
    import numpy as np

    from .measures.detection import convergence

    seen = outcome.recording.detection(one.n_periods - one.n_recorded, one.n_periods)
    cells = (shape[0], *shape[2:])
    learned = seen.learned
    shown = seen.n_presentations - seen.miss
    total = np.where(shown > 0, seen.latency, 0.0) * shown
    with np.errstate(invalid="ignore", divide="ignore"):
        latency = total.sum(axis=2) / shown.sum(axis=2)
        values = {
            "learned": learned.sum(axis=2),
            "miss": seen.miss_rate,
            "false_alarm": seen.false_alarm / seen.n_periods,
            "n_w": convergence(outcome.state["weights"])[0],
            "latency": latency,
        }
        if probed:
            ratio = (probed["v_max"] - probed["v_noise_mean"][..., None]) / probed["v_noise_std"][..., None]
            values["snr"] = np.where(learned, ratio, 0.0).sum(axis=2) / learned.sum(axis=2)
    for name, value in values.items():
        found[name][:, k] = value.reshape(cells)
    found["learned_pattern"][:, k, ..., : one.n_patterns] = learned.reshape(*cells, one.n_patterns)


def _result(p, run, found):
    import numpy as np

    from ..runtime.params import as_dict
    from ..runtime.results import Result

    r, d = Result("simulation", parameters=as_dict(p)), designs(p)
    axes = ("n_patterns", p.n_patterns, "number of patterns"), ("margin", p.margin, "theory's peak over the threshold")
    axes += (("w_out", p.w_out, "w_out in critical values A_plus rate tau_plus"),)
    r.add("seed", np.array(run.seeds, np.int64), ("seed",), long_name="seed of the run")
    for name, values, text in axes:
        r.add(name, np.array(values), (name,), long_name=text)
    dims = ("seed", "n_patterns", "margin", "w_out")
    for name, text in MEASURES.items():
        r.add(name, found[name], dims, "s" if name == "latency" else "1", text)
    shown = found["learned_pattern"]
    r.add("learned_pattern", shown, (*dims, "pattern"), long_name="1: pattern learned; 0 also beyond the last pattern")
    for name in ("n_selected", "v_max", "snr", "w_out_critical", "w_out_keep", "window", "tau_m"):
        unit = "s" if name in ("window", "tau_m") else "1"
        r.add(f"theory_{name}", getattr(d, name), ("n_patterns",), unit, f"theory of the ideal detector: {name}")
    score = found["learned"] / np.array(p.n_patterns)[:, None, None] - found["miss"] - found["false_alarm"]
    best = score.mean(axis=0).reshape(len(p.n_patterns), -1).argmax(axis=1)
    for name, index in zip(("margin", "w_out"), np.unravel_index(best, score.shape[2:]), strict=True):
        r.add(f"best_{name}", index, ("n_patterns",), long_name=f"index of the best {name} of this number of patterns")
    return r


def at_best(result, name):
    """Measure `name` at each P's best point, (seed, P)."""
    import numpy as np

    k = np.arange(result["n_patterns"].size)
    return result[name][:, k, result["best_margin"], result["best_w_out"]]


def table(result):
    """One row a P, as in the paper: list of dicts with threshold, w_out (in A_plus), and means over seeds."""
    import numpy as np

    p, rows = result.parameters, []
    for k, n in enumerate(result["n_patterns"]):
        values = {name: at_best(result, name)[:, k].astype(float) for name in MEASURES}
        mean = {name: float(np.nanmean(v)) if np.isfinite(v).any() else np.nan for name, v in values.items()}
        error = mean.pop("n_w") / float(result["theory_n_selected"][k]) - 1
        threshold = float(result["theory_v_max"][k] / result["margin"][result["best_margin"][k]])
        w_out = float(result["theory_w_out_critical"][k] * result["w_out"][result["best_w_out"][k]] / p["a_plus"])
        rows.append({"n_patterns": int(n), "threshold": threshold, "w_out": w_out} | mean | {"n_w_error": error})
    return rows


def expected(params) -> dict[str, float]:
    """What theory says of the ideal detector, and independent simulations of the published model."""
    d, out = designs(params), {}
    published = {f: v for f, v in vars(PRESETS["masquelier2018"]).items() if f not in ("n_patterns", "w_out", "margin")}
    same = all(getattr(params, name) == value for name, value in published.items() if not name.startswith("probe"))
    for k, n in enumerate(params.n_patterns):
        known = {"snr": float(d.snr[k])} | (_REFERENCE.get(n, {}) if same else {})
        out |= {f"{name}.p{n}": value for name, value in known.items()}
    return out


def summary(result) -> dict:
    """The table of the best points: threshold, w_out in A_plus, and means over seeds, for each P."""
    rows = table(result)
    return {name: {f"p{row['n_patterns']}": row[name] for row in rows} for name in rows[0] if name != "n_patterns"}


def figure(result, name=None):
    """Figure s4: measures over P at the best points, and over w_out for every P."""
    from .figures.capacity import capacity

    if name not in (None, *FIGURES):
        raise ValueError(f"name must be one of {', '.join(FIGURES)}; got {name!r}")
    return capacity(result, at_best)
