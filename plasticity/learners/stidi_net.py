"""Layers of a network that learns spike times: first weights, forward pass, displacements back through the layers.

A layer knows when each of its neurons fired, t, and is told by how much each should move, the displacement d = T - t of
its desired time T. It does its own descent on (t - T)^2 / 2, with q = d / s (``exact``, s = dV/dt at the crossing) or
q = d (``displacement``, the slope taken as constant):

    w_ji <- w_ji - eta q_j e(t_j - t_i)          d_i = sum over j of q_j w_ji e'(t_j - t_i),  or with [t_i < t_j] for e'

In ``displacement`` mode what a layer is told has norm kappa. Silent neurons are not moved, except outputs (`wake`).
Weights stand as (K, M, k, k) and, for dense layers, as (inputs, neurons).
"""

import math
from typing import NamedTuple

import numpy as np

from ...runtime import rng
from ..waves import ramp

__all__ = ["Layer", "backward", "build", "desired", "fire", "first_weights", "forward", "potentials", "used"]


class Layer(NamedTuple):
    """One layer: shape of its weights and inputs, pooling (0 = dense), how many inputs spike (a guess), threshold."""

    name: str
    shape: tuple[int, ...]
    pool: int
    inputs: tuple[int, ...]
    active: float
    theta: float


def build(p, image_shape, n_classes):
    """Layers for images of this shape (H, W): convolutions, dense layers, outputs.

    Raises
    ------
    ValueError
        A kernel or window leaves nothing of its input.
    """
    layers, inputs = [], (1, *image_shape)
    for i, (maps, kernel, pool) in enumerate(zip(p.maps, p.kernels, p.pools, strict=True)):
        n = inputs[0] * kernel * kernel
        active = n / 3 if i == 0 else n / 4  # a stroke covers a third of a patch
        layers.append(Layer(f"conv{i + 1}", (maps, inputs[0], kernel, kernel), pool, inputs, active, 1.0))
        inputs = (maps, *ramp.output_shape(inputs[1:], kernel, pool))
    for i, size in enumerate((*p.hidden, n_classes)):
        n = math.prod(inputs)
        active = n / 2 if i else (n / 4 if p.maps else 0.15 * n)
        name = f"dense{i + 1}" if i < len(p.hidden) else "output"
        layers.append(Layer(name, (n, size), 0, inputs, active, 1.0))
        inputs = (size,)
    if p.active_inputs:
        layers = [layer._replace(active=float(n)) for layer, n in zip(layers, p.active_inputs, strict=True)]
    thetas = p.theta if len(p.theta) > 1 else p.theta * len(layers)
    return [layer._replace(theta=float(theta)) for layer, theta in zip(layers, thetas, strict=True)]


def first_weights(p, layers, kind=np.float32, name=""):
    """Weights before learning: normal, mean 2 theta / n, deviation theta / sqrt(n) (first convolution: 2 theta / n).

    n: inputs of a neuron that spike. Then a neuron crosses when about half of them have risen. `name` names the draw.
    """
    out = {}
    for i, layer in enumerate(layers):
        mean = 2 * layer.theta / layer.active
        deviation = mean if layer.pool and i == 0 else layer.theta / math.sqrt(layer.active)
        draws = rng.normals(p.random_state, f"stidi/weights/{name}{layer.name}", layer.shape)
        out[layer.name] = (mean + deviation * draws).astype(kind)
        if p.binary:  # synapses of the same size as the real ones
            out[f"{layer.name}.alpha"] = np.full(1, math.hypot(mean, deviation), kind)
    return out


def used(p, weights):
    """The weights that act: the real ones, or alpha times their signs (+1 for 0)."""
    if not p.binary:
        return weights
    return {
        name: np.where(w >= 0, weights[f"{name}.alpha"], -weights[f"{name}.alpha"])
        for name, w in weights.items()
        if f"{name}.alpha" in weights
    }


def _kernel(p):
    return ramp.Kernel(p.psp, p.rise, p.fall)


def _rounding(p, is_output):
    return p.compare if p.steps == "all" or (p.steps == "hidden" and not is_output) else None


def fire(p, layer, times, w, is_output, share=0.0, pool=None):
    """:class:`~firstspike.plasticity.waves.ramp.Fired` of one layer, of which a `share` of the inputs is missing."""
    theta, rounding = layer.theta * (1 - share), _rounding(p, is_output)
    if layer.pool:
        return ramp.conv_forward(times, w, theta, _kernel(p), p.t_max, rounding, pool or layer.pool)
    return ramp.dense_forward(times.reshape(len(times), -1), w, theta, _kernel(p), p.t_max, rounding)


