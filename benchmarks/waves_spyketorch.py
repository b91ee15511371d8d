"""firstspike beside SpykeTorch: the same time maps and weights, one process, one thread; prints one JSON document.

    python benchmarks/waves_spyketorch.py --checkout PATH_TO_SPYKETORCH

Needs torch and firstspike in one environment, and a checkout of github.com/miladmozafari/SpykeTorch. Measured are the
forward pass of the two-layer digit network, and learning of layer 1 and of layer 2 (with the forward pass of layer 1),
image after image, which is SpykeTorch's only mode. Both start from latencies: SpykeTorch from its ready waves. With
`--check N` the spikes, winners and weights of N random networks are compared as well.
"""

import argparse
import json
import sys
import time
import types

import numba
import numpy as np
import torch

from firstspike.plasticity.rules.order import OrderSTDP
from firstspike.plasticity.waves import winners as operators
from firstspike.plasticity.waves.conv import convolve, learn
from firstspike.runtime.spikes import times_to_wave
from firstspike.sims.bench_waves import N_STEPS, network


def import_peer(checkout):
    """SpykeTorch's functional and snn modules; torchvision, which only its data helpers use, is not needed."""
    for name in ("torchvision", "torchvision.transforms", "torchvision.datasets"):
        sys.modules.setdefault(name, types.ModuleType(name))
    vision = sys.modules["torchvision"]
    vision.transforms, vision.datasets = sys.modules["torchvision.transforms"], sys.modules["torchvision.datasets"]
    vision.datasets.ImageFolder = object
    sys.path.insert(0, checkout)
    from SpykeTorch import functional, snn

    return functional, snn


class Peer:
    """One layer in SpykeTorch."""

    def __init__(self, modules, weights, theta, pad, pool, k, radius, rates):
        self.f, snn = modules
        self.conv = snn.Convolution(weights.shape[1], weights.shape[0], weights.shape[2:])
        self.conv.load_weight(torch.from_numpy(weights.copy()))
        self.stdp = snn.STDP(self.conv, rates)
        self.theta, self.pad, self.pool, self.k, self.radius = theta, (pad,) * 4, pool, k, radius

    def spikes(self, wave):
        """Wave of this layer before pooling."""
        return self.f.fire(self.conv(self.f.pad(wave, self.pad)), self.theta)

    def forward(self, wave):
        """Wave after pooling."""
        return self.f.pooling(self.spikes(wave), *self.pool)

    def train(self, wave):
        """One learning step; returns the winners."""
        wave = self.f.pad(wave, self.pad)
        _, v = self.f.fire(self.conv(wave), self.theta, True)
        v = self.f.pointwise_inhibition(v)
        spikes = v.sign()
        winners = self.f.get_k_winners(v, self.k, self.radius, spikes)
        self.stdp(wave, v, spikes, winners)
        return winners


