"""The network of ``bench w5a`` and ``w5b`` in PyTorch on the CPU, one thread: 784-400-10 one-spike neurons, 256 steps.

A fair program: input spikes of a batch are scattered into (batch, steps, inputs) only for the steps that exist, one
matrix product gives what arrives at each step, a cumulative sum the potentials, a comparison the firing times; the
same for the output layer; learning is the published rule by hand (normalised errors, batches: their mean), no tape.
Usage: OMP_NUM_THREADS=1 python benchmarks/s4nn_torch.py [--batch 1 64] [--images 128] [--repeat 3]
Needs torch and this package (for the same images, weights and labels). `--checkout PATH` also times the authors'
program (github SRKH/S4NN), NumPy path, on the same images.
"""

import argparse
import contextlib
import io
import json
import re
import sys
import time
import types
from pathlib import Path

import numpy as np
import torch

T, GAP, ETA, DECAY, THETA = 256, 3, 0.2, 1e-6, 100.0


def layer(times, weights):
    """Firing times (B, H) of inputs (B, I), weights (H, I); only steps at which an input fires are computed."""
    steps, place = torch.unique(times, return_inverse=True)  # sorted
    n_live = int((steps < T - 1).sum())
    if n_live == 0:
        return torch.full((len(times), len(weights)), T), torch.zeros(len(times), 1, len(weights))
    spikes = torch.zeros(times.shape[0], n_live + 1, times.shape[1])
    spikes.scatter_(1, place.clamp(max=n_live).unsqueeze(1), 1.0)
    v = torch.cumsum(spikes[:, :n_live] @ weights.T, 1)
    above = v > THETA
    first = steps[:n_live][above.int().argmax(1)] + 1
    return torch.where(above.any(1), first, T), v


def evaluate(times, w1, w2):
    """Classes (B,)."""
    hidden, _ = layer(times, w1)
    out, v = layer(hidden, w2)
    return torch.where(out.min(1).values < T, out.argmin(1), v[:, -1].argmax(1))


def learn(times, labels, w1, w2):
    """One step on a batch, in place; the published rule for a batch of one."""
    hidden, _ = layer(times, w1)
    out, _ = layer(hidden, w2)
    first = out.min(1, keepdim=True).values
    wanted = torch.where(out - first < GAP, (first + GAP).clamp(max=T), out)
    wanted = torch.where(first == T, out, wanted)
    own = torch.where(first == T, T - GAP, first)
    wanted.scatter_(1, labels.unsqueeze(1), own)
    error = (wanted - out).float()
    error /= error.norm(dim=1, keepdim=True).clamp(min=1e-12)
    if error.any():
        caused = (hidden.unsqueeze(1) < out.unsqueeze(2)).float() * error.unsqueeze(2)  # (B, C, H)
        w2 -= ETA * caused.mean(0)
        w2 *= 1 - ETA * DECAY
        below = torch.einsum("bch,ch->bh", caused, w2)
        below /= below.norm(dim=1, keepdim=True).clamp(min=1e-12)
        mask = (times.unsqueeze(1) < hidden.unsqueeze(2)).float()  # (B, H, I)
        w1 -= ETA * torch.einsum("bh,bhi->hi", below, mask) / len(times)
    else:
        w2 *= 1 - ETA * DECAY
    w1 *= 1 - ETA * DECAY


def microseconds(function, n_images, repeat):
    """Least CPU time an image."""
    function()
    taken = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        taken.append(time.process_time() - start)
    return 1e6 * min(taken) / n_images


def authors(path, images, labels, repeat):
    """Microseconds an image of the authors' program: (evaluate, learn), told apart by two numbers of images."""
    source = (Path(path) / "S4NN.py").read_text().replace("GPU=True", "GPU=False", 1)
    code = compile(re.sub(r"(?m)^Nepoch = \d+", "Nepoch = 1", source), "S4NN.py", "exec")
    flat = images.reshape(len(images), -1)

    def epoch(n_train, n_test):
        reader = type("MNIST", (), {})
        reader.__init__ = lambda self, *_: None
        reader.load_training = lambda self: (flat[:n_train].tolist(), labels[:n_train].tolist())
        reader.load_testing = lambda self: (flat[:n_test].tolist(), labels[:n_test].tolist())
        sys.modules["mnist"] = types.ModuleType("mnist")
        sys.modules["mnist"].MNIST = reader
        start = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, {"__name__": "s4nn"})
        return time.process_time() - start

    n = len(images) // 3
    epoch(2, 2)
    few, more_test, more = (min(epoch(*c) for _ in range(repeat)) for c in ((n, n), (n, 3 * n), (3 * n, 3 * n)))
    once = (more_test - few) / (2 * n)
    return 1e6 * once, 1e6 * ((more - more_test) / (2 * n) - once)  # a training image is also evaluated


def main():
    """Print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--checkout")
    a = parser.parse_args()
    from firstspike.plasticity.waves.dense import latency
    from firstspike.sims.bench_latency import network

    torch.set_num_threads(1)
    images, net, labels = network(a.images)
    w1, w2 = (torch.tensor(w, dtype=torch.float32) for w in net.weights_)
    times, y = torch.tensor(latency(images, T).astype(np.int64)), torch.tensor(labels)
    same = float((evaluate(times, w1, w2).numpy() == net.decide(images).answer).mean())
    out = {"same_answers_up_to_ties": same, "torch": torch.__version__}
    for b in a.batch:
        parts = [slice(i, i + b) for i in range(0, a.images, b)]
        out[f"evaluate_{b}"] = microseconds(lambda p=parts: [evaluate(times[s], w1, w2) for s in p], a.images, a.repeat)
        v1, v2 = w1.clone(), w2.clone()
        run = lambda p=parts, v1=v1, v2=v2: [learn(times[s], y[s], v1, v2) for s in p]  # noqa: E731
        out[f"learn_{b}"] = microseconds(run, a.images, a.repeat)
    if a.checkout:
        out["authors_evaluate"], out["authors_learn"] = authors(a.checkout, images[:24], labels[:24], 1)
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
