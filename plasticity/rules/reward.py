"""Reward-modulated one-spike STDP: the same rule with other amplitudes, as the network's answer was right or wrong.

The first spike of the deciding layer names the class. Its neuron alone learns, w <- clip(w + a phi(w)) as in
:mod:`~firstspike.plasticity.rules.order`, with

    right answer   a = r reward_before   if the input spiked before or with the output, else  r reward_after
    wrong answer   a = q punish_before   (< 0: anti-STDP)                               else  q punish_after  (> 0)
    no answer      nothing changes

After every block of n images with h hits and m misses (silent ones count in n only) the factors become

    r = least + span m / n,      q = least + span h / n

so that rewards fade while the network is right. Before the first block they are those of an answer at random. STDP
without reward is the case of equal amplitudes and ``least=1, span=0``. Mozafari et al. 2018,
doi 10.1109/TNNLS.2018.2826721; Mozafari et al. 2019, doi 10.1016/j.patcog.2019.05.015.

A rule of this family = a parameter class with `scalars()` and `block`, and three plain scalar functions.
"""

import math
from dataclasses import dataclass

from .order import update

__all__ = ["ACTIONS", "RULES", "RewardSTDP", "amplitudes", "factors"]


def factors(hits, misses, n, p):
    """Factors (of rewards, of punishments) after `n` images; `p` is the tuple of :meth:`RewardSTDP.scalars`."""
    return p[7] + p[8] * misses / n, p[7] + p[8] * hits / n


def amplitudes(hit, reward, punish, p):
    """Amplitudes (a_before, a_after) of the winner's update, for a right or a wrong answer and the factors."""
    if hit:
        return reward * p[0], reward * p[1]
    return punish * p[2], punish * p[3]


@dataclass
class RewardSTDP:
    """Parameters of the reward-modulated STDP (defaults: third layer of the published digit network)."""

    reward_before: float = 0.004  # inputs before or with the output, right answer
    reward_after: float = -0.003  # other inputs, right answer
    punish_before: float = -0.004  # wrong answer
    punish_after: float = 0.0005
    lower: float = 0.2  # bounds of the weights
    upper: float = 0.8
    stabiliser: bool = False  # changes shrink towards the bounds
    least: float = 0.0  # factors: at their least,
    span: float = 1.0  # and what is added at most
    block: int = 1000  # images after which the factors are set anew; 0 = never

    factors = staticmethod(factors)
    amplitudes = staticmethod(amplitudes)
    update = staticmethod(update)

    def scalars(self):
        """The numbers that the functions unpack, as floats, in the order of the fields, without `block`."""
        names = "reward_before reward_after punish_before punish_after lower upper stabiliser least span"
        return tuple(float(getattr(self, name)) for name in names.split())

    def validate(self):
        """Raise ValueError for bounds, factors or a block that make no sense."""
        if not all(math.isfinite(v) for v in self.scalars()):
            raise ValueError("all parameters of the rule must be finite")
        if not self.lower < self.upper:
            raise ValueError(f"upper must be > lower = {self.lower}, got {self.upper}")
        if self.least < 0 or self.span < 0:
            raise ValueError(f"least and span must be >= 0, got {self.least} and {self.span}")
        if self.block < 0:
            raise ValueError(f"block must be >= 0 images, got {self.block}")


ACTIONS = ("amplitudes",)
RULES = {"rstdp": RewardSTDP}
