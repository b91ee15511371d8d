"""A recorded pattern of the user's own, pasted into the random input of the coincidence experiment.

The table (formats: ``datasets.tables``) is one pattern: times from 0 to below `pattern_duration`, units below
`n_afferents`. It takes the place of the frozen random pattern: padding, jitter and background are the same. `theory`'s
`detectability` says how well an ideal detector could see it, over windows and time constants.
"""

import logging

import numpy as np

from ...datasets.patterns import TICK, Patterns
from ...datasets.tables import read_spikes
from ...theory.recorded import detectability

__all__ = ["add_detectability", "detector", "own_pattern", "read_pattern"]

_FAR = 0.1  # relative difference of the pattern's mean rate from the background's that is worth a warning


def read_pattern(params):
    """(time, unit) of the file `params.pattern`; ValueError if it does not fit the parameters."""
    time, unit = read_spikes(params.pattern)
    if unit.max() >= params.n_afferents:
        text = f"the largest unit of {params.pattern}, got {params.n_afferents}"
        raise ValueError(f"n_afferents must be > {unit.max()}, {text}")
    if time[-1] >= params.pattern_duration:
        text = f"the last spike of {params.pattern}, got {params.pattern_duration:g} s"
        raise ValueError(f"pattern_duration must be > {time[-1]:g} s, {text}")
    return time, unit


def own_pattern(params, n_runs) -> Patterns:
    """The pattern of all runs; warns if its rate is not that of the input around it."""
    time, unit = read_pattern(params)
    own = time.size / (params.n_afferents * params.pattern_duration)
    if abs(own / params.rate - 1) > _FAR:
        text = "the pattern has %.3g Hz an afferent, the input around it %.3g Hz: its rate gives it away"
        logging.getLogger("firstspike").warning(text, own, params.rate)
    ticks = np.minimum(np.rint(time / TICK).astype(np.int64), round(params.pattern_duration / TICK) - 1)
    shape = (n_runs, 1, time.size)
    counts = np.full(shape[:2], time.size, np.int64)
    return Patterns(np.broadcast_to(ticks, shape).copy(), np.broadcast_to(unit, shape).copy(), counts)


def _detectability(params, **grid):
    p, (time, unit) = params, read_pattern(params)
    return detectability(time, unit, np.full(p.n_afferents, p.rate), p.pattern_duration, jitter=p.jitter, **grid)


def detector(params) -> dict[str, float]:
    """Ideal detector of this pattern with the parameters' window and time constant, where they see it best."""
    best = _detectability(params, windows=params.window, taus=params.tau_m, n_starts=41).best
    return {name: float(best[name]) for name in ("n_selected", "v_noise_mean", "v_noise_std", "v_max", "t_peak", "snr")}


def add_detectability(r, params):
    """Add the map over windows and time constants, and the best detector, to the result `r`."""
    found = _detectability(params)
    r.add("pattern_window", found.windows, ("pattern_window",), "s", "window of an ideal detector")
    r.add("pattern_tau", found.taus, ("pattern_tau",), "s", "membrane time constant of an ideal detector")
    dims = ("pattern_tau", "pattern_window")
    r.add("pattern_snr", found.snr, dims, long_name="signal-to-noise ratio of this pattern at its best place")
    r.add("pattern_start", found.start, dims, "s", "start of that window in the pattern")
    r.add("pattern_n_selected", found.n_selected, dims, long_name="afferents with a spike in that window")
    for name, value in found.best.items():
        unit = "s" if name in ("window", "start", "tau_m", "t_peak") else "1"
        r.add(f"best_{name}", value, units=unit, long_name=f"best ideal detector of this pattern: {name}")
