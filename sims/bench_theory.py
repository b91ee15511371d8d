"""Workload w6: a map of the signal-to-noise ratio over a million points (window, time constant), in float64.

SNR = sqrt(2 tau f N) q / sqrt(1 - q) (1 - exp(-Dt / tau)), q = exp(-f Dt): one pattern, no jitter, N = 10 000,
f = 3.2 Hz, both axes 1 ms to 1 s in 1000 logarithmic steps. Measured through `theory.snr_map`, its checks included.
"""

__all__ = ["w6"]

_N, _RATE, _POINTS = 10_000, 3.2, 1000


def w6(threads=1, repeat=5):
    """Nanoseconds a point, beside the same formula as a NumPy broadcast and one exponential, in the same run.

    ``value``: the map is written into an array that exists (argument ``out``); ``allocating``: into a new one, where
    the operating system's first touch of 8 MB is part of the time. The kernel uses one thread whatever `threads` is.
    """
    import numpy as np

    from ..theory import snr_map
    from .bench import measure

    axis = np.geomspace(1e-3, 1.0, _POINTS)
    column, row = axis[:, None], axis[None]
    out = np.empty((_POINTS, _POINTS))

    def broadcast():
        q = np.exp(-_RATE * row)
        return np.sqrt(2 * column * _RATE * _N) * q / np.sqrt(1 - q) * (1 - np.exp(-row / column))

    if not np.allclose(snr_map(_N, _RATE, axis, axis, out=out), broadcast(), rtol=1e-10):
        raise RuntimeError("the map and the broadcast formula disagree")

    def per_point(function):
        # several calls a measurement: one lasts 2 ms only
        return measure(lambda: [function() for _ in range(5)], repeat)["median_s"] / 5 / _POINTS**2 * 1e9

    exponent = -np.linspace(1e-3, 1.0, 4096)
    value = per_point(lambda: snr_map(_N, _RATE, axis, axis, out=out))
    peer = per_point(broadcast)
    return {
        "workload": "w6",
        "value": value,
        "unit": "ns/point",
        "goal": 1.0,
        "threads": 1,
        "higher_is_better": False,
        "peer": "NumPy broadcast",
        "peer_value": peer,
        "ratio": peer / value,
        "allocating": per_point(lambda: snr_map(_N, _RATE, axis, axis)),
        "exponential": _exponential(exponent, repeat),
    }


def _exponential(x, repeat):
    """Nanoseconds of one vectorised exponential in cache: the machine's reference for this workload."""
    import numpy as np

    from ..runtime.jit import kernel
    from ..runtime.vmath import exp
    from .bench import measure

    @kernel
    def fill(x, out):
        for i in range(x.size):
            out[i] = exp(x[i])

    out = np.empty_like(x)
    return measure(lambda: [fill(x, out) for _ in range(500)], repeat)["median_s"] / 500 / x.size * 1e9
