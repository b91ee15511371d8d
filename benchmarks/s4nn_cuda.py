"""Answers and replicas of the network of ``bench w5a`` and ``w5b`` on a CUDA device beside one core; prints JSON.

    python benchmarks/s4nn_cuda.py --device cuda --images 10000 --networks 256

784-400-10 one-spike neurons. Both sides must agree: answers, times and costs exactly, weights after learning to the
last bits. First calls, which compile, are not timed; figures are medians of wall time, with the copies between host
and device. Networks that learn differ in their rates and in the order of the images.
"""

import argparse
import json
import sys
import time

import numba
import numpy as np

from firstspike.plasticity.waves.dense import Aim, Rates, Shown, decide
from firstspike.plasticity.waves.dense_replicas import learn_replicas
from firstspike.runtime.device import NoDevice, check_device, cuda_devices
from firstspike.sims.bench_latency import N_STEPS, SIZES, network

STILL = Shown(0, 0, 0, 0, np.zeros(1), np.uint64(0), np.uint64(0))


def median(function, repeat):
    """Seconds of one call."""
    function()
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def inference(args, net, spikes):
    """Images a second on both sides, real weights."""
    call = spikes, net.flat_, net.sizes_, net.limits_
    cpu, device = decide(*call), decide(*call, device=args.device)
    out = {"equal": all(np.array_equal(a, b) for a, b in zip(cpu, device, strict=True))}
    for name in ("cpu", args.device):
        out[name] = args.images / median(lambda d=name: decide(*call, device=d), args.repeat)
    return out


def replicas(args, net, spikes, labels):
    """Images learnt from a second; `compared` networks on the CPU."""
    rng = np.random.default_rng(0)
    orders = np.stack([rng.permutation(args.training) for _ in range(args.networks)])
    eta = np.linspace(0.001, 0.004, args.networks)[:, None] * np.ones(2)
    rates = Rates(eta, np.full_like(eta, 1e-6), np.full_like(eta, 100.0), True)
    how = Aim(N_STEPS, net.gap, net.gap)

    def learnt(n, device):
        flats, some = np.repeat(net.flat_[None], n, 0), Rates(*(x[:n] for x in rates[:3]), True)
        learn_replicas(orders[:n], spikes, labels, flats, SIZES, how, STILL, some, device)
        return flats

    n = min(args.compared, args.networks)
    out = {"largest_difference_of_weights": float(np.abs(learnt(n, "cpu") - learnt(n, args.device)).max())}
    out["cpu"] = n * args.training / median(lambda: learnt(n, "cpu"), args.repeat)
    out[args.device] = args.networks * args.training / median(lambda: learnt(args.networks, args.device), args.repeat)
    return out


def main():
    """Print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--networks", type=int, default=256, help="on the device")
    parser.add_argument("--compared", type=int, default=4, help="of them on the CPU")
    parser.add_argument("--training", type=int, default=1000, help="images of learning")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    try:
        check_device(args.device)
    except NoDevice as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    numba.set_num_threads(1)
    images, net, labels = network(max(args.images, args.training))
    spikes = net.encode(images[: args.images])
    report = {"devices": cuda_devices(), "device": args.device, "numba": numba.__version__, "settings": vars(args)}
    report["images_per_s"] = inference(args, net, spikes)
    report["samples_per_s"] = replicas(args, net, net.encode(images[: args.training]), labels)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