def seconds(function, repeat):
    """Median CPU seconds of `repeat` calls after one that is not counted."""
    function()
    taken = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        taken.append(time.process_time() - start)
    return sorted(taken)[repeat // 2]


def compare_speed(modules, n_images, repeat):
    """Images a second of both, and their ratios."""
    net, _, times = network(n_images)
    rule = OrderSTDP(doubling=0)
    layers = []
    for i, w in enumerate(net.weights_):
        pool = (net.pool_sizes[i], net.pool_strides[i], net.pool_paddings[i])
        layers.append(
            Peer(modules, w, net.thetas[i], net.paddings[i], pool, net.winners[i], net.radii[i], (0.004, -0.003))
        )
    waves = torch.from_numpy(times_to_wave(times, N_STEPS).astype(np.float32))

    def peer(case):
        for wave in waves:
            first = layers[0].train(wave) if case == "stdp1" else layers[0].forward(wave)
            if case != "stdp1":
                layers[1].train(first) if case == "stdp2" else layers[1].forward(first)

    def ours(case):
        inputs = times if case == "stdp1" else net.forward(times, 0)
        if case == "inference":
            return net.forward(inputs, 1)
        i = 0 if case == "stdp1" else 1
        k, r, pad = net.winners[i], net.radii[i], net.paddings[i]
        w, theta = net.weights_[i], net.thetas[i]
        return learn(inputs, w, rule, theta=theta, n_steps=N_STEPS, n_winners=k, radius=r, padding=pad)

    result = {}
    for case in ("inference", "stdp1", "stdp2"):
        theirs, mine = (
            n_images / seconds(lambda c=case: peer(c), repeat),
            n_images / seconds(lambda c=case: ours(c), repeat),
        )
        result[case] = {"spyketorch": theirs, "firstspike": mine, "ratio": mine / theirs, "unit": "images/s"}
    return result


def compare_results(modules, n_nets):
    """Counts of random networks and images whose spikes, winners, or weights (beyond 1e-5) differ."""
    rng = np.random.default_rng(0)
    count = {"networks": n_nets, "images": 0, "times_differ": 0, "winners_differ": 0, "weights_differ": 0}
    for _ in range(n_nets):
        n_steps, c, f, size = (int(rng.integers(a, b)) for a, b in ((1, 16), (1, 5), (2, 24), (6, 15)))
        kernel, pad, k, radius = (int(rng.integers(a, b)) for a, b in ((1, 6), (0, 3), (1, 6), (0, 4)))
        weights = rng.normal(0.8, 0.05, (f, c, kernel, kernel)).clip(0, 1).astype(np.float32)
        theta = float(0.2 * weights[0].sum())
        shape = (10, c, size, size)
        times = np.where(rng.random(shape) < 0.5, rng.integers(0, n_steps, shape), n_steps)
        layer = Peer(modules, weights, theta, pad, (2, 2, 1), k, radius, (0.1, -0.075))
        pooled = convolve(times, weights, theta, n_steps, padding=pad, pool=(2, 2, 1))
        for n in range(10):
            wave = torch.from_numpy(times_to_wave(times[n], n_steps).astype(np.float32))
            peer = n_steps - layer.forward(wave).numpy().sum(0)
            count["images"] += 1
            count["times_differ"] += int((peer != pooled[n]).any())
            t, v = convolve(times[n : n + 1], weights, theta, n_steps, padding=pad, return_values=True)
            ours = operators.k_winners(*operators.pointwise_inhibition(t, n_steps, v), n_steps, k, radius)[0]
            before = learn_one(times[n : n + 1], weights, theta, n_steps, k, radius, pad)
            fresh = Peer(modules, weights, theta, pad, (2, 2, 1), k, radius, (0.1, -0.075))
            theirs = [tuple(int(i) for i in w) for w in fresh.train(wave)]
            ours = [tuple(w[:3]) for w in ours.tolist() if w[0] >= 0]
            early = [tuple(w[:3]) for w in before.winners[0].tolist() if w[0] >= 0]
            count["winners_differ"] += int(not theirs == ours == early)
            count["weights_differ"] += int(not np.allclose(fresh.conv.weight.numpy(), before.weights, atol=1e-5))
    return count


def learn_one(times, weights, theta, n_steps, k, radius, pad):
    """One image learnt by firstspike at the rates of :func:`compare_results`."""
    rule = OrderSTDP(0.1, doubling=0)
    return learn(times, weights, rule, theta=theta, n_steps=n_steps, n_winners=k, radius=radius, padding=pad)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkout", required=True, help="folder of SpykeTorch")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--check", type=int, default=0, metavar="N", help="compare the results of N random networks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    numba.set_num_threads(1)
    modules = import_peer(options.checkout)
    versions = {"torch": torch.__version__, "numba": numba.__version__, "numpy": np.__version__}
    result = {"benchmark": "waves_spyketorch", "images": options.images, "threads": 1, "versions": versions}
    if options.check:
        result["check"] = compare_results(modules, options.check)
    result["speed"] = compare_speed(modules, options.images, options.repeat)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
