"""firstspike beside SpykeTorch: the same time maps and weights, one process, one thread; prints one JSON document.

    python benchmarks/waves_spyketorch.py --checkout PATH_TO_SPYKETORCH

Needs torch and firstspike in one environment, and a checkout of github.com/miladmozafari/SpykeTorch. Measured are, for
the digit networks with three layers and with two, inference, and learning of each layer with the forward pass of the
layers below, image after image, which is SpykeTorch's only mode; `cached`: without that pass, on both sides. Both start
from latencies: SpykeTorch from its ready waves, of the first `--images` of the images that firstspike sees, a tenth.
With `--check N` the spikes, winners and weights of N random networks are compared as well.
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
from firstspike.sims import bench_waves
from firstspike.sims.bench_waves import N_STEPS, PER_CLASS, digits_network, network

MORE = 10  # firstspike takes batches, and needs longer runs to be timed


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


class Decider(Peer):
    """The deciding layer in SpykeTorch: no threshold, one winner, learning by reward."""

    def __init__(self, modules, weights):
        super().__init__(modules, weights, None, 2, None, 1, 0, (0.004, -0.003))
        bounds = {"use_stabilizer": False, "lower_bound": 0.2, "upper_bound": 0.8}
        self.reward = modules[1].STDP(self.conv, (0.004, -0.003), **bounds)
        self.punish = modules[1].STDP(self.conv, (-0.004, 0.0005), **bounds)

    def decide(self, wave):
        """Padded wave, potentials, spikes, winners."""
        wave = self.f.pad(wave, self.pad)
        spikes, v = self.f.fire(self.conv(wave), None, True)
        return wave, v, spikes, self.f.get_k_winners(v, 1, 0, spikes)

    def answer(self, wave):
        """Class, -1 for silence."""
        winners = self.decide(wave)[-1]
        return winners[0][0] // PER_CLASS if winners else -1

    def teach(self, wave, label):
        """One step of learning by reward."""
        state = self.decide(wave)
        if state[-1]:
            (self.reward if state[-1][0][0] // PER_CLASS == label else self.punish)(*state)


def peers(modules, net):
    """SpykeTorch's layers of a network of ours."""
    layers = []
    for i, w in enumerate(net.weights_):
        pool = (net.pool_sizes[i], net.pool_strides[i], net.pool_paddings[i])
        more = (net.thetas[i], net.paddings[i], pool, net.winners[i], net.radii[i], (0.004, -0.003))
        layers.append(Peer(modules, w, *more))
    return layers


def to_waves(times):
    """Cumulative waves as SpykeTorch takes them."""
    return torch.from_numpy(times_to_wave(times, N_STEPS).astype(np.float32))


def ratios(cases, n_images, repeat):
    """Images a second of both for each case (theirs, ours), and their ratio; ours sees `MORE` times as many."""
    result = {}
    for name, (theirs, ours) in cases.items():
        a, b = n_images / seconds(theirs, repeat), MORE * n_images / seconds(ours, repeat)
        result[name] = {"spyketorch": a, "firstspike": b, "ratio": b / a, "unit": "images/s"}
    return result


def two_layers(modules, n_images, repeat):
    """Speed of the two-layer network."""
    net, _, times = network(MORE * n_images)
    first, second = peers(modules, net)
    waves = to_waves(times[:n_images])
    cases = {
        "inference": (
            lambda: [second.forward(first.forward(w)) for w in waves],
            lambda: net.forward(net.forward(times, 0), 1),
        ),
        "stdp1": (lambda: [first.train(w) for w in waves], lambda: bench_waves.learn_layer(net, 0, times)),
        "stdp2": (
            lambda: [second.train(first.forward(w)) for w in waves],
            lambda: bench_waves.learn_layer(net, 1, net.forward(times, 0)),
        ),
    }
    return ratios(cases, n_images, repeat)


def three_layers(modules, n_images, repeat):
    """Speed of the three-layer network; the answers must agree."""
    net, weights, _, times = digits_network(MORE * n_images)
    bounded = np.float32(bench_waves.bounded(weights))
    layers = peers(modules, net)
    decider, learner = Decider(modules, weights), Decider(modules, bounded)
    maps = [times, net.forward(times, 0)]
    maps.append(net.forward(maps[1], 1))
    waves = [to_waves(t[:n_images]) for t in maps]

    def below(wave, n):
        for layer in layers[:n]:
            wave = layer.forward(wave)
        return wave

    def ours(n):
        t = times
        for i in range(n):
            t = net.forward(t, i)
        return t

    def teach(waves, n):
        for i, wave in enumerate(waves):
            learner.teach(below(wave, n), i % 10)

    theirs = [int(decider.answer(below(w, 2))) for w in waves[0]]
    agree = float(np.mean(np.array(theirs) == bench_waves.decide(maps[2][:n_images], weights)))
    cases = {
        "inference": (
            lambda: [decider.answer(below(w, 2)) for w in waves[0]],
            lambda: bench_waves.decide(ours(2), weights),
        ),
        "stdp1": (lambda: [layers[0].train(w) for w in waves[0]], lambda: bench_waves.learn_layer(net, 0, times)),
        "stdp2": (
            lambda: [layers[1].train(below(w, 1)) for w in waves[0]],
            lambda: bench_waves.learn_layer(net, 1, ours(1)),
        ),
        "stdp3": (lambda: teach(waves[0], 2), lambda: bench_waves.teach(ours(2), bounded)),
        "stdp2_cached": (
            lambda: [layers[1].train(w) for w in waves[1]],
            lambda: bench_waves.learn_layer(net, 1, maps[1]),
        ),
        "stdp3_cached": (lambda: teach(waves[2], 0), lambda: bench_waves.teach(maps[2], bounded)),
    }
    return {"answers_agree": agree} | ratios(cases, n_images, repeat)


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
    result["three_layers"] = three_layers(modules, options.images, options.repeat)
    result["two_layers"] = two_layers(modules, options.images, options.repeat)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
