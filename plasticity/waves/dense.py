"""Fully connected layers of one-spike neurons: coding by latency, firing times, decisions, learning.

    t_i = floor((G - I_i) T / G)                      grey level I in 0..G -> step 0..T, T = silent
    V_j(t) = sum of w_ji over t_i <= t,   t_j = 1 + first t with V_j(t) > theta_j   (at most T = silent)

The first output to fire is the answer. Where outputs fire at the same step, the largest potential at the crossing
answers, then the lowest index; where none fires, the largest potential after step T - 3.

Weights are lists of arrays (post, pre); the kernels take them as one flat array, each layer (pre, post): :func:`pack`.
Binary weights are int8, +1 and -1, and potentials counts. Kheradpisheh & Masquelier 2020,
doi 10.1142/S0129065720500276; Kheradpisheh, Mirsadeghi & Masquelier 2021, doi 10.1007/s11063-021-10680-x.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.spikes import check_times, time_dtype
from ...runtime.threads import in_blocks
from .checks import at_least, finite
from .dense_bits_cpu import decide_packed, make_bits
from .dense_cpu import count_many, decide_many, make_net, make_work, sort_many, walk
from .dense_learn_cpu import Aim, Rates, Shown, gradient_many, learn_binary, learn_many, make_memory

__all__ = [
    "Aim",
    "Decision",
    "Rates",
    "Shown",
    "Spikes",
    "decide",
    "encode",
    "fire",
    "gradient",
    "latency",
    "learn",
    "pack",
    "sort_spikes",
    "unpack",
]

_BLOCK = 256  # samples that one thread takes at a time
_MOST_INPUTS = 16_000  # of a binary neuron: its count is an int16


class Spikes(NamedTuple):
    """Spikes of N samples, sorted: those of sample n from ``start[n]`` to ``start[n + 1]``."""

    index: np.ndarray  # uint16, which input
    step: np.ndarray  # int16, when
    start: np.ndarray  # (N + 1) int64
    n_inputs: int
    n_steps: int


class Decision(NamedTuple):
    """What the outputs said, and what it cost."""

    answer: np.ndarray  # (N) index of the class, ties by potential
    time: np.ndarray  # (N, C) step of the outputs that fired at the decision, T for the others
    step: np.ndarray  # (N) step of the decision, T = nobody fired
    spikes: np.ndarray  # (N, L) spikes before the decision: of the input, of each hidden layer
    silent: np.ndarray  # (N) no output fired: the potentials answered

    def right(self, labels, ties: bool = False):
        """Which answers are right; with `ties` those also where the label is among outputs that fired together."""
        right = self.answer == labels
        if ties:
            own = np.take_along_axis(self.time, np.asarray(labels)[:, None], 1)[:, 0]
            right |= (own == self.step) & ~self.silent
        return right

    @property
    def tied(self):
        """Samples for which several outputs fired first."""
        return ((self.time == self.step[:, None]).sum(1) > 1) & ~self.silent


def latency(images, n_steps: int, largest: int = 255):
    """Time maps (N, I) of images (N, ...): the brighter, the earlier; grey level 0 is silent.

    Examples
    --------
    >>> latency(np.array([[0, 1, 2, 64, 254, 255]], np.uint8), 256).tolist()
    [[256, 254, 253, 191, 1, 0]]
    """
    n_steps, largest = at_least("n_steps", n_steps, 1), at_least("largest", largest, 1)
    images = finite("images", images)
    if images.ndim < 2:
        raise ValueError(f"images must be (N, ...), got shape {images.shape}")
    flat = images.reshape(len(images), -1)
    if flat.size and (flat.min() < 0 or flat.max() > largest):
        raise ValueError(f"grey levels must lie in 0..{largest}, got {flat.min()}..{flat.max()}")
    kind = time_dtype(n_steps)
    if flat.dtype == np.uint8:
        return _table(n_steps, largest).astype(kind).take(flat)
    if flat.dtype.kind in "bui":
        return (((largest - flat.astype(np.int64)) * n_steps) // largest).astype(kind)
    return np.floor((largest - flat) * n_steps / largest).astype(kind)


def _table(n_steps, largest):
    """Step of each grey level of a byte; levels above `largest` do not occur."""
    return np.maximum((largest - np.arange(256)) * n_steps // largest, 0)


def encode(images, n_steps: int, largest: int = 255) -> Spikes:
    """:class:`Spikes` of images (N, ...): :func:`sort_spikes` of :func:`latency`, faster for bytes."""
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim < 2:
        return sort_spikes(latency(images, n_steps, largest), n_steps)
    n_steps, largest = at_least("n_steps", n_steps, 1), at_least("largest", largest, 1)
    if largest < 255 and images.size and images.max() > largest:
        raise ValueError(f"grey levels must lie in 0..{largest}, got {images.min()}..{images.max()}")
    return _sorted(np.ascontiguousarray(images).reshape(len(images), -1), _table(n_steps, largest), n_steps)


def sort_spikes(times, n_steps: int) -> Spikes:
    """:class:`Spikes` of time maps (N, I)."""
    return _sorted(check_times(times, n_steps, 2), np.arange(n_steps + 1), n_steps)


def _sorted(levels, table, n_steps):
    """:class:`Spikes` of rows of levels (N, I), which `table` makes steps."""
    if levels.shape[1] > 65_535 or n_steps > 32_767:
        raise ValueError(f"at most 65535 inputs and 32767 steps, got {levels.shape[1]} and {n_steps}")
    start, table = np.zeros(len(levels) + 1, np.int64), table.astype(np.int16)
    in_blocks(lambda a, b: count_many(levels[a:b], table, n_steps, start[a + 1 :]), len(levels), _BLOCK)
    np.cumsum(start, out=start)
    index, step = np.empty(start[-1], np.uint16), np.empty(start[-1], np.int16)
    in_blocks(lambda a, b: sort_many(levels[a:b], table, n_steps, index, step, start[a:]), len(levels), _BLOCK)
    return Spikes(index, step, start, levels.shape[1], n_steps)


def pack(weights, dtype=None):
    """(flat weights, sizes) of a list of arrays (post, pre)."""
    weights = [finite("weights", w, 2) for w in weights]
    sizes = (weights[0].shape[1], *(w.shape[0] for w in weights))
    for layer, w in enumerate(weights):
        if w.shape != (sizes[layer + 1], sizes[layer]) or not w.size:
            raise ValueError(f"weights of layer {layer + 1} must be (neurons, {sizes[layer]}), got {w.shape}")
    flat = np.concatenate([np.ascontiguousarray(w.T).reshape(-1) for w in weights])
    return flat.astype(flat.dtype if dtype is None else dtype), sizes


def unpack(flat, sizes):
    """List of arrays (post, pre) of flat weights."""
    out, at = [], 0
    for pre, post in zip(sizes[:-1], sizes[1:], strict=True):
        out.append(np.ascontiguousarray(flat[at : at + pre * post].reshape(pre, post).T))
        at += pre * post
    return out


def _net(flat, sizes, limits):
    if flat.dtype == np.int8:
        limits = np.minimum(np.floor(limits), _MOST_INPUTS)
        if max(sizes[:-1]) > _MOST_INPUTS:
            raise ValueError(f"a binary neuron has at most {_MOST_INPUTS} inputs, got {max(sizes[:-1])}")
    return make_net(flat, sizes, limits)


def fire(times, weights, theta: float, n_steps: int):
    """Firing times (N, H) of one layer, weights (H, I), for time maps (N, I); T = silent.

    Examples
    --------
    >>> fire([[0, 3, 3, 9]], np.array([[3, 4, -2, 5.0], [1, 1, 1, 1], [6, -1, 3, 0]]), 5.0, 12).tolist()
    [[10, 12, 1]]
    """
    spikes = sort_spikes(times, n_steps)
    flat, sizes = pack([weights])
    flat = flat if flat.dtype in (np.int8, np.float32) else flat.astype(np.float64)
    net = _net(flat, sizes, [theta])
    work, out = make_work(net), np.empty((len(spikes.start) - 1, sizes[1]), time_dtype(n_steps))
    for n, row in enumerate(out):
        part = slice(spikes.start[n], spikes.start[n + 1])
        work.potential[:] = 0
        walk(spikes.index[part], spikes.step[part], net, work, n_steps, n_steps - 1, n_steps - 3, False)
        row[:] = work.time
    return out


def decide(
    spikes: Spikes, flat, sizes, thetas, until: int | None = None, packed: bool = False, device: str = "cpu"
) -> Decision:
    """What the network answers, walking no further than to the first output spike; on several threads.

    Parameters
    ----------
    spikes : Spikes
        Input.
    flat, sizes : ndarray, tuple of int
        Weights as of :func:`pack`: float32, float64, or int8 (binary).
    thetas : sequence of float
        Thresholds in units of the weights (binary: theta / scale).
    until : int, optional
        Answer after this step at the latest, by potential if nobody has fired.
    packed : bool
        Binary weights: work with a bit a synapse (on the CPU). The answers are the same.
    device : str
        ``"cpu"``, ``"cuda"`` or ``"cuda:K"``: same answers; a block of threads an image.

    Raises
    ------
    NoDevice
        If the device is not there (a ValueError).
    """
    t, n = spikes.n_steps, len(spikes.start) - 1
    until = t if until is None else at_least("until", until, 0)
    settings = (t, t - 1, t - 3) if until >= t - 1 else (t, until, until)  # in the last steps no more can happen
    answer, step = np.empty(n, np.int64), np.empty((n, sizes[-1]), np.int32)
    cost = np.empty((n, len(sizes)), np.int32)

    if device != "cpu":
        from .dense_cuda import decide_cuda

        all_spikes = spikes.index, spikes.step, spikes.start
        decide_cuda(all_spikes, _net(flat, sizes, thetas), settings, answer, step, cost, device)
        return Decision(answer, step, cost[:, 0], cost[:, 1:], cost[:, 0] == t)
    net = make_bits(flat, sizes, thetas) if packed else _net(flat, sizes, thetas)

    def block(a, b):
        part = (spikes.index, spikes.step, spikes.start[a : b + 1])
        out = settings, answer[a:b], step[a:b], cost[a:b]
        if packed:
            decide_packed(*part, net, *out)
        else:
            decide_many(*part, net, make_work(net), *out)

    in_blocks(block, n, _BLOCK)
    return Decision(answer, step, cost[:, 0], cost[:, 1:], cost[:, 0] == t)


def learn(samples, spikes: Spikes, labels, flat, sizes, how: Aim, shown: Shown, rates: Rates, binary=None):
    """Learn from `samples`, one after the other; `flat` changes in place.

    Parameters
    ----------
    samples : ndarray of int64
        Which samples, in this order.
    spikes, labels : Spikes, ndarray of int64
        All samples.
    flat, sizes : ndarray, tuple of int
        Weights as of :func:`pack`, float32 or float64.
    how, shown, rates : Aim, Shown, Rates
        See :mod:`~firstspike.plasticity.waves.dense_learn_cpu`.
    binary : ndarray, shape (L, 2), optional
        Scales of binary layers, and their rates divided by the number of synapses if the mean counts; the network
        then works with the signs of `flat`. The scales change in place.

    Returns
    -------
    tally : ndarray of int64, shape (6,)
        Right answers, right with ties, silent samples, ties, sum of the decisions' steps, hidden spikes.
    awake : ndarray of int64
        Samples for which each hidden neuron fired, layer after layer.
    """
    tallies = np.zeros(6, np.int64), np.zeros(sum(sizes[1:-1]), np.int64)
    triple = (spikes.index, spikes.step, spikes.start)
    if binary is None:
        net = _net(flat, sizes, rates.theta)
        rest = (make_work(net), make_memory(net, flat.dtype, spikes.n_steps), how, shown, rates)
        learn_many(samples, triple, labels, net, *rest, tallies)
    else:
        net = _net(signs(flat), sizes, rates.theta / binary[:, 0])
        rest = (make_work(net), make_memory(net, flat.dtype, spikes.n_steps), how, shown, rates)
        learn_binary(samples, triple, labels, net, *rest, binary, flat, tallies)
    return tallies


def gradient(samples, spikes: Spikes, labels, flat, sizes, how: Aim, shown: Shown, theta):
    """Sum of the normalised gradients of `samples` with the weights as they are; (gradient, tally, awake)."""
    n_layers, out = len(sizes) - 1, np.zeros_like(flat)
    rates = Rates(-np.ones(n_layers), np.zeros(n_layers), np.asarray(theta, float), False)
    tallies = np.zeros(6, np.int64), np.zeros(sum(sizes[1:-1]), np.int64)
    net = _net(flat, sizes, rates.theta)
    rest = (make_work(net), make_memory(net, flat.dtype, spikes.n_steps), how, shown, rates)
    gradient_many(samples, (spikes.index, spikes.step, spikes.start), labels, net, *rest, out, tallies)
    return out, *tallies


def signs(flat):
    """int8 signs of real weights; 0 counts as +1."""
    return np.where(flat >= 0, 1, -1).astype(np.int8)
