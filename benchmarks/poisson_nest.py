"""Pair STDP under Poisson input (bench w1a, w1b) in NEST and in firstspike, in one run.

M iaf_psc_delta neurons and stdp_synapse (all-to-all pairing, additive) on 10 000 afferents at 3.2 Hz, 10 s on a grid of
0.1 ms, the same spikes and first weights for both. NEST delivers spikes after a delay of 1 ms and has a refractory time
of one step, so rates agree but single spikes do not. Prints one JSON document.

    python -m venv nest && nest/bin/pip install nest-simulator -e .
    nest/bin/python benchmarks/poisson_nest.py --neurons 1
"""

import argparse
import json
import os
import statistics
import sys
import time

import numpy as np

from firstspike.sims.bench_poisson import make_input, make_model

STEP, SECONDS, N, DELAY = 1e-4, 10.0, 10_000, 1.0  # DELAY in ms


def run_firstspike(times, units, n_neurons, repeat):
    """Seconds of each run, output rate."""
    from firstspike.plasticity.events.lanes import advance_lanes, init_lanes

    weights, lif, rule = make_model(n_neurons)
    seconds = []
    for _ in range(repeat + 1):  # the first one compiles
        state = init_lanes(weights, rule)
        start = time.process_time()
        out = advance_lanes(state, times, units, lif, rule, step=STEP)
        seconds.append(time.process_time() - start)
    return seconds[1:], out[0].size / SECONDS / n_neurons


def run_nest(nest, times, units, n_neurons, repeat):
    """Processor seconds of each run, output rate."""
    weights, lif, rule = make_model(n_neurons)
    order = np.argsort(units, kind="stable")
    edges = np.searchsorted(units[order], np.arange(N + 1))
    at = np.rint((times[order] + STEP) * 1e4) / 10  # ms, from one step on
    trains = [dict(spike_times=at[a:b], allow_offgrid_times=True) for a, b in zip(edges, edges[1:], strict=False)]
    seconds, rate = [], 0.0
    for _ in range(repeat):
        nest.ResetKernel()
        nest.verbosity = nest.VerbosityLevel.ERROR if hasattr(nest, "VerbosityLevel") else 30
        nest.resolution = STEP * 1e3
        source = nest.Create("spike_train_injector", N, params=trains)
        neuron = dict(tau_m=lif.tau_m * 1e3, E_L=0.0, V_reset=0.0, V_th=lif.threshold, V_m=0.0, C_m=1.0, I_e=0.0)
        neuron |= dict(t_ref=STEP * 1e3, tau_minus=rule.tau_minus * 1e3)
        target = nest.Create("iaf_psc_delta", n_neurons, params=neuron)
        synapse = dict(synapse_model="stdp_synapse", Wmax=1.0, mu_plus=0.0, mu_minus=0.0, delay=DELAY)
        synapse |= {"lambda": rule.a_plus, "alpha": rule.a_minus / rule.a_plus, "tau_plus": rule.tau_plus * 1e3}
        nest.Connect(source, target, "all_to_all", syn_spec=synapse | {"weight": weights.astype(float)})
        recorder = nest.Create("spike_recorder")
        nest.Connect(target, recorder)
        nest.Simulate(DELAY)
        start = time.process_time()
        nest.Simulate(SECONDS * 1e3)
        seconds.append(time.process_time() - start)
        rate = recorder.n_events / SECONDS / n_neurons
    return seconds, rate


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", default="1")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    keep = os.dup(1)
    os.dup2(2, 1)  # NEST greets on the standard output
    import nest

    times, units = make_input()
    rows = []
    for m in map(int, options.neurons.split(",")):
        theirs, their_rate = run_nest(nest, times, units, m, options.repeat)
        ours, our_rate = run_firstspike(times, units, m, options.repeat)
        events = times.size * m
        row = {"neurons": m, "events": events, "threads": 1, "output_rate_hz": {"firstspike": our_rate}}
        row["output_rate_hz"]["nest"] = their_rate
        for name, values in (("firstspike", ours), ("nest", theirs)):
            row[f"{name}_ns_per_event"] = {
                "median": statistics.median(values) / events * 1e9,
                "least": min(values) / events * 1e9,
            }
        row["ratio"] = statistics.median(theirs) / statistics.median(ours)
        rows.append(row)
    sys.stdout.flush()
    os.dup2(keep, 1)
    print(json.dumps({"model": "pair STDP under Poisson input", "rows": rows, "nest": nest.__version__}))


if __name__ == "__main__":
    main()
