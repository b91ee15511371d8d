"""Neurons that inhibit each other share repeating patterns among them: who learns what, and at which latency.

Input and neurons are those of :mod:`~firstspike.sims.founding`, with P patterns whose afferents are drawn, and n
neurons with different first weights. An output spike sends every other neuron an IPSP of peak -inhibition theta.
Without inhibition all neurons end at the same early latency; with it, some learn a later part of the pattern, share one
latency and take turns, or are left without a pattern: look at the counts over seeds. Several values of `inhibition` are
groups of neurons on the same input with the same first weights.

Reference: T. Masquelier, R. Guyonneau & S. J. Thorpe (2009), Neural Comput. 21:1259, doi 10.1162/neco.2008.06-08-804.
"""

from dataclasses import dataclass, replace

from ..plasticity.rules.own import check_name, rule_file
from ..plasticity.rules.trace import RULES
from ..runtime.params import param

__all__ = ["PRESETS", "Competition", "expected", "figure", "inputs", "memory", "simulate", "source_of", "summary"]

TITLE = "Competitive STDP: neurons that inhibit each other learn successive parts of repeating patterns"
REFERENCES = "doi:10.1162/neco.2008.06-08-804"
_P, _O = "Masquelier, Guyonneau & Thorpe 2009", "reconstructed"


@dataclass
class Competition:
    """Parameters of the experiment; those that are not here are fixed as in the founding simulations."""

    n_neurons: int = param(3, "neurons", low=1, high=1000, source=_P)
    n_patterns: int = param(1, "patterns P", low=1, high=100, source=_P)
    inhibition: tuple[float, ...] = param((0.25,), "peak(s) of the IPSP, in thresholds", low=0, source=_P)
    n_afferents: int = param(2000, "number of afferents N", low=2, high=65536, source=_P)
    n_involved: int = param(1000, "afferents that take part in a pattern, drawn for each", low=1, source=_P)
    duration: float = param(75.0, "length of the input for each pattern", "s", above=0, source=_P)
    replays: int = param(3, "how often it is played", low=1, source=_P)
    slot: float = param(50e-3, "length of a slot and of the patterns, a whole number of ms", "s", above=0, source=_P)
    share: float = param(1 / 3, "share of slots with a pattern", above=0, high=0.5, source=_P)
    jitter: float = param(1e-3, "std of the lag of each pattern spike", "s", low=0, source=_P)
    noise: float = param(10.0, "rate of Poisson spikes added to each afferent", "Hz", low=0, source=_P)
    tau_m: float = param(10e-3, "membrane time constant", "s", above=0, source=_P)
    tau_s: float = param(2.5e-3, "rise of the PSP", "s", above=0, source=_P)
    threshold: float = param(0.55, "threshold, in PSP peaks a pattern afferent", above=0, source=_P)
    refractory: float = param(5e-3, "refractory time", "s", low=0, source=_P)
    start: str = param("uniform", "first weights: U(0, 1), or normal, cut to 0..1", choices=("uniform", "normal"))
    start_mean: float = param(0.475, "mean of normal first weights", low=0, high=1, source=_O)
    start_std: float = param(0.1, "their standard deviation", low=0, source=_O)
    rule: str = param(
        "reduced_pair", "learning rule: reduced_pair, nearest_pair, pair, or your own as FILE.py[:Class]", source=_P
    )
    rule_parameters: str = param("", "further parameters of the rule, as name=number,name=number")
    a_plus: float = param(2**-5, "amplitude of potentiation", low=0, source=_P)
    a_minus: float = param(0.85 * 2**-5, "amplitude of depression", low=0, source=_P)
    tau_plus: float = param(16.8e-3, "time constant of potentiation", "s", above=0, source=_P)
    tau_minus: float = param(33.7e-3, "time constant of depression", "s", above=0, source=_P)
    v_duration: float = param(0.0, "V(t) stored at the start and near the end, first seed; 0 = none", "s", low=0)

    def validate(self):
        """Rules across fields; ValueError says which one is broken."""
        source_of(self).check()
        check_name(self.rule, RULES, self.rule_parameters)
        if not self.tau_s < self.tau_m:
            raise ValueError(f"tau_s must be < tau_m = {self.tau_m:g} s, got {self.tau_s:g}")
        if len(set(self.inhibition)) < len(self.inhibition):
            raise ValueError(f"inhibition must have different values, got {self.inhibition}")


