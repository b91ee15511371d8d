"""firstspike beside SpikingJelly and snnTorch: a layer of LIF neurons, one process; prints one JSON document.

    python benchmarks/layers_spikingjelly.py [--threads 1] [--neurons 1000000] [--steps 16] [--repeat 5]

Needs torch, spikingjelly, snntorch and firstspike in one environment. The task is that of ``firstspike bench w3a`` and
``w3b``: v <- v + (x - v) / 2, theta = 1, hard reset to 0, detached, arctan surrogate of slope 2, float32; forwards and
backwards from a dense gradient of the spikes, and forwards alone. All get the same currents and gradients; spikes and
gradients of the inputs are compared before anything is timed. snnTorch has v <- v / 2 + x: it gets x / 2, and its
gradient is halved for the comparison; it rounds otherwise, so that a few potentials near theta may cross it or not.

``ours_plain``: new arrays in each call, as the peers; ``ours``: arrays given by the caller, h over x, dx over h.
Process CPU seconds with one thread, wall seconds with more; medians. Cases take turns, so that a busy machine is busy
for all of them.
"""
# ruff: noqa: D102

import argparse
import importlib.metadata
import json
import os
import time

import numba
import numpy as np
import snntorch
import torch
from spikingjelly.activation_based import functional, neuron, surrogate

from firstspike.plasticity.layers.neurons import Work, lif_backward, lif_forward
from firstspike.plasticity.layers.pairs import Mode
from firstspike.sims.bench_layers import SETTINGS, inputs, triad

TRAIN = Mode(train=True)


class Ours:
    """The layer of firstspike; `given`: in arrays that exist."""

    def __init__(self, x, ds, given):
        self.x, self.ds, self.u = x, ds, x.copy()
        self.spikes = np.empty(x.shape, np.uint8)
        self.work = Work(self.spikes, self.u, self.u) if given else None
        self.light = Work(self.spikes) if given else None

    def prepare(self):
        self.u[:] = self.x  # the input is a layer's output in a network; making it is not timed

    def both(self):
        s, saved = lif_forward({}, self.u, TRAIN, **SETTINGS, work=self.work)
        return s, lif_backward({}, saved, self.ds)[0]

    def forward(self):
        return lif_forward({}, self.u, **SETTINGS, work=self.light)[0]


class SpikingJelly:
    """Its multi-step node, the default back end."""

    def __init__(self, x, ds):
        self.x, self.ds = torch.from_numpy(x.copy()).requires_grad_(True), torch.from_numpy(ds)
        self.node = neuron.LIFNode(
            tau=2.0, detach_reset=True, surrogate_function=surrogate.ATan(alpha=2.0), step_mode="m"
        )

    def prepare(self):
        functional.reset_net(self.node)
        self.x.grad = None

    def both(self):
        s = self.node(self.x)
        s.backward(self.ds)
        return s.detach().numpy(), self.x.grad.numpy()

    def forward(self):
        with torch.no_grad():
            return self.node(self.x).numpy()


class SnnTorch:
    """Its leaky neuron, called step by step."""

    def __init__(self, x, ds):
        self.x, self.ds = torch.from_numpy(x / 2).requires_grad_(True), torch.from_numpy(ds)
        grad = snntorch.surrogate.atan(alpha=2.0)
        self.node = snntorch.Leaky(beta=0.5, spike_grad=grad, reset_mechanism="zero")

    def prepare(self):
        self.x.grad = None

    def steps(self):
        v, out = torch.zeros(self.x.shape[1]), []
        for x in self.x:
            s, v = self.node(x, v)
            out.append(s)
        return torch.stack(out)

    def both(self):
        s = self.steps()
        s.backward(self.ds)
        return s.detach().numpy(), self.x.grad.numpy() / 2

    def forward(self):
        with torch.no_grad():
            return self.steps().numpy()


def agreement(cases):
    """Spikes that differ from ours, and the largest difference of gradients where all spikes of a neuron agree."""
    found, out = {}, {}
    for name, case in cases.items():
        case.prepare()
        s, dx = case.both()
        found[name] = s.copy(), dx.copy()
    s, dx = found["ours"]
    for name, (t, dz) in found.items():
        same = (t == s).all(0)
        worst = float(np.abs(dz - dx)[:, same].max()) if same.any() else None
        out[name] = {"spikes": int(t.sum()), "spikes_differ": int((t != s).sum()), "gradient_differs_by": worst}
    return out


def measure(cases, method, repeat, threads):
    """{name: median nanoseconds a neuron and step}."""
    clock = time.process_time if threads == 1 else time.perf_counter
    seconds = {name: [] for name in cases}
    for turn in range(repeat + 1):
        for name, case in cases.items():
            case.prepare()
            start = clock()
            getattr(case, method)()
            if turn:
                seconds[name].append(clock() - start)
    return {name: sorted(values)[repeat // 2] for name, values in seconds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--neurons", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    numba.set_num_threads(options.threads)
    x, ds = inputs(options.steps, options.neurons)
    cases = {
        "ours": Ours(x, ds, True),
        "ours_plain": Ours(x, ds, False),
        "spikingjelly": SpikingJelly(x, ds),
        "snntorch": SnnTorch(x, ds),
    }
    versions = {
        name: importlib.metadata.version(name) for name in ("torch", "spikingjelly", "snntorch", "numba", "numpy")
    }
    result = {"benchmark": "layers_spikingjelly", **vars(options), "load": os.getloadavg()[0], "versions": versions}
    result["answers"] = agreement(cases)
    for title, method in (("forward_backward", "both"), ("forward", "forward")):
        ns = {name: s / x.size * 1e9 for name, s in measure(cases, method, options.repeat, options.threads).items()}
        ratios = {
            f"{peer}/{own}": ns[peer] / ns[own]
            for peer in ("spikingjelly", "snntorch")
            for own in ("ours", "ours_plain")
        }
        result[title] = {"ns_per_neuron_step": ns, "ratios": ratios}
    result["triad_gb_s"] = triad()
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
