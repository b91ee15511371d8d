"""Many one-spike networks of one shape learn from the same images: seeds, rates or thresholds, side by side.

Each goes through the images one after another in an order of its own, as in
:func:`~firstspike.plasticity.waves.dense.learn`, and gives what that gives. On the CPU the networks are spread over
threads; on a CUDA device each has a block of its own.
"""

import numpy as np

from ...runtime.threads import in_blocks
from .dense import Rates, _net, learn

__all__ = ["learn_replicas"]


def learn_replicas(samples, spikes, labels, flats, sizes, how, shown, rates, device="cpu"):
    """Let R networks learn; `flats` change in place.

    Parameters
    ----------
    samples : ndarray of int64, shape (R, K)
        Which samples, in this order.
    spikes, labels : Spikes, ndarray of int64
        All samples; the same for all networks.
    flats : ndarray, shape (R, weights)
        Weights as of :func:`~firstspike.plasticity.waves.dense.pack`, float32 or float64.
    sizes, how : tuple of int, Aim
        The same for all.
    shown : Shown
        The same for all; another device than the CPU takes images as they are.
    rates : Rates
        With arrays (R, L).
    device : str
        ``"cpu"``, ``"cuda"`` or ``"cuda:K"``. On another device errors are summed in float64 as on the CPU, but a
        product and a sum may be rounded once: weights agree to the last bits.

    Returns
    -------
    tally : ndarray of int64, shape (R, 6)
        As of :func:`~firstspike.plasticity.waves.dense.learn`.
    awake : ndarray of int64, shape (R, hidden neurons)
        The same.

    Raises
    ------
    ValueError
        Shapes that do not fit; moved images or resting neurons on another device; a device that is not there.
    """
    n_nets, n_layers = len(flats), len(sizes) - 1
    samples = np.ascontiguousarray(samples, np.int64)
    tables = {f"rates.{k}": np.asarray(v, float) for k, v in rates._asdict().items() if k != "updated"}
    wanted = {name: (table, (n_nets, n_layers)) for name, table in tables.items()}
    wanted |= {"samples": (samples, (n_nets, samples.shape[-1])), "flats": (flats, (n_nets, _length(sizes)))}
    for name, (array, shape) in wanted.items():
        if array.shape != shape:
            raise ValueError(f"{name} must be of shape {shape}, got {array.shape}")
    rates = Rates(*tables.values(), rates.updated)
    tallies = np.zeros((n_nets, 6), np.int64), np.zeros((n_nets, sum(sizes[1:-1])), np.int64)
    if device == "cpu":

        def block(a, b):
            for r in range(a, b):
                own = Rates(rates.eta[r], rates.decay[r], rates.theta[r], rates.updated)
                found = learn(samples[r], spikes, labels, flats[r], sizes, how, shown, own)
                tallies[0][r], tallies[1][r] = found

        in_blocks(block, n_nets, 1)
        return tallies
    from .dense_cuda import learn_cuda

    if shown.width or np.any(shown.drop > 0):
        raise ValueError(f"shift, jitter and rest must be 0 on device {device}")
    net, triple = _net(flats[0], sizes, rates.theta[0]), (spikes.index, spikes.step, spikes.start)
    learn_cuda(samples, triple, labels, flats, net, how, rates, tallies, device)
    return tallies


def _length(sizes):
    return sum(a * b for a, b in zip(sizes[:-1], sizes[1:], strict=True))