_FULL = Competition()
PRESETS = {
    "quick": replace(_FULL, inhibition=(0.0, 0.25)),
    "masquelier2009_free": replace(_FULL, inhibition=(0.0,)),
    "masquelier2009": _FULL,
    "masquelier2009_strength": replace(_FULL, inhibition=tuple(0.05 * k for k in range(11))),
    "masquelier2009_nine": replace(_FULL, n_neurons=9, n_patterns=3),
}
FIGURES = ("s7", "latencies", "strength")

# Independent event-driven simulations of three seeds, by inhibition: latency in s
_REFERENCE = {
    0.0: dict(neurons_with_pattern=3, false_alarm=0.0, latency_spread=0.76e-3, hits=2.98),
    0.25: dict(neurons_with_pattern=4 / 3, false_alarm=0.0, hits=1.66),
}


def source_of(params):
    """Parameters of the input, a ``datasets.slots.SlotInput``."""
    from ..datasets.slots import SlotInput

    p = params
    return SlotInput(
        n_afferents=p.n_afferents, n_patterns=p.n_patterns, n_involved=p.n_involved, scattered=True, share=p.share,
        slot=p.slot, n_slots=max(round(p.n_patterns * p.duration / p.slot), 1), jitter=p.jitter, noise=p.noise,
    )  # fmt: skip


def inputs(params) -> dict:
    """SHA-256 of the user's files that the run depends on, by parameter."""
    from .own_spikes import sha256_of

    file = rule_file(params.rule, RULES)
    return {"rule": sha256_of(file)} if file is not None else {}


def memory(params, n_seeds) -> int:
    """Bytes that a run needs, roughly: the packed input of one seed a core, weights, their histograms."""
    from ..runtime.provenance import usable_cores

    p, cells = params, len(params.inhibition) * params.n_neurons
    tape = 6 * p.n_afferents * p.duration * p.n_patterns * (54.0 + p.noise)
    own = cells * (8 * p.n_afferents + 88 * p.duration * p.n_patterns * p.replays)
    return int(min(n_seeds, usable_cores()) * tape + n_seeds * own)


def start_weights(params, seed):
    """First weights of a seed (n_neurons, N): stream "weights"."""
    import numpy as np

    from ..runtime.rng import normals, uniforms

    p, shape = params, (params.n_neurons, params.n_afferents)
    if p.start == "uniform":
        return uniforms(seed, "weights", shape)
    return np.clip(p.start_mean + p.start_std * normals(seed, "weights", shape), 0.0, 1.0)


def simulate(params, run):
    """Run the experiment for all seeds of `run`; see the head of this file. Returns a Result."""
    import numpy as np

    from ..plasticity.events import SRM
    from ..plasticity.rules.own import find_rule, make_rule
    from ..plasticity.rules.trace import ACTIONS
    from .measures.competition import result
    from .measures.replays import replay

    p = params
    srm = SRM(
        tau_m=p.tau_m, tau_s=p.tau_s, threshold=p.threshold * p.n_involved, refractory=p.refractory,
        inhibition=np.array(p.inhibition),
    )  # fmt: skip
    settings = {name: getattr(p, name) for name in ("a_plus", "a_minus", "tau_plus", "tau_minus")}
    rule = make_rule(find_rule(p.rule, RULES, ACTIONS), settings, p.rule_parameters)
    groups = (len(p.inhibition), p.n_neurons, p.n_afferents)
    outcome = replay(
        run, source_of(p), srm, rule, lambda seed: np.broadcast_to(start_weights(p, seed), groups),
        replays=p.replays, v_duration=p.v_duration,
    )  # fmt: skip
    return result(p, run, outcome)


def expected(params) -> dict[str, float]:
    """What independent simulations of three seeds found, where they were run with these parameters."""
    same = all(v == getattr(_FULL, k) for k, v in vars(params).items() if k not in ("v_duration", "inhibition"))
    if not same:
        return {}
    known = {b: _REFERENCE[b] for b in params.inhibition if b in _REFERENCE}
    several = len(params.inhibition) > 1
    return {k + (f".inhibition{b:g}" if several else ""): v for b, row in known.items() for k, v in row.items()}


def summary(result) -> dict:
    """Measured numbers of each inhibition, means over seeds."""
    from .measures.competition import summarise

    return summarise(result)


def figure(result, name=None):
    """Figure `name` of FIGURES (default: the one that suits the result), a matplotlib Figure."""
    from .figures import competition as figures

    if name is None:
        several = result["inhibition"].size > 2
        name = "strength" if several else "s7" if result["pattern"].size > 1 else "latencies"
    if name not in FIGURES:
        raise ValueError(f"name must be one of {', '.join(FIGURES)}; got {name!r}")
    return getattr(figures, name)(result)
