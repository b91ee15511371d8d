"""Workload founding: model C (2008) as a user runs it, one neuron, learning on, from the start.

N = 2000 afferents at 64 Hz; 40 s of input made, then played twice: the first 12 s are the search, with 60 output spikes
per second, the rest is the detector, with five (in the experiment: 450 s). An input event is one spike that reaches the
neuron. Measured through ``Tape.read`` and ``advance_srm``, their checks included.
"""

__all__ = ["founding"]

_SLOTS, _REPLAYS, _WEIGHT = 800, 2, 0.475


def founding(threads=1, repeat=5):
    """Nanoseconds an input event: reading and engine (``value``), engine alone, after the search, making of the input.

    With more threads each takes one run (seed), and the times are wall times over the events of all.
    """
    from concurrent.futures import ThreadPoolExecutor
    from statistics import median

    from ..datasets.slots import SlotInput
    from ..datasets.tape import Tape

    Tape(0, SlotInput(n_slots=20)).make(1)  # compiles
    rows, making = [], []
    with ThreadPoolExecutor(threads) as pool:
        spread = pool.map if threads > 1 else map
        for k in range(repeat + 1):
            parts = list(spread(lambda seed: _simulate(seed, threads > 1), range(threads)))
            if k:
                rows.append([max(p[i] for p in parts) / sum(p[4] for p in parts) * 1e9 for i in range(2)])
                rows[-1].append(max(p[2] for p in parts) / sum(p[4] for p in parts) * _REPLAYS * 1e9)
                making.append(max(p[3] for p in parts) / sum(p[4] for p in parts) * _REPLAYS * 1e9)
    reading, engine, late = (median(column) for column in zip(*rows, strict=True))
    return {
        "workload": "founding",
        "value": median(a + b for a, b, _ in rows),
        "unit": "ns/event",
        "goal": 15.0,
        "threads": threads,
        "higher_is_better": False,
        "value_engine": engine,
        "engine_after_search": late,
        "reading": reading,
        "generation": median(making),
        "least": min(a + b for a, b, _ in rows),
        "least_engine_after_search": min(c for *_, c in rows),
        "least_generation": min(making),
        "events": int(parts[0][4]),
        "output_spikes": int(parts[0][5]),
        "repeat": repeat,
    }


def _simulate(seed, wall):
    """Seconds of reading, of the engine, of its last replay, of making the input; events, output spikes."""
    import time

    import numpy as np

    from ..datasets.slots import SlotInput
    from ..datasets.tape import Tape
    from ..plasticity.events import SRM, advance_srm, init_srm
    from ..plasticity.rules.trace import ReducedPair

    clock = time.perf_counter if wall else time.thread_time
    tape, start = Tape(seed, SlotInput(n_slots=_SLOTS)), clock()
    tape.make(tape.n_slices)
    making = clock() - start
    state, srm, rule = init_srm(np.full((1, 1, 2000), _WEIGHT)), SRM(), ReducedPair()
    chunk, reading, stepping, late, events, spikes = None, 0.0, 0.0, 0.0, 0, 0
    for replay in range(_REPLAYS):
        for k in range(tape.n_slices):
            start = clock()
            chunk = tape.read(k, replay, chunk)
            middle = clock()
            spikes += advance_srm(state, *chunk, srm, rule)[0].size
            end = clock()
            reading, stepping = reading + middle - start, stepping + end - middle
            late += end - middle if replay == _REPLAYS - 1 else 0.0
            events += int(chunk[2][0])
    return reading, stepping, late, making, events, spikes
