"""Pair STDP under Poisson input (bench w1a, w1b, w1c) in Brian2 (C++ standalone) and in firstspike, in one run.

M LIF neurons on 10 000 afferents at 3.2 Hz, 10 s on a grid of 0.1 ms; see sims/bench_poisson.py. Both get the same
spikes and first weights. Brian2's order in a step is set to that of the model: decay, input, threshold, change of
weights, reset (by default it tests the threshold before the input of a step, which lowers the output rate by a third).
Prints one JSON document.

    python -m venv b2 && b2/bin/pip install brian2 "numpy<2.3" -e .
    b2/bin/python benchmarks/poisson_brian2.py --neurons 1,10
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time

import numpy as np

from firstspike.sims.bench_poisson import make_input, make_model

STEP, SECONDS, N = 1e-4, 10.0, 10_000


def run_firstspike(times, units, n_neurons, repeat, dtype):
    """Seconds of each run, output spikes, final weights."""
    from firstspike.plasticity.events.lanes import advance_lanes, init_lanes, lane_weights

    weights, lif, rule = make_model(n_neurons)
    seconds = []
    for _ in range(repeat + 1):  # the first one compiles
        state = init_lanes(weights.astype(dtype), rule)
        start = time.process_time()
        out = advance_lanes(state, times, units, lif, rule, step=STEP)
        seconds.append(time.process_time() - start)
    return seconds[1:], out, lane_weights(state, rule)


def run_brian2(times, units, n_neurons, repeat, folder):
    """Seconds of each process and of its loop alone, output spikes, final weights."""
    import logging

    import brian2 as b

    logging.disable(logging.WARNING)
    b.device.reinit()
    b.device.activate()
    b.set_device("cpp_standalone", build_on_run=False, directory=folder)
    b.defaultclock.dt = STEP * b.second
    weights, lif, rule = make_model(n_neurons)
    names = dict(tau=lif.tau_m * b.second, tp=rule.tau_plus * b.second, tm=rule.tau_minus * b.second)
    names |= dict(up=rule.a_plus, down=rule.a_minus, theta=lif.threshold)
    source = b.SpikeGeneratorGroup(N, units, times * b.second, dt=STEP * b.second)
    neuron = b.NeuronGroup(
        n_neurons, "dv/dt = -v / tau : 1", threshold="v >= theta", reset="v = 0", method="exact", namespace=names
    )
    synapses = b.Synapses(
        source,
        neuron,
        "w : 1\ndx/dt = -x / tp : 1 (event-driven)\ndy/dt = -y / tm : 1 (event-driven)",
        on_pre="v_post += w\nw = clip(w - down * y, 0, 1)\nx += 1",
        on_post="w = clip(w + up * x, 0, 1)\ny += 1",
        namespace=names,
    )
    synapses.connect(True)
    synapses.w = weights.T.astype(float).ravel()
    neuron.thresholder["spike"].when = "after_synapses"
    synapses.post.when = "before_resets"
    spikes = b.SpikeMonitor(neuron)
    spikes.when = "end"
    network = b.Network(source, neuron, synapses, spikes)
    network.run(SECONDS * b.second)
    b.device.build(directory=folder, run=False, with_output=False)
    whole, loop = [], []
    for _ in range(repeat):
        start = time.perf_counter()
        b.device.run(directory=folder, with_output=False)
        whole.append(time.perf_counter() - start)
        loop.append(b.device._last_run_time)
    out = np.array(spikes.i), np.array(spikes.t / b.second)
    return whole, loop, out, np.array(synapses.w).reshape(N, n_neurons).T


def same_spikes(ours, theirs):
    """Share of output spikes that both have at the same neuron and step."""
    sets = [set(zip(i.tolist(), np.rint(t / STEP).astype(int).tolist(), strict=True)) for i, t in (ours, theirs)]
    return len(sets[0] & sets[1]) / max(len(sets[0] | sets[1]), 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", default="1,10")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    import brian2

    import firstspike

    times, units = make_input()
    rows = []
    for m in map(int, options.neurons.split(",")):
        folder = tempfile.mkdtemp()
        try:
            whole, loop, theirs, their_w = run_brian2(times, units, m, options.repeat, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        seconds, ours, our_w = run_firstspike(times, units, m, options.repeat, np.float32)
        _, double, double_w = run_firstspike(times, units, m, 0, np.float64)
        events = times.size * m
        parts = {"firstspike": seconds, "brian2_loop": loop, "brian2_process": whole}
        row = {"neurons": m, "events": events, "threads": 1}
        for name, values in parts.items():
            row[f"{name}_ns_per_event"] = {
                "median": statistics.median(values) / events * 1e9,
                "least": min(values) / events * 1e9,
            }
        row["ratio_loop"] = statistics.median(loop) / statistics.median(seconds)
        row["ratio_loop_least"] = min(loop) / min(seconds)
        row["output_rate_hz"] = {"firstspike": ours[0].size / SECONDS / m, "brian2": theirs[0].size / SECONDS / m}
        row["same_spikes_as_brian2"] = {"float32": same_spikes(ours, theirs), "float64": same_spikes(double, theirs)}
        row["largest_weight_difference"] = {
            "float32": float(abs(our_w - their_w).max()),
            "float64": float(abs(double_w - their_w).max()),
        }
        rows.append(row)
    versions = {"brian2": brian2.__version__, "firstspike": firstspike.__version__, "numpy": np.__version__}
    print(json.dumps({"model": "pair STDP under Poisson input", "rows": rows, "versions": versions}))


if __name__ == "__main__":
    main()
