"""firstspike beside the DCLS package on torch: the same layers, inputs and gradients; prints one JSON document.

    python benchmarks/delays_dcls.py [--threads 1] [--repeat 5] [--density 0.05] [--python OTHER/bin/python]

Needs torch and the package DCLS, in the environment of firstspike or in that of `--python`; the peer runs in a child
process, before firstspike. Layers, spikes and S are those of ``firstspike bench w4a``: 140 -> 256 -> 256 -> 20, delays
up to 25 steps, 64 samples of 100 steps. Outputs, and the gradients of inputs, weights and positions, are compared.
Times are CPU seconds (wall seconds with more than one thread), medians; both make their kernels anew in each run.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def seconds(function, repeat, threads):
    """Median, least of `repeat` calls after one that is not counted."""
    clock = time.process_time if threads == 1 else time.perf_counter
    function()
    taken = []
    for _ in range(repeat):
        start = clock()
        function()
        taken.append(clock() - start)
    return sorted(taken)[repeat // 2], min(taken)


def peer(folder, threads, repeat):
    """Run the layers of the files in `folder` by torch and DCLS; results go there, too."""
    import torch
    from DCLS.construct.modules import Dcls1d
    from torch.nn import functional

    torch.set_num_threads(threads)
    times = {}
    for file in sorted(folder.glob("layer*.npz")):
        data = {key: torch.from_numpy(value) for key, value in np.load(file).items()}
        k, first = int(data["k"]), file.stem == "layer0"
        n_out, n_in, count = data["weight"].shape
        layer = Dcls1d(n_in, n_out, kernel_count=count, dilated_kernel_size=k, bias=False, version="gauss")
        with torch.no_grad():
            layer.weight.copy_(data["weight"])
            layer.P.copy_(data["position"])
            layer.SIG.fill_(float(data["width"]))
        layer.SIG.requires_grad_(False)
        x = data["x"].permute(1, 2, 0).float().contiguous().requires_grad_(not first)  # (N, C, T)
        dy = data["dy"].permute(1, 2, 0).contiguous()

        def forward(layer=layer, x=x, k=k):
            return layer(functional.pad(x, (k - 1, (k - 1) // 2)))

        def inference(forward=forward):
            with torch.no_grad():
                forward()

        def both(forward=forward, layer=layer, x=x, dy=dy):
            layer.zero_grad()
            x.grad = None
            forward().backward(dy)

        name = f"{n_in}-{n_out}"
        times[name] = {"forward": seconds(inference, repeat, threads), "both": seconds(both, repeat, threads)}
        out = {"y": forward().detach(), "weight": layer.weight.grad, "position": layer.P.grad}
        out |= {} if first else {"x": x.grad}
        np.savez(folder / f"peer_{file.stem}.npz", **{key: value.numpy() for key, value in out.items()})
    (folder / "peer.json").write_text(json.dumps({"times": times, "torch": torch.__version__}))


def ours(cases, folder, threads, repeat):
    """Times of firstspike, and the largest differences from the peer's results relative to their largest entry."""
    from firstspike.plasticity.layers.delays import delay_backward, delay_forward
    from firstspike.plasticity.layers.pairs import Mode

    times, differences = {}, {}
    for i, (p, x, dy, k) in enumerate(cases):
        options = {"max_delay": k, "input_gradient": i > 0}

        def forward(p=p, x=x, options=options):
            return delay_forward(p, x, Mode(train=True), **options)

        def both(p=p, dy=dy, forward=forward):
            return delay_backward(p, forward()[1], dy)

        name = f"{x.shape[2]}-{dy.shape[2]}"
        times[name] = {"forward": seconds(forward, repeat, threads), "both": seconds(both, repeat, threads)}
        (dx, dp), y = both(), forward()[0]
        got = {"y": y.transpose(1, 2, 0), "weight": dp["weight"], "position": dp["position"]}
        got |= {} if i == 0 else {"x": dx.transpose(1, 2, 0)}
        theirs = np.load(folder / f"peer_layer{i}.npz")
        differences[name] = {key: float(abs(got[key] - theirs[key]).max() / abs(theirs[key]).max()) for key in got}
    return times, differences


def inputs(folder, density):
    """Layers, spikes and gradients of both; the peer reads them from `folder`."""
    from firstspike.sims.bench_delays import LAYERS, MAX_DELAY, layer_input, layer_params

    cases = []
    for i, (n_in, n_out) in enumerate(LAYERS):
        p, x = layer_params(n_in, n_out), layer_input(n_in, density)
        shape = (len(x) + (MAX_DELAY - 1) // 2, x.shape[1], n_out)
        dy = np.random.default_rng(i).normal(size=shape).astype(np.float32)
        np.savez(folder / f"layer{i}.npz", **p, x=x, dy=dy, k=MAX_DELAY)
        cases.append((p, x, dy, MAX_DELAY))
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--density", type=float, default=0.05)
    parser.add_argument("--python", default=sys.executable, help="interpreter that has torch and DCLS")
    parser.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        return peer(options.peer, options.threads, options.repeat)
    import numba

    numba.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = inputs(folder, options.density)
        command = [options.python, __file__, "--peer", name, "--threads", str(options.threads)]
        subprocess.run([*command, "--repeat", str(options.repeat)], check=True)
        theirs = json.loads((folder / "peer.json").read_text())
        times, differences = ours(cases, folder, options.threads, options.repeat)
    rows = {}
    for layer, ways in times.items():
        for way, (median, least) in ways.items():
            other = theirs["times"][layer][way]
            rows[f"{layer} {way}"] = {
                "dcls_ms": 1e3 * other[0],
                "firstspike_ms": 1e3 * median,
                "ratio": other[0] / median,
            }
            rows[f"{layer} {way}"] |= {"least_ms": [1e3 * other[1], 1e3 * least]}
    net = [sum(t[way][0] for t in which.values()) for which in (theirs["times"], times) for way in ("forward", "both")]
    rows["net forward"] = {"dcls_ms": 1e3 * net[0], "firstspike_ms": 1e3 * net[2], "ratio": net[0] / net[2]}
    rows["net both"] = {"dcls_ms": 1e3 * net[1], "firstspike_ms": 1e3 * net[3], "ratio": net[1] / net[3]}
    head = {
        "benchmark": "delays_dcls",
        "threads": options.threads,
        "density": options.density,
        "torch": theirs["torch"],
    }
    print(json.dumps(head | {"relative_differences": differences, "times": rows}, indent=1))


if __name__ == "__main__":
    main()