def forward(p, layers, weights, times, drop=None):
    """Inputs and :class:`~firstspike.plasticity.waves.ramp.Fired` of each layer.

    Parameters
    ----------
    p : STiDiParams
        Neurons.
    layers, weights
        Of :func:`build`; weights that act, of :func:`used`.
    times : ndarray, shape (N, 1, H, W)
        Input times; t_max = silent.
    drop : callable, optional
        ``drop(layer, shape)`` -> (bool array of neurons that stay silent or None, their share).

    Returns
    -------
    list of (inputs, Fired)
    """
    out, share = [], 0.0
    for i, layer in enumerate(layers):
        fired = fire(p, layer, times, weights[layer.name], i == len(layers) - 1, share)
        silenced, share = (None, 0.0) if drop is None else drop(layer, fired.times.shape)
        if silenced is not None:
            fired.times[silenced], fired.slope[silenced] = p.t_max, 0
        out.append((times if layer.pool else times.reshape(len(times), -1), fired))
        times = fired.times
    return out


def potentials(p, times, w, at):
    """Potentials (N, H) of a dense layer at one time for each image, `at` (N,)."""
    risen = _kernel(p).value(at[:, None] - times) * (times < p.t_max)
    return np.einsum("ni,ij->nj", risen, w)


def desired(p, times, labels):
    """Displacements (N, C) wanted of outputs that fired at `times`; rows of 0 where there is nothing to learn."""
    rows = np.arange(len(times))
    if p.loss == "softmax":
        z = -p.beta * (times - times.min(axis=1, keepdims=True))
        d = np.exp(z)
        d /= d.sum(axis=1, keepdims=True)
        d[rows, labels] -= 1
        d[np.abs(d).sum(axis=1) < p.skip] = 0
        return d
    first = times.min(axis=1, keepdims=True)
    wanted = np.where(times - first < p.gap, np.minimum(first + times.dtype.type(p.gap), p.t_max), times)
    silent = first[:, 0] >= p.t_max
    wanted[silent] = p.t_max
    wanted[rows, labels] = np.where(silent, p.t_max - p.gap, first[:, 0])
    return (wanted - times).astype(times.dtype, copy=False)


def _factors(p, layer, d, fired, is_output):
    """Factor q of each neuron; 0 for silent ones (`wake`: but for silent outputs)."""
    kind = fired.slope.dtype.type
    live = fired.slope > 0
    if p.mode == "displacement":
        d = d if is_output and p.wake else np.where(live, d, kind(0))
        if is_output and not p.normalise_output:
            return d
        axes = tuple(range(1, d.ndim))
        norm = np.sqrt(np.square(d).sum(axis=axes, keepdims=True))
        return d * (kind(1.0 if is_output else p.kappa) / np.where(norm > 0, norm, kind(1)))
    least = kind(p.slope_min * layer.theta / p.rise)
    s = np.where(live, np.maximum(fired.slope, least), kind(layer.theta / p.rise))
    return d / s if is_output and p.wake else np.where(live, d, kind(0)) / s


def backward(p, layers, weights, passed, d, n_images, step):
    """Let all layers learn from displacements `d` (N, C) of the outputs.

    Parameters
    ----------
    p, layers
        As in :func:`forward`.
    weights : dict
        Real weights.
    passed : list
        Of :func:`forward`.
    d : ndarray
        Displacements of the outputs.
    n_images : int
        Gradients are sums over the images / n_images.
    step : callable
        ``step(gradients)``: changes `weights` in place; called once, or layer by layer from the top if displacements go
        down through weights that have learnt already.
    """
    gradients = {}
    for i in range(len(layers) - 1, -1, -1):
        layer, (times, fired) = layers[i], passed[i]
        q = _factors(p, layer, d.reshape(fired.times.shape), fired, i == len(layers) - 1)
        at_once = p.backward_weights == "old" or i == 0
        grad, below = _layer_back(p, layer, times, weights[layer.name], fired, q, True, at_once and i > 0)
        gradients |= _with_alpha(p, layer.name, weights, grad * grad.dtype.type(1 / n_images))
        if p.backward_weights == "updated":
            step(gradients)
            gradients = {}
            if i:
                _, below = _layer_back(p, layer, times, weights[layer.name], fired, q, False, True)
        d = below
    if gradients:
        step(gradients)


def _layer_back(p, layer, times, w, fired, q, grad, below):
    how = {"exact": p.mode == "exact", "grad": grad, "below": below}
    if layer.pool:
        return ramp.conv_backward(times, w, fired, q, layer.pool, _kernel(p), **how)
    return ramp.dense_backward(times, w, fired.times, q, _kernel(p), p.t_max, **how)


def _with_alpha(p, name, weights, grad):
    """The gradient of a layer's weights and, if it learns, of its alpha: sum over synapses of gradient times sign."""
    out = {name: grad}
    if p.binary and p.alpha_rate:
        total = np.where(weights[name] >= 0, grad, -grad).sum(dtype=np.float64)
        out[f"{name}.alpha"] = np.full(1, total, grad.dtype)
    return out
