"""Parameters of the leaky integrate-and-fire neuron of the events engine. Nothing heavy is imported here.

    tau_m dV/dt = -V,   V += w_j at each spike of afferent j;   output spike and V <- 0 when V >= theta + Theta
    tau_threshold dTheta/dt = -Theta,   Theta += d_threshold theta at each output spike, after the test

V, theta, Theta in units of the jump by a weight of 1; no refractory period.

Reference: T. Masquelier & S. R. Kheradpisheh (2018), Front. Comput. Neurosci. 12:74.
"""

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["LIF"]


@dataclass
class LIF:
    """Neuron parameters: `threshold` theta (> 0; one number, or one a neuron), the others as at the head of this file.

    ``d_threshold = 0`` (default) is a fixed threshold; ``threshold = inf`` never fires.
    """

    tau_m: float = 18e-3
    threshold: Any = 1.0
    tau_threshold: float = 80e-3
    d_threshold: float = 0.0

    def check(self):
        """Raise ValueError if a value makes no sense (the threshold is checked where its shape is known)."""
        for name in ("tau_m", "tau_threshold"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be > 0 s, got {value}")
        if not (self.d_threshold >= 0 and math.isfinite(self.d_threshold)):
            raise ValueError(f"d_threshold must be >= 0, got {self.d_threshold}")
