"""A convolutional layer of one-spike neurons as the kernels want it: checked scalars, and weights with the map last."""

from typing import NamedTuple

import numpy as np

from .checks import check_kernel, check_theta
from .winners import pooled_size

__all__ = ["Layer", "inside", "make_layer", "outside"]

LANES = 8  # maps are padded to whole vectors


class Layer(NamedTuple):
    """Scalars of one convolutional layer for the kernels."""

    n_steps: int  # T
    theta: np.float32  # fire if V > theta
    last_only: bool  # no threshold: whoever has V > 0 fires at the last step
    pad: int
    height: int  # of the output, before pooling
    width: int
    kernel_h: int
    kernel_w: int
    n_maps: int  # F
    n_lanes: int  # F, rounded up
    pool: int  # window, stride, padding of the pooling (1, 1, 0 = none)
    stride: int
    pool_pad: int
    inhibit: bool  # one spike a position, over maps


def inside(weights, n_lanes):
    """(F, C, KH, KW) -> (C, KH, KW F) with kernel columns backwards and maps padded by zeros."""
    n_maps, n_channels, kh, kw = weights.shape
    inner = np.zeros((n_channels, kh, kw, n_lanes), np.float32)
    inner[..., :n_maps] = weights[:, :, :, ::-1].transpose(1, 2, 3, 0)
    return inner.reshape(n_channels, kh, kw * n_lanes)


def outside(inner, shape):
    """Inverse of :func:`inside`; `shape` is (F, C, KH, KW)."""
    n_maps, n_channels, kh, kw = shape
    inner = inner.reshape(n_channels, kh, kw, -1)[..., :n_maps]
    return np.ascontiguousarray(inner.transpose(3, 0, 1, 2)[:, :, :, ::-1])


def make_layer(times, weights, theta, n_steps, padding, strict, pool=(1, 1, 0), inhibit=False):
    """The checked :class:`Layer` for time maps and weights; ValueError says what does not fit."""
    n_maps, _, kh, kw = weights.shape
    height, width = check_kernel(times.shape[2:], (kh, kw), padding)
    if max(times.shape[1:]) >= 1 << 15:
        raise ValueError(f"maps, rows and columns of times must be < {1 << 15}, got {times.shape[1:]}")
    theta, last_only = check_theta(theta, strict)
    pooled_size((height, width), *pool)
    lanes = -(-n_maps // LANES) * LANES
    size = (int(padding), height, width, kh, kw, n_maps, lanes)
    return Layer(int(n_steps), theta, last_only, *size, *(int(p) for p in pool), bool(inhibit))
