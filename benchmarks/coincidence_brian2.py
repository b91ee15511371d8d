"""Model A of coincidence detection (Masquelier 2018) in Brian2 (C++ standalone) and in firstspike, in one run.

One LIF neuron, 10 000 afferents at 3.2 Hz, a 100 ms pattern in every 400 ms; additive STDP with a homeostatic loss at
output spikes. Both get the same spikes, on a grid of 0.1 ms, at most one an afferent and step (Brian2's demand), and
the same numbers. Brian2 by default tests the threshold before it delivers the input of a step, and changes weights one
step after an output spike. Here its order is set to: decay, input, threshold, change of weights, reset, as in the
model; firstspike tests after each spike of a step, its clock-driven twin once a step. Prints one JSON document.

    python -m venv b2 && b2/bin/pip install brian2 "numpy<2.3" -e .
    b2/bin/python benchmarks/coincidence_brian2.py
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time

import numpy as np

DT = 1e-4
N, TAU, TAU_PLUS, A_PLUS = 10_000, 18e-3, 20e-3, 0.01
THRESHOLD, W0, W_OUT = 252.59567745, 0.46599307, 0.00162475


def make_input(n_periods):
    """Steps and afferents, by (step, afferent), each pair once."""
    from firstspike.datasets.patterns import PatternInput, fill_period, frozen_patterns

    params = PatternInput()
    patterns = frozen_patterns([0], params)
    step, unit = [], []
    for k in range(n_periods):
        times, units, counts = fill_period([0], params, patterns, k)
        step.append(np.floor(times[0, : counts[0]] / DT).astype(np.int64))
        unit.append(units[0, : counts[0]].astype(np.int64))
    code = np.unique(np.concatenate(step) * N + np.concatenate(unit))
    return code // N, code % N


def run_firstspike(step, unit, duration, repeat):
    """Seconds of each run, output times, final weights; input in chunks of about 8 s."""
    from firstspike.plasticity.events import LIF, advance, init_state
    from firstspike.plasticity.rules.trace import Additive

    edges = np.searchsorted(step, np.linspace(0, round(duration / DT), max(round(duration / 8.0), 1) + 1))
    chunks = [
        ((step[a:b] * DT)[None], unit[a:b].astype(np.int32)[None], np.array([b - a]))
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]
    lif, rule = LIF(tau_m=TAU, threshold=THRESHOLD), Additive(A_PLUS, W_OUT, TAU_PLUS)
    seconds = []
    for _ in range(repeat + 1):  # the first one compiles
        state = init_state(np.full((1, 1, N), W0))
        start = time.process_time()
        out = [advance(state, *chunk, lif, rule)[2] for chunk in chunks]
        seconds.append(time.process_time() - start)
    return seconds[1:], np.concatenate(out), state["weights"][0, 0]


def run_clock(step, unit, duration):
    """Output times and final weights of the clock-driven twin."""
    from firstspike.plasticity.events import LIF, advance_clock, init_state
    from firstspike.plasticity.rules.trace import Additive

    state = init_state(np.full((1, 1, N), W0))
    lif, rule = LIF(tau_m=TAU, threshold=THRESHOLD), Additive(A_PLUS, W_OUT, TAU_PLUS)
    chunk = ((step + 0.5) * DT)[None], unit.astype(np.int32)[None], np.array([step.size])
    return advance_clock(state, *chunk, lif, rule, dt=DT, stop=duration)[2], state["weights"][0, 0]


def run_brian2(step, unit, duration, repeat, folder):
    """Seconds of each process and of its loop alone, seconds to build, output times, final weights."""
    import logging

    import brian2 as b

    logging.disable(logging.WARNING)
    b.set_device("cpp_standalone", build_on_run=False, directory=folder)
    b.defaultclock.dt = DT * b.second
    names = dict(tau=TAU * b.second, tau_plus=TAU_PLUS * b.second, a_plus=A_PLUS, w_out=W_OUT, theta=THRESHOLD)
    source = b.SpikeGeneratorGroup(N, unit, step * DT * b.second, dt=DT * b.second)
    neuron = b.NeuronGroup(
        1, "dv/dt = -v / tau : 1", threshold="v >= theta", reset="v = 0", method="exact", namespace=names
    )
    synapses = b.Synapses(
        source,
        neuron,
        "w : 1\ndx/dt = -x / tau_plus : 1 (event-driven)",
        on_pre="v_post += w\nx += 1",
        on_post="w = clip(w + a_plus * x, 0, 1)\nw = clip(w - w_out, 0, 1)",
        namespace=names,
    )
    synapses.connect(True)
    synapses.w = W0
    # Slots of a step: groups (decay), thresholds (the source's spikes), synapses (input), then by hand:
    neuron.thresholder["spike"].when = "after_synapses"
    synapses.post.when = "before_resets"
    spikes = b.SpikeMonitor(neuron)
    spikes.when = "end"
    network = b.Network(source, neuron, synapses, spikes)
    network.run(duration * b.second)
    start = time.perf_counter()
    b.device.build(directory=folder, run=False, with_output=False)
    build = time.perf_counter() - start
    whole, loop = [], []
    for _ in range(repeat):
        start = time.perf_counter()
        b.device.run(directory=folder, with_output=False)
        whole.append(time.perf_counter() - start)
        loop.append(b.device._last_run_time)
    return whole, loop, build, np.array(spikes.t / b.second), np.array(synapses.w)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--periods", type=int, default=200, help="of 0.4 s")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    import brian2

    import firstspike

    step, unit = make_input(options.periods)
    duration, events = options.periods * 0.4, step.size
    folder = tempfile.mkdtemp()
    try:
        whole, loop, build, brian_t, brian_w = run_brian2(step, unit, duration, options.repeat, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds, own_t, own_w = run_firstspike(step, unit, duration, options.repeat)
    clock_t, clock_w = run_clock(step, unit, duration)

    def per_event(values):
        return {"median": statistics.median(values) / events * 1e9, "least": min(values) / events * 1e9}

    row = {
        "model": "coincidence A",
        "events": events,
        "biological_s": duration,
        "threads": 1,
        "firstspike_ns_per_event": per_event(seconds),
        "brian2_loop_ns_per_event": per_event(loop),
        "brian2_process_ns_per_event": per_event(whole),
        "ratio_loop": statistics.median(loop) / statistics.median(seconds),
        "ratio_loop_least": min(loop) / min(seconds),
        "brian2_build_s": build,
        "output_rate_hz": {
            "firstspike": own_t.size / duration,
            "brian2": brian_t.size / duration,
            "firstspike_clock": clock_t.size / duration,
        },
        "selected_afferents": {
            "firstspike": int((own_w > 0.5).sum()),
            "brian2": int((brian_w > 0.5).sum()),
            "firstspike_clock": int((clock_w > 0.5).sum()),
        },
        "same_selection_as_brian2": {
            "firstspike": float(((own_w > 0.5) == (brian_w > 0.5)).mean()),
            "firstspike_clock": float(((clock_w > 0.5) == (brian_w > 0.5)).mean()),
        },
        "versions": {"brian2": brian2.__version__, "firstspike": firstspike.__version__, "numpy": np.__version__},
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main()
