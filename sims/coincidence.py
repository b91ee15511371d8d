"""A neuron watches random spikes in which patterns return, and learns by STDP to detect them.

N Poisson afferents of rate f feed M integrate-and-fire neurons (parameter points; they do not see each other) in each
of R runs (seeds):  tau_m dV/dt = -V + tau_m sum_i w_i sum_k delta(t - t_ik), spike and V <- 0 at V >= theta + Theta(t).
Period after period of length T_p ends with one of P frozen patterns of length L, each spike jittered by U(-T, T).
At an output spike, with a_i the trace of afferent i (+ A_plus at each of its spikes, decay tau_plus):

    additive     w <- min(1, w + a),          then w <- max(0, w - w_out)
    soft_bound   w <- min(1, w + a w (1-w)),  then w <- max(0, w - w_out w (1-w))

The theory of the best detector (`theory.signal_to_noise`) sets the threshold's unit V_max and stands beside what is
measured. Start: w0 = theta / (tau_m N f) / (1 + d0 / sqrt(2 tau_m N f)) for all: theta lies d0 standard deviations
above the mean potential.

References: T. Masquelier (2018) Neuroscience 389:133, doi 10.1016/j.neuroscience.2017.06.032 (one pattern);
T. Masquelier & S. R. Kheradpisheh (2018) Front. Comput. Neurosci. 12:74, doi 10.3389/fncom.2018.00074 (P patterns).
"""

from dataclasses import dataclass, replace

from ..plasticity.rules.own import check_name, rule_file
from ..plasticity.rules.trace import RULES
from ..runtime.params import param

__all__ = ["PRESETS", "Coincidence", "expected", "figure", "memory", "points", "simulate", "summary", "theory"]

TITLE = "Coincidence detection: one spiking neuron learns repeating spike patterns by STDP"
REFERENCES = "doi:10.1016/j.neuroscience.2017.06.032; doi:10.3389/fncom.2018.00074"
#: dimension of the results, its parameters (slowest first) where every combination is there, and what is left of it
POINTS = ("neuron", ("threshold", "w_out"), "neuron")
MOST_NEURONS = 8  # of which a summary speaks one by one
_A, _B = "Masquelier 2018, Neuroscience", "Masquelier & Kheradpisheh 2018"


