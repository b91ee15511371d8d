"""The classic balance of pair STDP under random input: weights compete, and the output rate regulates itself.

N Poisson afferents of one rate f drive integrate-and-fire neurons, tau_m dV/dt = -V + tau_m sum w_i delta(t - t_i),
spike and V <- 0 at V >= theta. Weights in [0, 1] change by a trace rule; for the pair rule, with exponential traces,

    output spike   w <- min(1, w + a_plus x)        input spike   w <- max(0, w - a_minus y),   a_minus = ratio a_plus

With ratio tau_minus / tau_plus a little above 1, pairs by chance weaken all weights in proportion to the output rate,
and an input spike that makes an output spike strengthens its own: the weights split into strong and weak ones, and the
rate settles, hardly depending on that of the input. Rates, time constants, amplitudes, thresholds and neurons (which
start with other weights) are axes of one run on shared input; the drift theory (`theory.stdp_balance`) stands beside
what is measured.

References: S. Song, K. D. Miller & L. F. Abbott (2000), Nat. Neurosci. 3:919, doi 10.1038/78829; J. Rubin, D. D. Lee
& H. Sompolinsky (2001), Phys. Rev. Lett. 86:364, doi 10.1103/PhysRevLett.86.364.
"""

from dataclasses import dataclass, replace

from ..plasticity.rules.own import check_name, rule_file
from ..plasticity.rules.trace import RULES
from ..runtime.params import param

__all__ = ["PRESETS", "PoissonSTDP", "expected", "figure", "memory", "simulate", "summary"]

TITLE = "Pair STDP under Poisson input: competition of weights and the balance of the output rate"
REFERENCES = "doi:10.1038/78829; doi:10.1103/PhysRevLett.86.364"
FIGURES = ("s1", "s2")
DEVICES = ("cpu", "cuda")  # cuda: rules whose output spikes add up; equal to the cpu's within rounding
#: dimension of the results, its parameters (slowest first), and what is left of it: neurons
POINTS = ("point", ("rate", "tau_plus", "tau_minus", "threshold", "a_plus", "ratio"), "neuron")
MOST = 8  # groups of points of which a summary speaks one by one
BINS = 40
_SONG = "Song, Miller & Abbott 2000"


@dataclass
class PoissonSTDP:
    """Parameters; tuples are axes of the run."""

    n_afferents: int = param(1000, "number of afferents N", low=1, source=_SONG)
    rate: tuple[float, ...] = param(
        (10.0, 20.0, 40.0), "rate(s) of each afferent f", "Hz", above=0, axis=True, source=_SONG
    )
    tau_m: float = param(20e-3, "membrane time constant", "s", above=0, source=_SONG)
    threshold: tuple[float, ...] = param((70.0,), "threshold(s)", above=0, axis=True)
    threshold_in: str = param(
        "weight", "what threshold counts: weight 1, or std above the mean potential at the start",
        choices=("weight", "std"),
    )  # fmt: skip
    rule: str = param("pair", "learning rule: pair, additive, soft_bound, or your own as FILE.py[:Class]", source=_SONG)
    rule_parameters: str = param("", "further parameters of the rule, as name=number,name=number")
    a_plus: tuple[float, ...] = param((0.005,), "amplitude(s) of potentiation", low=0, axis=True, source=_SONG)
    ratio: tuple[float, ...] = param((1.05,), "a_minus / a_plus", low=0, axis=True, source=_SONG)
    tau_plus: tuple[float, ...] = param(
        (20e-3,), "time constant(s) of potentiation", "s", above=0, axis=True, source=_SONG
    )
    tau_minus: tuple[float, ...] = param(
        (20e-3,), "time constant(s) of depression", "s", above=0, axis=True, source=_SONG
    )
    n_neurons: int = param(4, "neurons on the same input, with other first weights", low=1)
    start: float = param(-1.0, "first weight of all; -1 = uniform in 0..1", high=1)
    duration: float = param(1000.0, "simulated time", "s", above=0)
    history_every: float = param(5.0, "between two points of the curves", "s", above=0, high=49)
    analysis: float = param(0.3, "last part of the run, over which the measures are taken", low=0, high=1)
    clock_step: float = param(1e-4, "step of the clock; 0 = exact in continuous time", "s", low=0)
    precision: str = param("single", "numbers of lanes", choices=("single", "double"))

    def validate(self):
        """Rules across fields; ValueError says which one is broken."""
        check_name(self.rule, RULES, self.rule_parameters)
        for name in ("rate", "threshold", "a_plus", "ratio", "tau_plus", "tau_minus"):
            if not getattr(self, name) or len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"{name} must hold one or more different values, got {getattr(self, name)}")
        if not (self.start == -1 or self.start >= 0):
            raise ValueError(f"start must be -1 or in 0..1, got {self.start:g}")
        for name, of in (("duration", "history_every"), ("history_every", "clock_step")):
            whole = getattr(self, name) / getattr(self, of) if getattr(self, of) else 1
            if round(whole) < 1 or abs(whole - round(whole)) > 1e-6 * whole:
                raise ValueError(f"{name} must be a whole number of {of} = {getattr(self, of):g} s")


