"""What a neuron looks for, drawn in the plane of the image: feature maps traced back through the layers.

Start from the filters P (C, h, w) with cumulative stride s = 1. A pooling layer (window p, stride q) puts P in the
middle of a canvas larger by (p - 1) s, and s <- s q. A convolutional layer w (F, C, KH, KW) gives

    Q[f] = max(0, sum over i, j of shift by (i s, j s) of max over c of P[c] w[f, c, i, j])

on a canvas larger by (K - 1) s. Mozafari et al. 2019, doi 10.3389/fnins.2019.00625.
"""

import numpy as np

from .checks import at_least, finite

__all__ = ["backproject", "receptive_field"]


def _pool(patterns, step, window, stride):
    window, stride = at_least("pool window", window, 1), at_least("pool stride", stride, 1)
    n, h, w = patterns.shape
    size = [s + (window - 1) * step for s in (h, w)]
    top, left = size[0] // 2 - h // 2, size[1] // 2 - w // 2
    out = np.zeros((n, *size))
    out[:, top : top + h, left : left + w] = patterns
    return out, step * stride


def _conv(patterns, step, weights):
    weights = finite("weights", weights, 4)
    if weights.shape[1] != len(patterns):
        raise ValueError(f"weights must be (F, {len(patterns)}, KH, KW), got {weights.shape}")
    f, _, kh, kw = weights.shape
    _, h, w = patterns.shape
    out = np.zeros((f, h + (kh - 1) * step, w + (kw - 1) * step))
    for i in range(kh):
        for j in range(kw):
            for m in range(f):
                stamp = (patterns * weights[m, :, i, j, None, None]).max(0)
                out[m, i * step : i * step + h, j * step : j * step + w] += stamp
    return np.maximum(out, 0)


def backproject(kernels, layers):
    """Patterns (F, h, w) of the last layer's maps.

    Parameters
    ----------
    kernels : sequence of ndarray (n, n)
        Filters of the front end; smaller ones are centred in the largest.
    layers : sequence
        In order, for a convolution its weights (F, C, KH, KW), for a pooling a pair (window, stride). For one map
        alone give one map of the last weights, ``w[f : f + 1]``.

    Examples
    --------
    >>> backproject([np.eye(3)], [np.ones((1, 1, 1, 1)), (2, 2)]).shape
    (1, 4, 4)
    """
    kernels = [finite("kernels", k, 2).astype(float) for k in kernels]
    size = [max(k.shape[axis] for k in kernels) for axis in (0, 1)]
    patterns = np.zeros((len(kernels), *size))
    for i, k in enumerate(kernels):
        top, left = (size[0] - k.shape[0]) // 2, (size[1] - k.shape[1]) // 2
        patterns[i, top : top + k.shape[0], left : left + k.shape[1]] = k
    step = 1
    for layer in layers:
        if isinstance(layer, tuple) and len(layer) == 2 and np.ndim(layer[0]) == 0:
            patterns, step = _pool(patterns, step, *layer)
        else:
            patterns = _conv(patterns, step, layer)
    return patterns


def receptive_field(layers, size=1):
    """Pixels (height, width) that one neuron of the last layer sees, h <- K + (h - 1) stride going down.

    Parameters
    ----------
    layers : sequence
        As in :func:`backproject`.
    size : int
        Size of the filters of the front end.

    Examples
    --------
    >>> receptive_field([np.ones((3, 2, 5, 5)), (2, 2), np.ones((4, 3, 3, 3))], 7)
    (16, 16)
    """
    h = w = 1
    for layer in reversed(layers):
        if isinstance(layer, tuple) and len(layer) == 2 and np.ndim(layer[0]) == 0:
            window, stride = at_least("pool window", layer[0], 1), at_least("pool stride", layer[1], 1)
            h, w = window + (h - 1) * stride, window + (w - 1) * stride
        else:
            kh, kw = finite("weights", layer, 4).shape[2:]
            h, w = kh + h - 1, kw + w - 1
    size = at_least("size", size, 1)
    return size + h - 1, size + w - 1
