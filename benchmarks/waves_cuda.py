"""Batch inference and replicas on a CUDA device beside one core of the CPU; prints one JSON document.

    python benchmarks/waves_cuda.py --device cuda --images 2000 --networks 256

Layers 1 and 2 of the three-layer digit network (30 maps 5 x 5 of 6 inputs, 250 maps 3 x 3 of 30) on random time maps;
replicas of layer 1. Both sides must agree: winners and spikes exactly, weights to the last bits. First calls, which
compile, are not timed; figures are medians of wall time, with the copies between host and device.
"""

import argparse
import json
import sys
import time

import numba
import numpy as np

from firstspike.plasticity.rules.order import OrderSTDP
from firstspike.plasticity.waves.conv import convolve
from firstspike.plasticity.waves.conv_cuda import convolve_cuda
from firstspike.plasticity.waves.replicas import learn_replicas
from firstspike.runtime.device import NoDevice, check_device, cuda_devices

N_STEPS = 15
LAYERS = {"layer 1": ((30, 6, 5, 5), 28, 15.0, 2, (2, 2, 1)), "layer 2": ((250, 30, 3, 3), 14, 10.0, 1, (3, 3, 0))}


def median(function, repeat):
    """Seconds of one call."""
    function()
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def time_maps(rng, n, n_maps, size, share):
    shape = (n, n_maps, size, size)
    return np.where(rng.random(shape) < share, rng.integers(0, N_STEPS, shape), N_STEPS).astype(np.uint8)


def inference(args, rng):
    out = {}
    for name, (shape, size, theta, padding, pool) in LAYERS.items():
        times = time_maps(rng, args.images, shape[1], size, 0.06)
        weights = (rng.random(shape) < 0.2).astype(np.float32) * rng.random(shape).astype(np.float32)
        call = {"padding": padding, "pool": pool}
        same = np.array_equal(
            convolve(times, weights, theta, N_STEPS, **call),
            convolve_cuda(times, weights, theta, N_STEPS, **call, device=args.device),
        )
        cpu = median(lambda t=times, w=weights, h=theta, c=call: convolve(t, w, h, N_STEPS, **c), args.repeat)
        gpu = median(
            lambda t=times, w=weights, h=theta, c=call: convolve_cuda(t, w, h, N_STEPS, **c, device=args.device),
            args.repeat,
        )
        out[name] = {"images_per_s": {"cpu": args.images / cpu, "device": args.images / gpu}, "equal": bool(same)}
    return out


def replicas(args, rng):
    shape, size, theta, padding, _ = LAYERS["layer 1"]
    times = time_maps(rng, args.training, shape[1], size, 0.06)
    weights = rng.normal(0.8, 0.05, (args.networks, *shape)).astype(np.float32)
    call = {"theta": theta, "n_steps": N_STEPS, "n_winners": 5, "radius": 3, "padding": padding}
    few = weights[: args.compared]
    cpu, gpu = (learn_replicas(times, few, OrderSTDP(), **call, device=d) for d in ("cpu", args.device))
    seconds = median(lambda: learn_replicas(times, few, OrderSTDP(), **call), args.repeat)
    device = median(lambda: learn_replicas(times, weights, OrderSTDP(), **call, device=args.device), args.repeat)
    return {
        "presentations_per_s": {
            "cpu": len(few) * args.training / seconds,
            "device": args.networks * args.training / device,
        },
        "winners_equal": bool(np.array_equal(cpu.winners, gpu.winners)),
        "largest_difference_of_weights": float(np.abs(cpu.weights - gpu.weights).max()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--images", type=int, default=2000, help="of inference")
    parser.add_argument("--networks", type=int, default=256, help="on the device")
    parser.add_argument("--compared", type=int, default=4, help="of them on the CPU")
    parser.add_argument("--training", type=int, default=500, help="images of learning")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    try:
        check_device(args.device)
    except NoDevice as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    numba.set_num_threads(1)
    rng = np.random.default_rng(0)
    report = {"devices": cuda_devices(), "device": args.device, "numba": numba.__version__, "settings": vars(args)}
    report |= {"inference": inference(args, rng), "replicas": replicas(args, rng)}
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
