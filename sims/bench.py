"""``firstspike bench``: small fixed workloads, measured through the public functions, beside their goals.

A workload is a function ``(threads, repeat) -> dict`` with the keys ``workload, value, unit, goal, threads,
higher_is_better`` and whatever else it wants to tell. Times are process CPU seconds (wall seconds with more than one
thread), medians after one run that is not counted.
"""

import json
from importlib import import_module

import click

__all__ = ["WORKLOADS", "command", "measure"]

#: name -> (module, function, one line)
WORKLOADS = {
    "coincidence": ("bench_coincidence", "coincidence", "model A: one neuron, STDP, input generated on the way"),
    "w1a": ("bench_poisson", "w1a", "pair STDP: one neuron, 10 000 Poisson afferents"),
    "w1b": ("bench_poisson", "w1b", "pair STDP: ten neurons on the same input"),
    "w1c": ("bench_poisson", "w1c", "pair STDP: a hundred neurons on the same input"),
    "founding": ("bench_founding", "founding", "model C: double-exponential neuron, reduced pairs, no time grid"),
    "w2a": ("bench_waves", "w2a", "three-layer latency network: inference, images to classes"),
    "w2b": ("bench_waves", "w2b", "three-layer latency network: learning, each layer"),
    "w2c": ("bench_waves", "w2c", "two-layer latency network: inference and learning of layers 1 and 2"),
    "w3a": ("bench_layers", "w3a", "a million spiking neurons over 16 steps: forwards and backwards"),
    "w3b": ("bench_layers", "w3b", "a million spiking neurons over 16 steps: forwards"),
    "w4a": ("bench_delays", "w4a", "layers with delays: forward passes"),
    "w4b": ("bench_delays", "w4b", "layers with delays: forward and backward passes of three layers"),
    "w4c": ("bench_delays", "w4c", "layers with delays: inference with whole delays"),
    "w5a": ("bench_latency", "w5a", "one-spike network 784-400-10: an image evaluated"),
    "w5b": ("bench_latency", "w5b", "one-spike network 784-400-10: an image learnt from, with decay"),
    "w6": ("bench_theory", "w6", "map of the signal-to-noise ratio over a million points"),
}


def measure(function, repeat=5, threads=1):
    """Median, least and largest seconds of `repeat` calls after one that is not counted, with so many threads."""
    import time

    from ..runtime.threads import n_threads

    clock = time.process_time if threads == 1 else time.perf_counter
    seconds = []
    with n_threads(threads):
        function()
        for _ in range(repeat):
            start = clock()
            function()
            seconds.append(clock() - start)
    seconds.sort()
    return {"median_s": seconds[len(seconds) // 2], "min_s": seconds[0], "max_s": seconds[-1], "repeat": repeat}


@click.command(help="Measure WORKLOAD (default all): " + ", ".join(WORKLOADS) + ".", short_help="Speed against goals.")
@click.argument("workload", required=False, type=click.Choice(list(WORKLOADS)))
@click.option("-j", "--jobs", default=1, show_default=True, type=click.IntRange(1), help="Threads.")
@click.option("--repeat", default=5, show_default=True, type=click.IntRange(1), help="Counted runs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(workload, jobs, repeat, as_json):  # noqa: D103
    from ..runtime.provenance import cpu_model

    rows = []
    for name in [workload] if workload else WORKLOADS:
        module, function, line = WORKLOADS[name]
        row = getattr(import_module(f".{module}", __package__), function)(threads=jobs, repeat=repeat)
        rows.append(row | {"cpu_model": cpu_model()})
        if not as_json:
            reached = row["value"] >= row["goal"] if row["higher_is_better"] else row["value"] <= row["goal"]
            mark = "reached" if reached else "missed"
            click.echo(f"{name:12} {row['value']:10.4g} {row['unit']:10} goal {row['goal']:g} {mark}   ({line})")
            head = {"workload", "value", "unit", "goal", "threads", "higher_is_better"}
            for key in sorted(row.keys() - head):
                click.echo(
                    f"{'':12} {key}: {row[key]:.4g}" if isinstance(row[key], float) else f"{'':12} {key}: {row[key]}"
                )
    if as_json:
        click.echo(json.dumps(rows[0] if workload else rows))
