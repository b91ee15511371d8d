"""A neuron finds the start of a pattern that returns in lively input, by STDP alone.

N afferents fire at rates that wander between 0 and 90 Hz; in some slots of 50 ms one and the same pattern of half of
them is pasted (``datasets.slots``). The input is made once and replayed. A neuron with double-exponential PSPs
(``plasticity.events.srm``) hears all of them and learns by the pair rule with nearest neighbours, each used once: at an
output spike, for afferents that fired since the one before, and at the first input spike after an output spike,

    w <- min(1, w + a_plus exp(-(t - t_pre) / tau_plus))        w <- max(0, w - a_minus exp(-(t - t_post) / tau_minus))

After some hundred output spikes it fires in the pattern only, at first anywhere in it, then earlier and earlier.
Success of a seed, over the last replay: hits > 98 % of the slots with the pattern, no output spike in others, mean
latency < 10 ms.

References: T. Masquelier, R. Guyonneau & S. J. Thorpe (2008), PLoS ONE 3:e1377, doi 10.1371/journal.pone.0001377;
J. Hathway & D. F. M. Goodman (2018), ReScience 4(1)#6 (replication, variations, criterion of success).
"""

from dataclasses import dataclass, replace

from ..plasticity.rules.own import check_name, rule_file
from ..plasticity.rules.trace import RULES
from ..runtime.params import param

__all__ = ["PRESETS", "Founding", "expected", "figure", "inputs", "memory", "simulate", "source_of", "summary"]

TITLE = "The founding simulations: STDP finds the start of a repeating spike pattern"
REFERENCES = "doi:10.1371/journal.pone.0001377; Hathway & Goodman (2018), ReScience 4(1)#6"
_P, _R = "Masquelier, Guyonneau & Thorpe 2008", "Hathway & Goodman 2018"


@dataclass
class Founding:
    """Parameters of the experiment. `threshold` and `start_weight` hold one value for each neuron on the same input."""

    n_afferents: int = param(2000, "number of afferents N", low=2, high=65536, source=_P)
    n_involved: int = param(1000, "afferents that take part in the pattern", low=1, source=_P)
    duration: float = param(150.0, "length of the input", "s", above=0, source=_P)
    replays: int = param(3, "how often it is played", low=1, source=_P)
    slot: float = param(50e-3, "length of a slot and of the pattern, a whole number of ms", "s", above=0, source=_P)
    share: float = param(0.25, "share of slots with the pattern", above=0, high=0.5, source=_P)
    jitter: float = param(1e-3, "std of the lag of each pattern spike", "s", low=0, source=_P)
    deletion: float = param(0.0, "share of pattern spikes put at a random time of the slot", low=0, high=1, source=_P)
    noise: float = param(10.0, "rate of Poisson spikes added to each afferent", "Hz", low=0, source=_P)
    highest_rate: float = param(90.0, "highest rate of the wandering", "Hz", above=0, high=499.0, source=_P)
    fresh: bool = param(False, "control: nothing is pasted, the chosen slots keep their own spikes")
    tau_m: float = param(10e-3, "membrane time constant", "s", above=0, source=_P)
    tau_s: float = param(2.5e-3, "rise of the PSP; far below tau_m: instantaneous", "s", above=0, source=_P)
    threshold: tuple[float, ...] = param(
        (0.5,), "threshold(s), in PSP peaks a pattern afferent, times 1 - deletion", above=0, source=_P
    )
    refractory: float = param(1e-3, "refractory time", "s", low=0, source=_R)
    start_weight: tuple[float, ...] = param((0.475,), "first weight(s) of all afferents", low=0, high=1, source=_P)
    rule: str = param(
        "reduced_pair", "learning rule: reduced_pair, nearest_pair, pair, or your own as FILE.py[:Class]", source=_P
    )
    rule_parameters: str = param("", "further parameters of the rule, as name=number,name=number")
    a_plus: float = param(2**-5, "amplitude of potentiation", low=0, source=_P)
    a_minus: float = param(0.85 * 2**-5, "amplitude of depression", low=0, source=_P)
    tau_plus: float = param(16.8e-3, "time constant of potentiation", "s", above=0, source=_P)
    tau_minus: float = param(33.7e-3, "time constant of depression", "s", above=0, source=_P)
    clock_step: float = param(0.0, "0 = exact in continuous time, else step of the clock-driven twin", "s", low=0)
    v_duration: float = param(0.5, "V(t) stored at the start and near the end, first seed; 0 = none", "s", low=0)

    def validate(self):
        """Rules across fields; ValueError says which one is broken."""
        source_of(self).check()
        check_name(self.rule, RULES, self.rule_parameters)
        if not self.tau_s < self.tau_m:
            raise ValueError(f"tau_s must be < tau_m = {self.tau_m:g} s, got {self.tau_s:g}")
        if self.clock_step and abs(self.slot / self.clock_step - round(self.slot / self.clock_step)) > 1e-6:
            raise ValueError(f"clock_step must divide slot = {self.slot:g} s, got {self.clock_step:g}")
        if len({len(self.threshold), len(self.start_weight)} - {1}) > 1:
            sizes = f"{len(self.threshold)} and {len(self.start_weight)}"
            raise ValueError(f"threshold and start_weight must have equally many values, got {sizes}")


