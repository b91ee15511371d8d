"""Parameters of the theory commands: names, units, ranges and defaults, without any computation."""

from dataclasses import dataclass

from ..runtime.params import param

__all__ = ["Design", "Detector", "Map", "Noise", "Patterns", "Threshold"]

_PAPER, _MANY = "Masquelier 2017", "Masquelier & Kheradpisheh 2018"


@dataclass
class _Input:
    n_afferents: int = param(10_000, "number of afferents", low=1, source=_PAPER)
    rate: float = param(3.2, "firing rate of each afferent", unit="Hz", above=0, source=_PAPER)
    n_patterns: int = param(1, "number of patterns to detect", low=1, source=_PAPER)
    jitter: float = param(3.2e-3, "half-width of the uniform shift of each spike", unit="s", low=0, source=_PAPER)


@dataclass
class Detector(_Input):
    """One coincidence detector and the input it looks at."""

    window: float = param(23e-3, "part of each pattern that is used", unit="s", above=0, source=_PAPER)
    tau_m: float = param(18e-3, "membrane time constant", unit="s", above=0, source=_PAPER)


@dataclass
class Patterns(_Input):
    """Input for which window and time constant are sought."""

    pattern_duration: float = param(100e-3, "duration of a pattern", unit="s", low=1e-6, source=_PAPER)


@dataclass
class Design(Patterns):
    """Input, learning rule and choices of a neuron that is to learn the patterns."""

    n_patterns: int = param(5, "number of patterns to learn", low=1, source=_PAPER)
    margin: float = param(1.1, "peak of the potential over the threshold", above=0, source=_MANY)
    start_distance: float = param(-1.0, "threshold minus mean potential at the start, in its std", source=_MANY)
    a_plus: float = param(0.1, "increment of the trace at a spike", above=0, source=_MANY)
    tau_plus: float = param(20e-3, "decay of the trace", unit="s", above=0, source=_PAPER)

    def validate(self):
        """Without jitter there is no best window."""
        if not self.jitter > 0:
            raise ValueError(f"jitter must be > 0 s, got {self.jitter:g}: without it the best window is 0")


@dataclass
class Threshold(Detector):
    """A detector and its threshold."""

    threshold: float | None = param(None, "in units of the weights; none: mean peak / 1.1", above=0)
    n_presentations: int = param(500, "presentations simulated for the figure", low=1, high=1_000_000)
    seed: int = param(0, "of the figure's simulation", low=0)


@dataclass
class Noise(Detector):
    """Random input of the detector, and a threshold."""

    a: float | None = param(None, "tau_m * rate * n_selected; none: of the detector above", above=0, high=1000)
    threshold: float | None = param(None, "in units of the weights; none: mean + 4 std", above=0)


@dataclass
class Map(_Input):
    """Grid of windows and time constants."""

    window_range: tuple[float, ...] = param((1e-3, 0.1), "first and last window", unit="s", low=1e-6)
    tau_m_range: tuple[float, ...] = param((1e-3, 0.1), "first and last time constant", unit="s", low=1e-6)
    n_points: int = param(200, "points on each axis, logarithmic", low=2, high=20_000)

    def validate(self):
        """Each range has two ends in rising order."""
        for name in ("window_range", "tau_m_range"):
            ends = getattr(self, name)
            if len(ends) != 2 or not ends[0] < ends[1]:
                raise ValueError(f"{name} must be two rising numbers, got {ends}")