@dataclass
class Coincidence:
    """Parameters of the experiment. `threshold` and `w_out` hold one value for each neuron, or the axes of a grid."""

    n_afferents: int = param(10_000, "number of afferents N", low=1, source=_A)
    rate: float = param(3.2, "rate of each afferent f", "Hz", above=0, source=_A)
    n_patterns: int = param(1, "number of frozen patterns P, shown in turn", low=1, source=_A)
    pattern_duration: float = param(0.1, "length of a pattern L", "s", above=0, source=_A)
    period: float = param(0.4, "from one presentation to the next T_p", "s", above=0, source=_A)
    jitter: float = param(3.2e-3, "half-width of the jitter of pattern spikes T", "s", low=0, source=_A)
    fresh_pattern: bool = param(False, "control: a new random pattern at each presentation")
    tau_m: float = param(18e-3, "membrane time constant", "s", above=0, source=_A)
    window: float = param(23e-3, "part of a pattern that the theory's detector uses", "s", above=0, source=_A)
    threshold: tuple[float, ...] = param((1.1**-1, 1.1**-5), "threshold(s)", above=0, axis=True, source=_A)
    threshold_in: str = param("v_max", "what threshold counts: theory's peak, or weight 1", choices=("v_max", "weight"))
    threshold_jump: float = param(0.0, "rise of the threshold at an output spike, in thresholds", low=0)
    tau_threshold: float = param(80e-3, "decay of that rise", "s", above=0, source=_B)
    start_distance: float = param(-2.0, "d0: threshold minus mean potential at the start, in its std", source=_A)
    rule: str = param(
        "additive", "learning rule: additive, soft_bound, pair, or your own as FILE.py[:Class]", source=_A
    )
    rule_parameters: str = param("", "further parameters of the rule, as name=number,name=number")
    a_plus: float = param(0.01, "amplitude of the trace A_plus", low=0, source=_A)
    tau_plus: float = param(20e-3, "decay of the trace", "s", above=0, source=_A)
    w_out: tuple[float, ...] = param(
        (1.1, 1.1**-7), "loss of each weight at an output spike", low=0, axis=True, source=_A
    )
    w_out_in: str = param(
        "design",
        "what w_out counts: A_plus exp(-window / tau_plus), A_plus, or weight",
        choices=("design", "a_plus", "weight"),
    )
    layout: str = param("paired", "thresholds and w_outs: one neuron a pair, or a grid", choices=("paired", "grid"))
    spikes: str = param("", "file with spikes of your own (time, unit) in place of the random input", option=True)
    pattern: str = param("", "file with one recorded pattern of your own (time, unit) that returns", option=True)
    n_periods: int = param(600, "periods simulated", low=1, source=_A)
    n_recorded: int = param(100, "last periods, over which the measures are taken", low=1, source=_A)
    history_every: int = param(10, "periods between two points of the learning curves", low=1)
    weights_every: int = param(0, "periods between two stored copies of all weights; 0 = none", low=0)
    v_periods: int = param(1, "consecutive periods of V(t) stored at the start, middle and end; 0 = none", low=0)
    clock_step: float = param(0.0, "0 = exact in continuous time, else step of the clock-driven twin", "s", low=0)
    probe_duration: float = param(2e4, "length of the noise record of the empirical SNR; 0 = no SNR", "tau_m", low=0)
    probe_presentations: int = param(100, "presentations of each pattern for the empirical SNR", low=1)

    def validate(self):
        """Rules across fields; ValueError says which one is broken."""
        room = self.pattern_duration + 2 * self.jitter
        if self.period < room:
            raise ValueError(f"period must be >= pattern_duration + 2 jitter = {room:g} s, got {self.period:g}")
        if self.window > self.pattern_duration:
            raise ValueError(f"window must be <= pattern_duration = {self.pattern_duration:g} s, got {self.window:g}")
        if self.n_recorded > self.n_periods:
            raise ValueError(f"n_recorded must be <= n_periods = {self.n_periods}, got {self.n_recorded}")
        drive = 2 * self.tau_m * self.n_afferents * self.rate
        if 1 + self.start_distance / drive**0.5 <= 0:
            raise ValueError(
                f"start_distance must be > {-(drive**0.5):g} (-sqrt(2 tau_m N f)), got {self.start_distance:g}"
            )
        if self.spikes and (self.fresh_pattern or self.clock_step):
            raise ValueError("spikes from a file go with neither fresh_pattern nor clock_step")
        if self.pattern and (self.spikes or self.fresh_pattern or self.n_patterns != 1):
            raise ValueError("pattern from a file goes with n_patterns = 1, without spikes and fresh_pattern")
        check_name(self.rule, RULES, self.rule_parameters)
        if self.clock_step and abs(self.period / self.clock_step - round(self.period / self.clock_step)) > 1e-6:
            raise ValueError(f"clock_step must divide period = {self.period:g} s, got {self.clock_step:g}")
        if self.layout == "paired" and len({len(self.threshold), len(self.w_out)} - {1}) > 1:
            sizes = f"{len(self.threshold)} and {len(self.w_out)}"
            raise ValueError(f"threshold and w_out must have equally many values to be paired, got {sizes}")


# P: window (s), tau_m (s), threshold (weights), w_out (A_plus), periods; windows and time constants are the optimum,
# thresholds V_max / 1.1, w_out just above the critical A_plus f tau_plus where the additive case gives way to runaway.
_MANY = {
    1: (23e-3, 18e-3, 369.8, 0.066, 3000),
    2: (17e-3, 13e-3, 268.8, 0.066, 6000),
    5: (11e-3, 8.9e-3, 178.0, 0.062, 12000),
    10: (8.1e-3, 6.8e-3, 134.8, 0.065, 12000),
    20: (5.7e-3, 5.6e-3, 106.3, 0.066, 12000),
    40: (3.7e-3, 5.1e-3, 89.85, 0.066, 12000),
}


