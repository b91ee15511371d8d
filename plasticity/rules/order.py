"""One-spike STDP: did the input come before (or with) the output, or not?

On an output spike at step t*, each synapse of that neuron changes once, by the order of the two spikes alone:

    w <- clip(w + a phi(w), lower, upper),     phi(w) = (w - lower)(upper - w)   (1 without stabiliser)
    a = a_before  if the input spiked at a step <= t*,   else a_after (silent inputs too)

Unsupervised learning takes a_before = a_plus > 0, a_after = a_minus < 0, doubled every `doubling` presentations:

    a_plus(n) = min(a_plus 2^(n // doubling), a_max),    a_minus(n) = ratio a_plus(n),    n = 1, 2, ...

Reward is not another rule: it is other amplitudes. Masquelier & Thorpe 2007, doi 10.1371/journal.pcbi.0030031;
Kheradpisheh et al. 2018, doi 10.1016/j.neunet.2017.12.005 (convergence index).

A rule for the waves engine = a parameter class with `scalars()` and two plain scalar functions, `rates` and `update`.
"""

import math
from dataclasses import dataclass

__all__ = ["ACTIONS", "RULES", "OrderSTDP", "convergence", "rates", "update"]


def rates(n, p):
    """Amplitudes (a_before, a_after) at the `n`-th presentation, n = 1, 2, ...; silent ones count.

    `p` is the tuple of :meth:`OrderSTDP.scalars`.
    """
    a_plus, ratio, doubling, a_max = p[0], p[1], p[2], p[3]
    if doubling > 0.0:
        # 2^64 is beyond any bound; the exponent is limited so that the power stays finite
        a_plus = min(a_plus * 2.0 ** min(math.floor(n / doubling), 64.0), a_max)
    return a_plus, ratio * a_plus


def update(w, before, a_before, a_after, p):
    """New weight of one synapse; `before` says whether its input spiked before or with the output."""
    lower, upper, stabiliser = p[4], p[5], p[6]
    a = a_before if before else a_after
    if stabiliser > 0.0:
        a *= (w - lower) * (upper - w)
    return min(max(w + a, lower), upper)


def convergence(weights):
    """Convergence index: mean of w (1 - w) over `weights` (a float or an array); 0 when all are 0 or 1."""
    product = weights * (1.0 - weights)
    return float(product.mean()) if hasattr(product, "mean") else float(product)


@dataclass
class OrderSTDP:
    """Parameters of the one-spike STDP (defaults: the published digit networks)."""

    a_plus: float = 0.004  # first amplitude for inputs before or with the output
    ratio: float = -0.75  # a_minus / a_plus
    doubling: int = 500  # presentations after which a_plus doubles; 0 = never
    a_max: float = 0.15  # a_plus grows no further
    lower: float = 0.0  # bounds of the weights
    upper: float = 1.0
    stabiliser: bool = True  # changes shrink towards the bounds

    rates = staticmethod(rates)
    update = staticmethod(update)

    def scalars(self):
        """The numbers that `rates` and `update` unpack, as floats, in the order of the fields."""
        return (
            float(self.a_plus),
            float(self.ratio),
            float(self.doubling),
            float(self.a_max),
            float(self.lower),
            float(self.upper),
            float(self.stabiliser),
        )

    def validate(self):
        """Raise ValueError for bounds or a period that make no sense."""
        if not self.lower < self.upper:
            raise ValueError(f"upper must be > lower = {self.lower}, got {self.upper}")
        if self.doubling < 0:
            raise ValueError(f"doubling must be >= 0 presentations, got {self.doubling}")
        if not all(math.isfinite(v) for v in self.scalars()):
            raise ValueError("all parameters of the rule must be finite")


ACTIONS = ("update",)
RULES = {"stdp": OrderSTDP}
