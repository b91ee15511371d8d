"""Comparisons of CUDA and CPU functions; run by test_waves_cuda.py in a process of its own, under the simulator."""

import sys

import numpy as np

from firstspike.plasticity.rules.order import OrderSTDP
from firstspike.plasticity.rules.reward import RewardSTDP
from firstspike.plasticity.waves import conv_cuda, replicas_cuda
from firstspike.plasticity.waves.conv import convolve, learn
from firstspike.plasticity.waves.reinforce import reinforce
from firstspike.plasticity.waves.replicas import learn_replicas, reinforce_replicas
from firstspike.runtime.device import NoDevice, check_device, cuda_devices


def same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)
        assert x.dtype == y.dtype


def net(rng, n_images, lead=(), n_steps=5):
    c, f, h, w = rng.integers(1, 4), rng.integers(1, 5), *rng.integers(3, 6, 2)
    share = rng.choice([0.3, 0.7, 1.0])
    times = np.where(rng.random((n_images, c, h, w)) < share, rng.integers(0, n_steps, (n_images, c, h, w)), n_steps)
    times[min(1, n_images - 1)] = n_steps  # a silent image
    weights = rng.normal(0.5, 0.3, (*lead, f, c, *rng.integers(1, 4, 2))).astype(np.float32)
    return times, weights


def inference():
    conv_cuda.THREADS = 4
    spikes = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        times, weights = net(rng, 3)
        theta = [0.7, 1.5, None][seed % 3]
        args = {"padding": seed % 3, "pool": [None, (2, 2, 1), (2, 1, 0)][seed // 3 % 3], "strict": seed % 2 == 0}
        args |= {"inhibit": seed % 4 > 1, "return_values": True}
        conv_cuda._MEMORY = [1, 1 << 28][seed % 2]  # one image a launch, or all
        slow = convolve(times, weights, theta, 5, **args)
        same(slow, conv_cuda.convolve_cuda(times, weights, theta, 5, **args))
        spikes += (slow[0] < 5).sum()
    assert spikes > 300, spikes
    times, weights = np.array([[[[0, 299, 300]]]]), np.ones((1, 1, 1, 2))
    assert conv_cuda.convolve_cuda(times, weights, 1.5, 300).dtype == np.int32
    same(convolve(times, weights, 1.5, 300), conv_cuda.convolve_cuda(times, weights, 1.5, 300))
    # exact fractions: equal potentials are common, so that the order of ties is seen
    weights = np.full((3, 2, 2, 2), 0.25)
    times = np.random.default_rng(0).integers(0, 3, (2, 2, 4, 4))
    args = {"inhibit": True, "return_values": True}
    same(convolve(times, weights, 0.5, 3, **args), conv_cuda.convolve_cuda(times, weights, 0.5, 3, **args))


def unsupervised():
    replicas_cuda.THREADS, replicas_cuda._IMAGES = 3, 2
    conv_cuda.THREADS = 4
    winners = 0
    for seed in range(6):
        rng = np.random.default_rng(100 + seed)
        times, weights = net(rng, 4, (3,), 4)
        if seed == 5:
            weights[:] = 0.25  # ties
        args = {"n_steps": 4, "n_winners": 1 + seed % 3, "radius": seed % 2, "padding": 1}
        args["theta"] = None if seed == 4 else [0.6, 1.1, 2.0]
        rules = [OrderSTDP(0.05, doubling=2), OrderSTDP(0.1, lower=0.2), OrderSTDP(0.2, stabiliser=False)]
        one = learn_replicas(times, weights, rules, **args)
        same(one, learn_replicas(times, weights, rules, **args, device="cuda"))
        theta = args.pop("theta") or [None] * 3
        apart = [learn(times, w, r, theta=t, **args) for w, r, t in zip(weights, rules, theta, strict=True)]
        same(one, [np.stack(x) for x in zip(*apart, strict=True)])
        winners += (one.winners[..., 0] >= 0).sum()
    assert winners > 20, winners
    args = {"n_steps": 4, "n_winners": 2, "theta": 0.6, "device": "cuda"}
    whole = learn_replicas(times, weights, OrderSTDP(0.1, doubling=1), **args)
    a = learn_replicas(times[:3], weights, OrderSTDP(0.1, doubling=1), **args)
    counts = {"n_seen": a.n_seen, "n_updated": a.n_updated}
    b = learn_replicas(times[3:], a.weights, OrderSTDP(0.1, doubling=1), **args, **counts)
    same(whole[:3], b[:3])


class Unpacking:
    """A rule that unpacks its numbers, as users' rules may."""

    def scalars(self):
        return 0.5, 2.0

    @staticmethod
    def rates(n, p):
        rate, slow = p
        return rate / (slow + n), -rate

    @staticmethod
    def update(w, before, a_before, a_after, p):
        rate, slow = p
        return w + a_before * (1.0 - w) * rate if before else w * slow * 0.4


def own_rule():
    replicas_cuda.THREADS = conv_cuda.THREADS = 3
    times, weights = net(np.random.default_rng(7), 3, (2,), 4)
    args = {"n_steps": 4, "n_winners": 1, "theta": 0.5}
    one = learn_replicas(times, weights, Unpacking(), **args)
    assert (one.weights != weights).any()
    same(one, learn_replicas(times, weights, Unpacking(), **args, device="cuda"))


def reward():
    replicas_cuda.THREADS, replicas_cuda._IMAGES = 3, 3
    conv_cuda.THREADS = 4
    hits = 0
    for seed in range(6):
        rng = np.random.default_rng(200 + seed)
        times, weights = net(rng, 5, (2,), 4)
        classes, labels = rng.integers(0, 2, weights.shape[1]), rng.integers(0, 2, 5)
        theta = None if seed % 2 else [0.6, 1.1]
        rules = [RewardSTDP(0.1, -0.1, -0.1, 0.05, block=2, span=s) for s in (1.0, 2.0)]
        args = {"theta": theta, "n_steps": 4, "padding": 1}
        one = reinforce_replicas(times, labels, weights, classes, rules, **args)
        same(one, reinforce_replicas(times, labels, weights, classes, rules, **args, device="cuda"))
        apart = [
            reinforce(times, labels, weights[r], classes, rules[r], theta=theta and theta[r], n_steps=4, padding=1)[:4]
            for r in range(2)
        ]
        same(one, [np.stack(x) for x in zip(*apart, strict=True)])
        hits += (one.answers == labels).sum()
    assert 5 < hits < 55
    a = reinforce_replicas(times[:2], labels[:2], weights, classes, rules, **args, device="cuda")
    b = reinforce_replicas(times[2:], labels[2:], a.weights, classes, rules, **args, state=a.state, device="cuda")
    same(one[:2], b[:2])


def devices():
    assert cuda_devices() == ["simulator"] and check_device("cuda:0") == "cuda:0"
    try:
        check_device("cuda:1")
    except NoDevice as error:
        assert error.exit_code == 6 and "the last of 1 is cuda:0" in str(error)
    else:
        raise AssertionError("cuda:1 is not there")


if __name__ == "__main__":
    np.seterr(all="ignore")
    globals()[sys.argv[1]]()