_BASE = PoissonSTDP()
PRESETS = {
    "quick": replace(_BASE, rate=(20.0,), a_plus=(0.02,), duration=200.0, history_every=2.0),
    "song2000": _BASE,
    "song2000_ratio": replace(_BASE, rate=(20.0,), ratio=(1.01, 1.02, 1.05, 1.1, 1.2)),
    "w1": replace(
        _BASE, n_afferents=10_000, rate=(3.2,), tau_m=10e-3, threshold=(2.5,), threshold_in="std", a_plus=(1e-3,),
        n_neurons=1, duration=100.0, history_every=1.0,
    ),
}  # fmt: skip


def inputs(params) -> dict:
    """SHA-256 of the user's rule file."""
    from .own_spikes import sha256_of

    file = rule_file(params.rule, RULES)
    return {} if file is None else {"rule": sha256_of(file)}


def _n_points(p):
    n = p.n_neurons
    for axis in (p.rate, p.threshold, p.a_plus, p.ratio, p.tau_plus, p.tau_minus):
        n *= len(axis)
    return n


def memory(params, n_seeds) -> int:
    """Bytes that a run needs, roughly."""
    p = params
    history = round(p.duration / p.history_every)
    return int(n_seeds * _n_points(p) * (p.n_afferents * 28 + history * (BINS * 4 + 24)))


def points(params) -> dict:
    """Parameters of each point (neuron), arrays; neurons run fastest, then ratio, a_plus, threshold, ..."""
    import numpy as np

    p = params
    axes = {"rate": p.rate, "tau_plus": p.tau_plus, "tau_minus": p.tau_minus, "threshold": p.threshold}
    axes |= {"a_plus": p.a_plus, "ratio": p.ratio, "neuron": np.arange(p.n_neurons)}
    grid = np.meshgrid(*map(np.asarray, axes.values()), indexing="ij")
    out = {name: values.reshape(-1) for name, values in zip(axes, grid, strict=True)}
    if p.threshold_in == "std":
        mean, square = (p.start, p.start**2) if p.start >= 0 else (1 / 2, 1 / 3)
        drive = p.n_afferents * out["rate"] * p.tau_m
        out["threshold"] = drive * mean + out["threshold"] * np.sqrt(drive * square / 2)
    return out


def simulate(params, run):
    """Run the experiment for all seeds of `run`; see the head of this file. Returns a Result."""
    from .measures.balance import learn

    return learn(params, run, points(params))


def theory(params, point):
    """The stationary state that theory predicts for a point (dict of numbers); None where it has no answer."""
    from ..theory.stdp_balance import pair_balance

    p = params
    if p.rule != "pair" or p.rule_parameters or not 0 < point["a_plus"] or point["ratio"] <= 0:
        return None
    if point["ratio"] * point["tau_minus"] <= point["tau_plus"]:  # nothing holds the rate
        return None
    amplitudes = point["a_plus"], point["a_plus"] * point["ratio"], point["tau_plus"], point["tau_minus"]
    return pair_balance(p.n_afferents, point["rate"], p.tau_m, point["threshold"], *amplitudes)


def groups(parameters, points):
    """[(name, indices)] of points that differ in the neuron only; the name tells the values of the axes."""
    import numpy as np

    axes = [a for a in ("rate", "tau_plus", "tau_minus", "threshold", "a_plus", "ratio") if len(parameters[a]) > 1]
    keys = [tuple(float(points[a][i]) for a in axes) for i in range(len(points["neuron"]))]
    found = dict.fromkeys(keys)
    return [
        (
            " ".join(f"{a}={v:.4g}" for a, v in zip(axes, key, strict=True)),
            np.array([i for i, other in enumerate(keys) if other == key]),
        )
        for key in found
    ]


def expected(params) -> dict[str, float]:
    """The stationary state of the theory, for each group of neurons."""
    from ..runtime.params import as_dict

    grid, out = points(params), {}
    named = groups(as_dict(params), grid)
    for name, index in named if len(named) <= MOST else ():
        found = theory(params, {k: float(v[index[0]]) for k, v in grid.items()})
        if found is not None:
            strong = found.density[found.weight >= 0.5].sum() / found.density.sum()
            values = {"rate_out": found.rate_out, "mean_weight": found.mean_weight, "strong": strong}
            out |= {k + (f".{name}" if name else ""): float(v) for k, v in values.items()}
    return out


def summary(result) -> dict:
    """Output rate (Hz), mean weight, share above 1/2, coefficient of variation; means over seeds and neurons."""
    import numpy as np

    grid = {k: result[k] for k in ("rate", "tau_plus", "tau_minus", "threshold", "a_plus", "ratio", "neuron")}
    named = groups(result.parameters, grid)
    if len(named) > MOST:
        named = [("", np.arange(grid["rate"].size))]
    out: dict = {}
    for key in ("rate_out", "mean_weight", "strong", "cv"):
        values = {}
        for name, index in named:
            cells = result[key][:, index]
            values[name] = float(np.nanmean(cells)) if np.isfinite(cells).any() else float("nan")
        out[key] = values if len(named) > 1 else next(iter(values.values()))
    return out


def figure(result, name=None):
    """s1: rate, mean weight and weights over time, final weights and drift beside theory; s2: maps over two axes."""
    from .figures import draw

    longest = [a for a in ("rate", "threshold", "a_plus", "ratio") if len(result.parameters[a]) > 1]
    if name is None:
        name = "s2" if len(longest) == 2 and min(len(result.parameters[a]) for a in longest) > 2 else "s1"
    return draw("balance", FIGURES, result, name)