_FULL = Founding()
PRESETS = {
    "quick": replace(_FULL, duration=60.0, replays=2),
    "masquelier2008": _FULL,
    "masquelier2008_nearest": replace(_FULL, rule="nearest_pair"),
    "masquelier2008_all": replace(_FULL, rule="pair"),
    "masquelier2008_instant": replace(_FULL, tau_s=1e-5),
    "masquelier2008_clock": replace(_FULL, clock_step=1e-3),
}
FIGURES = ("s5", "weights", "seeds")

#: what the replication reports at the published parameters; hit and latency are its criterion
_REFERENCE = dict(
    success=0.95, found_time=13.5, found_discharges=700, rate_first=63.0, rate_last=5.0, false_alarm=0.0,
    n_uninvolved=0.0,
)  # fmt: skip


def source_of(params):
    """Parameters of the input, a ``datasets.slots.SlotInput``."""
    from ..datasets.slots import SlotInput

    p = params
    return SlotInput(
        n_afferents=p.n_afferents, n_involved=p.n_involved, share=p.share, slot=p.slot,
        n_slots=max(round(p.duration / p.slot), 1), jitter=p.jitter, deletion=p.deletion, noise=p.noise,
        highest_rate=p.highest_rate, fresh=p.fresh,
    )  # fmt: skip


def inputs(params) -> dict:
    """SHA-256 of the user's files that the run depends on, by parameter."""
    from .own_spikes import sha256_of

    file = rule_file(params.rule, RULES)
    return {"rule": sha256_of(file)} if file is not None else {}


def memory(params, n_seeds) -> int:
    """Bytes that a run needs, roughly: the packed input of one seed a core, weights, their histograms."""
    from ..runtime.provenance import usable_cores

    p, cells = params, max(len(params.threshold), len(params.start_weight))
    tape = 6 * p.n_afferents * p.duration * (0.6 * p.highest_rate + p.noise)
    own = cells * (8 * p.n_afferents + 88 * p.duration * p.replays)
    return int(min(n_seeds, usable_cores()) * tape + n_seeds * own)


def simulate(params, run):
    """Run the experiment for all seeds of `run`; see the head of this file. Returns a Result."""
    import numpy as np

    from ..plasticity.events import SRM
    from ..plasticity.rules.own import find_rule, make_rule
    from ..plasticity.rules.trace import ACTIONS
    from .measures.founding import result
    from .measures.replays import replay

    p = params
    theta, first = np.broadcast_arrays(
        np.array(p.threshold) * p.n_involved * (1 - p.deletion or 1.0), np.array(p.start_weight)
    )
    srm = SRM(tau_m=p.tau_m, tau_s=p.tau_s, threshold=theta.copy(), refractory=p.refractory)
    settings = {name: getattr(p, name) for name in ("a_plus", "a_minus", "tau_plus", "tau_minus")}
    rule = make_rule(find_rule(p.rule, RULES, ACTIONS), settings, p.rule_parameters)
    start = np.broadcast_to(first[None, :, None], (1, first.size, p.n_afferents))
    outcome = replay(
        run, source_of(p), srm, rule, lambda seed: start, replays=p.replays, clock_step=p.clock_step,
        v_duration=p.v_duration,
    )  # fmt: skip
    return result(p, run, outcome, theta, first)


def expected(params) -> dict[str, float]:
    """What the replication reports, where it was run with these parameters."""
    free = ("v_duration", "duration", "replays")
    same = all(v == getattr(_FULL, k) for k, v in vars(params).items() if k not in free)
    return dict(_REFERENCE) if same and params.duration * params.replays >= 100 else {}


def summary(result) -> dict:
    """Measured numbers: `success` and `false_alarm` over all seeds, others over those with success (all if none)."""
    from .measures.founding import summarise

    return summarise(result)


def figure(result, name=None):
    """Figure `name` of FIGURES (default: `seeds` for several seeds, else `s5`), a matplotlib Figure."""
    from .figures import founding as figures

    if name is None:
        name = "seeds" if result["seed"].size > 4 else "s5"
    if name not in FIGURES:
        raise ValueError(f"name must be one of {', '.join(FIGURES)}; got {name!r}")
    return getattr(figures, name)(result)
