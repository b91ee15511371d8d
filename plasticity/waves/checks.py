"""Checks of arguments shared by the operators of this engine; each raises ValueError naming what is wrong."""

import math

import numpy as np

__all__ = ["at_least", "check_kernel", "check_theta", "check_weights", "finite"]


def finite(name, array, ndim=None):
    """Array with `ndim` axes and finite entries."""
    array = np.asarray(array)
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {array.shape}")
    if array.dtype.kind not in "buif":
        raise ValueError(f"{name} must be numeric, got {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array


def at_least(name, value, low):
    """Integer `value` >= `low`."""
    if isinstance(value, bool) or value != int(value) or value < low:
        raise ValueError(f"{name} must be an integer >= {low}, got {value}")
    return int(value)


def check_theta(theta, strict):
    """(float32 threshold to exceed, whether there is none); >= theta is > the next smaller float32."""
    if theta is None:
        return np.float32(0.0), True
    if not math.isfinite(theta) or theta <= 0:
        raise ValueError(f"theta must be > 0 or None (no threshold), got {theta}")
    theta = np.float32(theta)
    return (theta if strict else np.nextafter(theta, np.float32(-np.inf))), False


def check_kernel(shape, kernel, pad):
    """Size (OH, OW) of a valid convolution of (H, W) = `shape` padded by `pad` with `kernel` (KH, KW)."""
    pad = at_least("padding", pad, 0)
    size = tuple(s + 2 * pad - k + 1 for s, k in zip(shape, kernel, strict=True))
    if min(size) < 1:
        raise ValueError(f"kernel {tuple(kernel)} is larger than the input {tuple(shape)} padded by {pad}")
    return size


def check_weights(weights, n_channels):
    """Weights (F, C, KH, KW) as float32, finite, for `n_channels` input maps."""
    weights = finite("weights", weights, 4)
    if min(weights.shape) < 1 or weights.shape[1] != n_channels:
        raise ValueError(f"weights must be (F, {n_channels}, KH, KW) for {n_channels} input maps, got {weights.shape}")
    return np.ascontiguousarray(weights, np.float32)