def _many_patterns(n_patterns):
    window, tau_m, threshold, w_out, n_periods = _MANY[n_patterns]
    return Coincidence(
        n_patterns=n_patterns, window=window, tau_m=tau_m, threshold=(threshold,), threshold_in="weight",
        threshold_jump=1.8, start_distance=-1.0, rule="soft_bound", a_plus=0.1, w_out=(w_out,), w_out_in="a_plus",
        n_periods=n_periods, n_recorded=100 * n_patterns, history_every=100 * n_patterns, v_periods=n_patterns,
    )  # fmt: skip


_GRID = {"threshold": tuple(1.1**k for k in range(-7, 2)), "w_out": tuple(1.1**k for k in range(-10, 7))}
PRESETS = {
    "quick": replace(Coincidence(), threshold=(1.1**-5,), w_out=(1.1**-7,)),  # the one that hardly ever fails
    "masquelier2017": Coincidence(),
    "masquelier2017_grid": replace(Coincidence(), layout="grid", history_every=100, v_periods=0, **_GRID),
    "masquelier2018": _many_patterns(5),
    **{f"masquelier2018_p{p}": _many_patterns(p) for p in _MANY if p != 5},
}

FIGURES = ("s1", "s2", "s3", "s4", "s5")

# Independent event-driven simulations of the same models: (threshold / V_max, w_out / design value) -> 56 seeds, P = 1;
# P -> one to five seeds, soft bound. Two of the points are far from the theory's best detector: there n_w and SNR, too,
# are those of the simulations. Shares of seeds, of presentations, of periods; latency in s.
_REFERENCE_A = {
    (1.1**-1, 1.1): dict(selective=0.59, silent=0.16, spikes_per_pattern=0.996),
    (1.1**-1, 1.1**-7): dict(selective=0.84, silent=0.0, spikes_per_pattern=1.78, n_w=1126, snr_empirical=76.1),
    (1.1**-5, 1.1): dict(selective=0.73, silent=0.27, spikes_per_pattern=1.00, n_w=427, snr_empirical=78.0),
    (1.1**-5, 1.1**-7): dict(selective=0.95, silent=0.0, spikes_per_pattern=1.82),
}
_REFERENCE_B = {
    5: dict(learned=5, miss=0.01, false_alarm=0.0, spikes_per_pattern=0.99, latency=7.9e-3),
    10: dict(learned=10, miss=0.014, false_alarm=0.0),
    20: dict(learned=20, miss=0.019, false_alarm=0.0),
    40: dict(learned=40, miss=0.042, false_alarm=0.044),
}


def theory(params) -> dict[str, float]:
    """The theory's detector for these parameters: n_selected, v_noise_mean, v_noise_std, v_max, snr, ..."""
    from ..theory.signal_to_noise import snr

    p = params
    if p.pattern:  # of this one pattern, not of the mean over random ones
        from .measures.own_pattern import detector

        return detector(p)
    found = snr(p.n_afferents, p.rate, p.window, p.tau_m, p.n_patterns, p.jitter)
    return {name: float(value) for name, value in found._asdict().items()}


def points(params):
    """Threshold and w_out of each neuron, float64 arrays (M,), in weights; a grid runs over w_out fastest."""
    import numpy as np

    p = params
    theta = np.array(p.threshold) * (theory(p)["v_max"] if p.threshold_in == "v_max" else 1.0)
    unit = {"design": p.a_plus * np.exp(-p.window / p.tau_plus), "a_plus": p.a_plus, "weight": 1.0}[p.w_out_in]
    w_out = np.array(p.w_out) * unit
    if p.layout == "grid":
        theta, w_out = np.meshgrid(theta, w_out, indexing="ij")
    theta, w_out = np.broadcast_arrays(theta.ravel(), w_out.ravel())
    return theta.copy(), w_out.copy()


def inputs(params) -> dict:
    """SHA-256 of the user's files that the run depends on, by parameter."""
    from .own_spikes import sha256_of

    files = {"rule": rule_file(params.rule, RULES), "spikes": params.spikes or None, "pattern": params.pattern or None}
    return {name: sha256_of(file) for name, file in files.items() if file is not None}


