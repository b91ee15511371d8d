"""Workloads w1a, w1b, w1c: pair STDP of 1, 10 and 100 neurons on the same 10 000 Poisson afferents.

10 000 afferents at 3.2 Hz, 10 s on a grid of 0.1 ms, at most one spike an afferent and step; tau_m = 10 ms, threshold
2.5 standard deviations above the mean potential at the start, weights uniform in 0..1; additive pair rule, a_plus =
0.001, a_minus = 0.00105, both time constants 20 ms. A synaptic event is one input spike that reaches a neuron. Measured
through `advance_lanes`, its checks included; the input is made before.
"""

__all__ = ["w1a", "w1b", "w1c"]

_N, _RATE, _SECONDS, _STEP = 10_000, 3.2, 10.0, 1e-4


def make_input(n_afferents=_N, rate=_RATE, seconds=_SECONDS):
    """Times (s) and afferents of the spikes, each afferent at most once a step."""
    import numpy as np

    from ..datasets.poisson import fill_poisson

    times, units, counts = fill_poisson([0], n_afferents, rate, 0.0, seconds)
    steps = np.floor(times[0, : counts[0]] / _STEP).astype(np.int64)
    code = np.sort(steps * n_afferents + units[0, : counts[0]])
    code = code[np.diff(code, prepend=-1) > 0]
    return code // n_afferents * _STEP, (code % n_afferents).astype(np.int32)


def make_model(n_neurons, n_afferents=_N, rate=_RATE):
    """First weights (float32), neuron and rule."""
    from ..plasticity.events import LIF
    from ..plasticity.rules.trace import Pair
    from ..runtime.rng import uniforms

    drive = n_afferents * rate * 10e-3
    weights = uniforms(0, "bench weights", (n_neurons, n_afferents)).astype("float32")
    return weights, LIF(10e-3, drive / 2 + 2.5 * (drive / 6) ** 0.5), Pair()


def _measure(workload, n_neurons, goals, threads, repeat):
    import time

    from ..plasticity.events.lanes import advance_lanes, init_lanes
    from .bench_coincidence import _random_access

    (times, units), (weights, lif, rule) = make_input(), make_model(n_neurons)
    clock = time.process_time if threads == 1 else time.perf_counter
    seconds, n_out = [], 0
    for _ in range(max(repeat, 3) + 1):  # the first compiles
        state = init_lanes(weights, rule)
        start = clock()
        neuron, _ = advance_lanes(state, times, units, lif, rule, step=_STEP, threads=threads)
        seconds.append(clock() - start)
        n_out = neuron.size
    events = times.size * n_neurons
    ordered = sorted(s / events * 1e9 for s in seconds[1:])
    return {
        "workload": workload,
        "value": ordered[len(ordered) // 2],
        "unit": "ns/event",
        "goal": goals[0] if threads == 1 else goals[1],
        "threads": threads,
        "higher_is_better": False,
        "least": ordered[0],
        "reference": _random_access(repeat),
        "output_rate_hz": n_out / n_neurons / _SECONDS,
        "events": events,
        "repeat": len(ordered),
    }


def w1a(threads=1, repeat=5):
    """One neuron. ``reference``: a random read-modify-write in a table of 80 kB, the bound of a single neuron."""
    return _measure("w1a", 1, (3.2, 3.2), threads, repeat)


def w1b(threads=1, repeat=5):
    """Ten neurons on the same input."""
    return _measure("w1b", 10, (1.8, 1.8), threads, repeat)


def w1c(threads=1, repeat=5):
    """A hundred neurons on the same input."""
    return _measure("w1c", 100, (1.0, 0.65), threads, repeat)
