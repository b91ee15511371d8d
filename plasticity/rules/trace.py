"""Trace rules: what a synapse learns from recent spikes, read off decaying traces. A new rule goes here.

Every afferent has a presynaptic trace, every neuron a postsynaptic one (both dimensionless, all-to-all):

    tau_plus  dx/dt = -x,   x += 1 at a presynaptic spike, before anything at that moment reads it
    tau_minus dy/dt = -y,   y += 1 at an output spike, after the weights were changed

That is pairing "all" (the default): every spike pairs with every other. A rule may ask for another one in a class
attribute `pairing`, where the engine offers it:

    "nearest"  a trace is set to 1 instead of raised by 1: only the last spike before counts
    "reduced"  nearest, and each spike is used once: `on_pre` only at the first presynaptic spike after an output spike,
               `on_post` only for afferents that have fired since the output spike before

A class attribute `reach` (default: no end) lets pairs further apart than that many time constants count as none.

A rule is one dataclass: its parameters and up to two scalar functions, plain Python without decorator,

    on_pre(w, post_trace, p) -> w     at each presynaptic spike, after its jump of the potential (by the old weight)
    on_post(w, pre_trace, p) -> w     at each output spike, for all synapses of the neuron

p holds the fields, one number each (``p.a_plus``). A rule without one of them costs nothing there. The fields may be
arrays, one value a neuron: parameter points are neurons of one call; the time constants are shared by all of them.
The engines compile the same lines that a test calls directly. A rule of your own, complete:

    @dataclass
    class Hebb:
        a_plus: float = 0.01
        tau_plus: float = 20e-3

        @staticmethod
        def on_post(w, pre_trace, p):
            return min(1.0, w + p.a_plus * pre_trace)

References: T. Masquelier (2018), Neuroscience 389:133 (additive); T. Masquelier & S. R. Kheradpisheh (2018), Front.
Comput. Neurosci. 12:74 (soft bound); S. Song, K. D. Miller & L. F. Abbott (2000), Nat. Neurosci. 3:919 (pair);
T. Masquelier, R. Guyonneau & S. J. Thorpe (2008), PLoS ONE 3:e1377 (reduced pair).
"""

import math
from dataclasses import dataclass, fields

__all__ = ["ACTIONS", "PAIRINGS", "RULES", "Additive", "NearestPair", "Pair", "ReducedPair", "SoftBound"]
__all__ += ["check_rule", "pairing_of", "reach_of"]

PAIRINGS = ("all", "nearest", "reduced")
_NO_END = 700.0  # time constants: exp(-700) is 1e-304


@dataclass
class Additive:
    """Potentiation by the trace and a constant loss at each output spike; hard bounds 0 and 1.

    At an output spike, in this order: w <- min(1, w + a_plus x), w <- max(0, w - w_out).
    """

    a_plus: float = 0.01
    w_out: float = 0.0034830
    tau_plus: float = 20e-3

    @staticmethod
    def on_post(w, pre_trace, p):
        """Weight after an output spike."""
        w = min(1.0, w + p.a_plus * pre_trace)
        return max(0.0, w - p.w_out)


@dataclass
class SoftBound:
    """As :class:`Additive`, each step times w (1 - w) of the weight that it meets: w = 0 and w = 1 are fixed points."""

    a_plus: float = 0.1
    w_out: float = 0.0062
    tau_plus: float = 20e-3

    @staticmethod
    def on_post(w, pre_trace, p):
        """Weight after an output spike."""
        w = min(1.0, w + p.a_plus * pre_trace * w * (1.0 - w))
        return max(0.0, w - p.w_out * w * (1.0 - w))


@dataclass
class Pair:
    """Additive pair rule: min(1, w + a_plus x) at an output spike, max(0, w - a_minus y) at an input spike."""

    a_plus: float = 1e-3
    a_minus: float = 1.05e-3
    tau_plus: float = 20e-3
    tau_minus: float = 20e-3

    @staticmethod
    def on_pre(w, post_trace, p):
        """Weight after an input spike."""
        return max(0.0, w - p.a_minus * post_trace)

    @staticmethod
    def on_post(w, pre_trace, p):
        """Weight after an output spike."""
        return min(1.0, w + p.a_plus * pre_trace)


@dataclass
class NearestPair(Pair):
    """The pair rule with nearest neighbours only."""

    a_plus: float = 2**-5
    a_minus: float = 0.85 * 2**-5
    tau_plus: float = 16.8e-3
    tau_minus: float = 33.7e-3
    pairing = "nearest"
    reach = 7.0


@dataclass
class ReducedPair(NearestPair):
    """The pair rule with nearest neighbours, each used once: the one that finds the start of a pattern."""

    pairing = "reduced"


ACTIONS = ("on_pre", "on_post")
RULES = {
    "additive": Additive,
    "soft_bound": SoftBound,
    "pair": Pair,
    "nearest_pair": NearestPair,
    "reduced_pair": ReducedPair,
}


def pairing_of(rule) -> str:
    """Which spikes the rule pairs: "all", "nearest" or "reduced"; ValueError if it says something else."""
    pairing = getattr(rule, "pairing", "all")
    if pairing not in PAIRINGS:
        raise ValueError(f"pairing of {type(rule).__name__} must be one of {', '.join(PAIRINGS)}, got {pairing!r}")
    return pairing


def reach_of(rule) -> float:
    """Time constants beyond which a pair counts as none; ValueError if that is not a number > 0."""
    reach = getattr(rule, "reach", _NO_END)
    if not (isinstance(reach, (int, float)) and reach > 0):
        raise ValueError(f"reach of {type(rule).__name__} must be > 0 time constants, got {reach}")
    return min(float(reach), _NO_END)


def check_rule(rule):
    """Raise ValueError if a time constant is not a number > 0 s, or a rule has none for a trace that it reads."""
    needs = {"on_post": "tau_plus", "on_pre": "tau_minus"}
    for action, tau in needs.items():
        if getattr(rule, action, None) is None:
            continue
        value = getattr(rule, tau, None)
        if not isinstance(value, (int, float)) or not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{tau} of {type(rule).__name__} must be > 0 s (one number for all neurons), got {value}")
    if not any(getattr(rule, action, None) for action in needs):
        raise ValueError(f"{type(rule).__name__} has neither on_pre nor on_post")
    for field in fields(rule):
        value = getattr(rule, field.name)
        values = value if hasattr(value, "__len__") else (value,)
        if not all(math.isfinite(v) for v in values):
            raise ValueError(f"{field.name} of {type(rule).__name__} must be finite, got {value}")
