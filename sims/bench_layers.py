"""Speed of spiking neurons over time steps: a million LIF neurons, 16 steps, forwards and backwards.

v <- v + (x - v) / 2, theta = 1, hard reset to 0, detached; arctan surrogate of slope 2; x uniform in 0..2.2, dense
gradient of the spikes, float32. Measured through the public functions, their checks included.

    w3a    forwards, h kept, and backwards; arrays are given (:class:`~firstspike.plasticity.layers.neurons.Work`)
    w3b    forwards only, nothing kept but a reference to x; the array of spikes is given

``value``: nanoseconds a neuron and step. w3a writes h over x and dx over h, 22 bytes of traffic a step; ``separate``:
h in an array of its own, 26 bytes; ``allocating``: all arrays new, as plain calls make them; ``again``: h computed
again on the way back. ``triad_gb_s``: x = y + s z over 64 MB arrays, 12 bytes a number counted, in the same run;
``limit``: 24 bytes (w3b: 5) at that rate; ``share`` = limit / value, above 1 where less traffic than that is needed.
"""

__all__ = ["SETTINGS", "inputs", "triad", "w3a", "w3b"]

STEPS, NEURONS = 16, 1_000_000
SETTINGS = {"tau": 2.0, "detach_reset": True, "surrogate": ("atan", 2.0)}
GOALS_A, GOAL_B = {1: 1.3, 2: 0.85}, 0.4


def inputs(steps=STEPS, neurons=NEURONS, seed=0):
    """Currents and gradients of spikes, (steps, neurons) float32."""
    import numpy as np

    from ..runtime import rng

    x = (2.2 * rng.uniforms(seed, "bench/currents", (steps, neurons))).astype(np.float32)
    return x, rng.uniforms(seed, "bench/gradients", (steps, neurons)).astype(np.float32)


def w3a(threads=1, repeat=5):
    """Forward and backward pass, in place; see the head of this file."""
    import numpy as np

    from ..plasticity.layers.neurons import Work, lif_backward, lif_forward
    from ..plasticity.layers.pairs import Mode

    x, ds = inputs()
    train = Mode(train=True)
    spikes, h = np.empty(x.shape, np.uint8), np.empty_like(x)

    def both(x, work=None, **keep):
        s, saved = lif_forward({}, x, train, **SETTINGS, work=work, **keep)
        lif_backward({}, saved, ds)

    cases = {
        "value": (lambda u: both(u, Work(spikes, u, u)), x),
        "separate": (lambda u: both(u, Work(spikes, h, h)), x),
        "allocating": (both, x),
        "again": (lambda u: both(u, Work(spikes, None, h), keep="x"), x),
    }
    times = _times(cases, threads, repeat, x.size)
    return _row("w3a", threads, times, GOALS_A.get(threads, GOALS_A[2]), 24)


def w3b(threads=1, repeat=5):
    """Forward pass alone; see the head of this file."""
    import numpy as np

    from ..plasticity.layers.neurons import Work, lif_forward

    x, _ = inputs()
    spikes = np.empty(x.shape, np.uint8)
    cases = {
        "value": (lambda u: lif_forward({}, u, **SETTINGS, work=Work(spikes)), x),
        "allocating": (lambda u: lif_forward({}, u, **SETTINGS), x),
    }
    times = _times(cases, threads, repeat, x.size)
    return _row("w3b", threads, times, GOAL_B, 5)


def _times(cases, threads, repeat, n_values):
    """{name: median nanoseconds}; each call gets a fresh copy of the input, which is not timed."""
    import time

    import numpy as np

    from ..runtime.threads import n_threads

    clock = time.process_time if threads == 1 else time.perf_counter
    out = {}
    with n_threads(threads):
        for name, (function, x) in cases.items():
            seconds, u = [], np.empty_like(x)
            for _ in range(repeat + 1):
                u[:] = x
                start = clock()
                function(u)
                seconds.append(clock() - start)
            out[name] = sorted(seconds[1:])[repeat // 2] / n_values * 1e9
            out[f"{name}_min"] = min(seconds[1:]) / n_values * 1e9
    return out


def triad(repeat=5, n=16_000_000):
    """Gigabytes a second of x = y + s z, float32, one thread."""
    import numpy as np

    from ..runtime.jit import kernel
    from .bench import measure

    @kernel
    def run(x, y, z, s):
        for i in range(x.size):
            x[i] = y[i] + s * z[i]

    x, y, z = (np.ones(n, np.float32) for _ in range(3))
    return 12 * n / measure(lambda: run(x, y, z, np.float32(0.5)), repeat)["median_s"] / 1e9


def _row(name, threads, times, goal, n_bytes):
    rate = triad()
    limit = n_bytes / rate
    return {
        "workload": name,
        "value": times.pop("value"),
        "unit": "ns/step",
        "goal": goal,
        "threads": threads,
        "higher_is_better": False,
        **times,
        "triad_gb_s": rate,
        "limit": limit,
        "share": limit / times["value_min"],
    }