def memory(params, n_seeds) -> int:
    """Bytes that a run needs, roughly: weights, their copies, and recorded potentials."""
    from .measures.recording import V_STEP

    p = params
    n_neurons = len(p.threshold) * len(p.w_out) if p.layout == "grid" else max(len(p.threshold), len(p.w_out))
    cells = n_seeds * n_neurons
    copies = p.n_periods // p.weights_every if p.weights_every else 0
    samples = 3 * p.v_periods * p.period / V_STEP
    return int(cells * (p.n_afferents * (8 + 4 + 4 * copies) + 4 * samples) + 8 * n_seeds * p.n_afferents)


def simulate(params, run):
    """Run the experiment for all seeds of `run`; see the head of this file. Returns a Result."""
    from .measures.coincidence import learn, probe, result

    outcome = learn(params, run, *points(params))
    return result(params, run, outcome, probe(params, run, outcome), theory(params))


def expected(params) -> dict[str, float]:
    """Theory of the ideal detector, and what an independent simulation found where it was run with these parameters."""
    if params.spikes:  # nobody knows what the user's spikes hold
        return {}
    known, (theta, w_out) = theory(params), points(params)
    ideal = {"n_w": known["n_selected"], "snr_empirical": known["snr"]}
    ideal |= {name: known[name] for name in ("v_max", "v_noise_mean", "v_noise_std")}
    if theta.size > MOST_NEURONS:
        return {}  # the summary of a grid averages over points that the theory does not speak of
    out = {}
    for m in range(theta.size):
        suffix = f".neuron{m}" if theta.size > 1 else ""
        out |= {name + suffix: value for name, value in (ideal | _reference(params, theta[m], w_out[m])).items()}
    return out


def _reference(params, theta, w_out):
    from math import exp, isclose

    changed = (
        "threshold",
        "w_out",
        "threshold_in",
        "w_out_in",
        "layout",
        "history_every",
        "weights_every",
        "v_periods",
    )
    changed += ("probe_duration", "probe_presentations")
    for name, preset in PRESETS.items():
        same = all(v == getattr(preset, k) for k, v in vars(params).items() if k not in changed)
        if same and name.startswith("masquelier2018") and isclose(theta, preset.threshold[0], rel_tol=1e-6):
            return _REFERENCE_B.get(params.n_patterns, {}) if isclose(w_out, preset.w_out[0] * preset.a_plus) else {}
        if same and name == "masquelier2017":
            unit = theory(params)["v_max"], params.a_plus * exp(-params.window / params.tau_plus)
            for point, found in _REFERENCE_A.items():
                if isclose(theta, point[0] * unit[0], rel_tol=1e-6) and isclose(
                    w_out, point[1] * unit[1], rel_tol=1e-6
                ):
                    return found
    return {}


def summary(result) -> dict:
    """Measured numbers of each neuron: `false_alarm` and `learned` over all seeds, others over the selective ones.

    (Over all seeds where none is selective.)
    """
    from .measures.coincidence import summarise

    names = ("best_snr", "best_window", "best_tau_m")  # of a pattern of the user's own
    return summarise(result, MOST_NEURONS) | {name: float(result[name]) for name in names if name in result}


def figure(result, name=None):
    """Figure `name` of FIGURES (default: the one that suits the result), a matplotlib Figure."""
    from .figures import coincidence as figures
    from .figures.capacity import against_w_out
    from .figures.own_pattern import own_pattern

    if name is None:
        name = "s5" if result.parameters.get("pattern") else None
    if name is None:
        name = "s2" if result.parameters["layout"] == "grid" else "s1" if result.parameters["n_patterns"] == 1 else "s3"
    if name not in FIGURES:
        raise ValueError(f"name must be one of {', '.join(FIGURES)}; got {name!r}")
    return {
        "s1": figures.learning,
        "s2": figures.maps,
        "s3": figures.many_patterns,
        "s4": against_w_out,
        "s5": own_pattern,
    }[name](result)
