"""Parameters of the spike-response neuron with a double-exponential PSP. Nothing heavy is imported here.

    eps(t) = K (exp(-t / tau_m) - exp(-t / tau_s)),  K such that its peak is 1    V = sum of w eps(t - t_input)
    output spike where V rises through theta; then all that V was made of is flushed, and it becomes
    eta(t) = theta (pulse exp(-t / tau_m) - after (exp(-t / tau_m) - exp(-t / tau_s)))
    inputs up to `refractory` after it leave V alone; all other neurons of the run get -inhibition theta eps(t)

V and theta in units of the peak that one input spike through a weight of 1 evokes.

References: T. Masquelier, R. Guyonneau & S. J. Thorpe (2008), PLoS ONE 3:e1377, doi 10.1371/journal.pone.0001377;
(2009) Neural Comput. 21:1259, doi 10.1162/neco.2008.06-08-804 (inhibition).
"""

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["SRM"]


@dataclass
class SRM:
    """Neuron parameters; times in s. `threshold`: one number, or one a neuron; `inhibition`: one, or one a run.

    ``tau_s`` far below ``tau_m`` makes the PSP practically instantaneous; ``threshold = inf`` never fires.
    """

    tau_m: float = 10e-3
    tau_s: float = 2.5e-3
    threshold: Any = 500.0
    refractory: float = 1e-3
    pulse: float = 2.0
    after: float = 4.0
    inhibition: Any = 0.0

    def check(self):
        """Raise ValueError if a value makes no sense (arrays are checked where their shape is known)."""
        if not (0 < self.tau_m and math.isfinite(self.tau_m)):
            raise ValueError(f"tau_m must be > 0 s, got {self.tau_m}")
        if not 0 < self.tau_s < self.tau_m:
            raise ValueError(f"tau_s must be > 0 s and < tau_m = {self.tau_m} s, got {self.tau_s}")
        for name in ("refractory", "pulse", "after"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be >= 0, got {value}")
        slow, fast = math.exp(-self.refractory / self.tau_m), math.exp(-self.refractory / self.tau_s)
        left = self.pulse * slow - self.after * (slow - fast)
        if not left < 1:
            raise ValueError(
                f"refractory must be longer, got {self.refractory} s: the spike is still at {left:.3g} thresholds"
            )

    @property
    def peak_time(self) -> float:
        """When a PSP peaks, s after its input."""
        return self.tau_m * self.tau_s / (self.tau_m - self.tau_s) * math.log(self.tau_m / self.tau_s)

    @property
    def norm(self) -> float:
        """K.

        Examples
        --------
        >>> round(SRM().norm, 9), round(SRM().peak_time, 12)
        (2.116534736, 0.004620981204)
        """
        t = self.peak_time
        return 1.0 / (math.exp(-t / self.tau_m) - math.exp(-t / self.tau_s))
