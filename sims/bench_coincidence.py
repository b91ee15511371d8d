"""Workload coincidence: model A (2017) as a user runs it, input generated on the way, learning on.

N = 10 000 afferents at 3.2 Hz, pattern of 100 ms once in 400 ms, one neuron (the example with threshold
1.1**-5 V_max, which never falls silent), four runs (seeds) of 200 periods from the start, one after the other, twenty
periods in a chunk. An input event is one spike that reaches one neuron. Measured through `fill_period` and `advance`,
their checks included.
"""

__all__ = ["coincidence"]

_RUNS, _PERIODS, _CHUNK = 4, 200, 20
_THRESHOLD, _WEIGHT, _W_OUT = 252.59567745, 0.46599307, 0.00162475


def coincidence(threads=1, repeat=5):
    """Nanoseconds an input event: all (``value``), the engine alone, the generation alone.

    With more threads the runs are shared out among them, and the times are wall times. ``reference``: one random
    read-modify-write of a float64 in a table of 80 kB, the bound of event-driven learning on this machine.
    """
    from concurrent.futures import ThreadPoolExecutor
    from statistics import median

    import numpy as np

    from ..datasets.patterns import PatternInput
    from ..plasticity.events import LIF
    from ..plasticity.rules.trace import Additive

    model = PatternInput(), LIF(tau_m=18e-3, threshold=_THRESHOLD), Additive(a_plus=0.01, w_out=_W_OUT)
    parts = [[seed for seed in range(_RUNS) if seed % threads == i] for i in range(min(threads, _RUNS))]
    with ThreadPoolExecutor(len(parts)) as pool:
        spread = pool.map if threads > 1 else map

        def part(seeds, periods):
            return np.sum([_simulate([seed], periods, *model, threads > 1) for seed in seeds], axis=0)

        def once(periods):
            rows = np.array(list(spread(lambda seeds: part(seeds, periods), parts)))
            return rows[:, :2].sum(axis=0), rows[:, 2:].max(axis=0)

        once(_CHUNK)
        rows = []
        for _ in range(repeat):
            (events, spikes), seconds = once(_PERIODS)
            rows.append(seconds / events * 1e9)
    generation, engine = (median(column) for column in zip(*rows, strict=True))
    totals = [sum(row) for row in rows]
    return {
        "workload": "coincidence",
        "value": median(totals),
        "unit": "ns/event",
        "goal": 10.0,
        "threads": threads,
        "higher_is_better": False,
        "value_engine": engine,
        "goal_engine": 4.0,
        "generation": generation,
        "least": min(totals),
        "reference": _random_access(repeat),
        "output_rate_hz": float(spikes) / (_RUNS * _PERIODS * model[0].period),
        "events": int(events),
        "repeat": repeat,
    }


def _simulate(seeds, periods, source, lif, rule, wall):
    """Events, output spikes, seconds of generation, seconds of the engine."""
    import time

    import numpy as np

    from ..datasets.patterns import fill_period, frozen_patterns
    from ..plasticity.events import advance, init_state

    clock = time.perf_counter if wall else time.process_time
    patterns = frozen_patterns(seeds, source)
    state = init_state(np.full((len(seeds), 1, source.n_afferents), _WEIGHT))
    chunk, events, spikes, making, stepping = None, 0, 0, 0.0, 0.0
    for k in range(0, periods, _CHUNK):
        start = clock()
        chunk = fill_period(seeds, source, patterns, k, n_periods=_CHUNK, out=chunk)
        middle = clock()
        run, _, _ = advance(state, *chunk, lif, rule)
        making, stepping = making + middle - start, stepping + clock() - middle
        events, spikes = events + chunk[2].sum(), spikes + run.size
    return events, spikes, making, stepping


def _random_access(repeat):
    """Nanoseconds of one random read-modify-write in a table of 10 000 float64."""
    import numpy as np

    from ..runtime.jit import kernel
    from ..runtime.rng import uniforms
    from .bench import measure

    @kernel
    def touch(table, index):
        for i in index:
            table[i] += 1.0

    index = (uniforms(0, "bench", 100_000) * 10_000).astype(np.uint32)
    table = np.zeros(10_000)
    return measure(lambda: touch(table, index), max(repeat, 5))["median_s"] / index.size * 1e9
