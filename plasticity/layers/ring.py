"""Inference with whole delays: each spike adds one number per synapse to a buffer of the steps to come.

A layer is weights w', delays d in 0..k-1, a bias, a leak and a threshold. At step t

    buffer[t + d[o, i], o] += x[t, i] w'[o, i]          for each input i that is not 0
    u = buffer[t] + bias,  h = lam v + u,  s = h >= theta,  v = (1 - s) h

for T + (k - 1) / 2 steps; the last layer has no threshold and its h is the result. Batch norm is folded,
w' = w scale / sqrt(var + eps), bias = shift - mean scale / sqrt(var + eps), and w is what the triangle of half width 1
puts on its cell, weight / (1 + 1e-7). The network of :func:`.delays.delay_forward` with rounded positions gives the
same spikes, unless a potential comes within rounding of the threshold. The buffer holds 2 k steps; each k steps its
upper half moves down.

Work is counted in additions: every input that is not 0 costs one per synapse (SynOps); their energy is commonly taken
as 0.9 pJ each (45 nm).
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import kernel
from ...runtime.threads import in_blocks
from .dcls import rounded
from .delays import check_max_delay
from .delays_cpu import spikes

__all__ = ["JOULE_PER_SYNOP", "RingLayer", "RingRun", "export", "export_layer", "from_arrays", "run", "to_arrays"]

JOULE_PER_SYNOP = 0.9e-12
_SAMPLES = 4  # of a block


class RingLayer(NamedTuple):
    """A layer with whole delays, ready to be exported."""

    weight: np.ndarray  # (O, I, M), with batch norm folded in
    delay: np.ndarray  # (O, I, M) int8 (int16 from 129 steps on)
    bias: np.ndarray  # (O,) of every step
    lam: float  # leak of a step, 1 - dt / tau
    theta: float  # inf: no threshold
    max_delay: int  # k


class RingRun(NamedTuple):
    """What :func:`run` gives."""

    output: np.ndarray  # (T_out, N, O) potentials of the last layer
    spikes: tuple  # of each hidden layer, uint8 (T_l, N, O_l)
    synops: np.ndarray  # (N, layers) int64, additions of each sample


def export_layer(p, max_delay, *, lam, theta=np.inf, norm=None, eps=1e-5):
    """:class:`RingLayer` of trained parameters, positions rounded half to even.

    Parameters
    ----------
    p : dict
        ``weight`` (O, I, M) and ``position`` (1, O, I, M); the width does not matter.
    max_delay : int
        k, odd.
    lam, theta : float
        Leak and threshold of the neurons behind the layer; without a threshold it must be the last one.
    norm : dict, optional
        ``scale``, ``shift``, ``mean``, ``var`` (O,) of the batch norm between them.
    eps : float
        Of the batch norm.

    Raises
    ------
    ValueError
        An even max_delay, wrong shapes, parameters that are not finite.

    Examples
    --------
    >>> p = {"weight": np.ones((1, 1, 1)), "position": np.full((1, 1, 1, 1), -1.4)}
    >>> export_layer(p, 5, lam=0.0).delay.item()
    3
    """
    check_max_delay(max_delay)
    weight, position = np.asarray(p["weight"]), np.asarray(p["position"])
    if weight.ndim != 3 or position.shape != (1, *weight.shape):
        raise ValueError(f"weight must be (O, I, M) and position (1, O, I, M), got {weight.shape}, {position.shape}")
    if not (np.isfinite(weight).all() and np.isfinite(position).all()):
        raise ValueError("weight and position must be finite")
    if not 0 <= lam <= 1:
        raise ValueError(f"lam must lie in 0..1, got {lam}")
    position = rounded({"weight": weight, "position": position}, max_delay)["position"][0]
    delay = ((max_delay - 1) // 2 - position).astype(np.int8 if max_delay <= 128 else np.int16)
    weight, bias = weight / weight.dtype.type(1 + 1e-7), np.zeros(len(weight), weight.dtype)
    if norm is not None:
        scale = norm["scale"] / np.sqrt(norm["var"] + eps)
        weight = (weight * scale[:, None, None]).astype(weight.dtype)
        bias = (norm["shift"] - norm["mean"] * scale).astype(weight.dtype)
    return RingLayer(weight, delay, bias, float(lam), float(theta), int(max_delay))


def export(params, n_layers, max_delay, tau, theta=1.0, eps=1e-5):
    """Layers of a network with the parameters ``layer1.weight``, ``layer1.position``, ``layer1.norm.*``, ``layer2...``.

    Leaks are 1 - 1 / tau (tau in steps), or, where the leak was learnt, 1 - sigmoid(w) of ``layer1.spike.w`` and
    ``leaky.w``. The last layer has neither norm nor threshold.
    """
    layers = []
    for i in range(1, n_layers + 1):
        head, last = f"layer{i}.", i == n_layers
        p = {key.removeprefix(head): value for key, value in params.items() if key.startswith(head)}
        w = params.get("leaky.w") if last else p.get("spike.w")
        lam = 1 - 1 / tau if w is None else 1 / (1 + np.exp(float(w)))
        norm = None if last else {key: p[f"norm.{key}"] for key in ("scale", "shift", "mean", "var")}
        layers.append(export_layer(p, max_delay, lam=lam, theta=np.inf if last else theta, norm=norm, eps=eps))
    return layers


def to_arrays(layers):
    """A flat dict of arrays for ``np.savez``: ``0.weight``, ``0.delay``, ... of each layer; see :func:`from_arrays`."""
    return {f"{i}.{key}": np.asarray(value) for i, layer in enumerate(layers) for key, value in layer._asdict().items()}


def from_arrays(arrays):
    """The layers of :func:`to_arrays`."""
    n = 1 + max(int(name.split(".")[0]) for name in arrays)
    layers = []
    for i in range(n):
        parts = {key: np.asarray(arrays[f"{i}.{key}"]) for key in RingLayer._fields}
        scalars = {key: parts[key].item() for key in ("lam", "theta", "max_delay")}
        layers.append(RingLayer(**{**parts, **scalars}))
    return layers


def run(layers, x):
    """Run the spikes or counts `x` (T, N, I) through exported layers; samples do not see each other.

    Returns
    -------
    RingRun
        Potentials of the last layer, spikes of the others, additions.

    Raises
    ------
    ValueError
        Layers that do not follow each other, a hidden layer without threshold.
    """
    x = np.asarray(x)
    if not len(layers):
        raise ValueError("a network needs at least one layer")
    for i, layer in enumerate(layers):
        if layer.theta == np.inf and i + 1 < len(layers):
            raise ValueError(f"layer {i} has no threshold and is not the last")
    spikes, synops = [], np.zeros((x.shape[1] if x.ndim == 3 else 0, len(layers)), np.int64)
    for i, layer in enumerate(layers):
        n_out, n_in, n_elements = layer.weight.shape
        if x.ndim != 3 or x.shape[2] != n_in:
            raise ValueError(f"layer {i} needs an input (steps, samples, {n_in}), got {x.shape}")
        synops[:, i] = np.count_nonzero(x, (0, 2)) * n_out * n_elements
        fired, output = _run_layer(layer, x, i + 1 == len(layers))
        spikes.append(fired)
        x = fired
    return RingRun(output, tuple(spikes[:-1]), synops)


def _run_layer(layer, x, last):
    """Spikes (uint8) and, of the last layer, potentials."""
    dtype, k = layer.weight.dtype, layer.max_delay
    n_out = len(layer.weight)
    x = x.view(np.uint8) if x.dtype == bool else x
    x = np.ascontiguousarray(x, np.uint8 if x.dtype == np.uint8 else dtype)
    lanes = np.ascontiguousarray(layer.weight.transpose(2, 1, 0))
    where = layer.delay.astype(np.int64).transpose(2, 1, 0) * n_out + np.arange(n_out)
    where = np.ascontiguousarray(where, np.uint16 if k * n_out <= 1 << 16 else np.uint32)
    shape = (len(x) + (k - 1) // 2, x.shape[1], n_out)
    fired = np.empty((0, *shape[1:]) if last else shape, np.uint8)
    output = np.empty(shape if last else (0, *shape[1:]), dtype)
    neurons = (layer.bias, dtype.type(layer.lam), dtype.type(layer.theta))
    in_blocks(lambda a, b: _ring(x, lanes, where, k, *neurons, a, b, fired, output), x.shape[1], _SAMPLES)
    return fired, output


@kernel(fastmath={"contract"})
def _ring(x, weight, where, k, bias, lam, theta, first, last, fired, output):
    """Samples first..last of one layer; `where` (M, I, O) is delay * O + output."""
    n_inputs, n_outputs = weight.shape[1], weight.shape[2]
    steps = max(fired.shape[0], output.shape[0])
    index, value = np.empty(n_inputs, np.int64), np.empty(n_inputs, weight.dtype)
    buffer, v = np.empty(2 * k * n_outputs, weight.dtype), np.empty(n_outputs, weight.dtype)
    for n in range(first, last):
        buffer[:] = 0
        v[:] = 0
        for t in range(steps):
            slot = t % k
            if slot == 0 and t > 0:
                buffer[: k * n_outputs] = buffer[k * n_outputs :]
                buffer[k * n_outputs :] = 0
            start = slot * n_outputs
            if t < x.shape[0]:
                ahead = buffer[start : start + k * n_outputs]
                for e in range(spikes(x[t, n], index, value)):
                    for m in range(weight.shape[0]):
                        w, place, c = weight[m, index[e]], where[m, index[e]], value[e]
                        for o in range(n_outputs):
                            ahead[place[o]] += c * w[o]
            now = buffer[start : start + n_outputs]
            for o in range(n_outputs):
                now[o] = lam * v[o] + (now[o] + bias[o])
            if fired.shape[0] > 0:
                out = fired[t, n]
                for o in range(n_outputs):
                    out[o] = now[o] >= theta
            if output.shape[0] > 0:
                out = output[t, n]
                for o in range(n_outputs):
                    out[o] = now[o]
            for o in range(n_outputs):
                v[o] = now[o] if now[o] < theta else weight.dtype.type(0)
