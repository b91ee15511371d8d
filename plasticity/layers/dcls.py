"""Kernels with learnable positions: few weights at real-valued places of a long, otherwise empty kernel.

For each pair of an output o and an input i, M elements with weight W, position P (cells from the centre c =
floor(k / 2) of k cells, so q = P + c) and width S make the kernel

    K[o, i, n] = sum_m W T(n) / Z,   Z = sum_n T(n) + 1e-7,   u = n - q

    gauss      T = exp(-u**2 / (2 s**2))   s = |S| + sigma_min
    triangle   T = max(0, s - |u|)         s = |S| + 1
    bilinear   T = max(0, 1 - |u|)         Z = 1: shares of the two cells around q

Gradients, given G = dL/dK and A = sum_n G T / Z (which is dL/dW):

    dL/dP = W / Z sum_n (G - A) dT/dq      dL/dS = sign(S) W / Z sum_n (G - A) dT/ds

and for bilinear with Z = 1 and without A. At a kink the triangle has the slope 0 (an element at a whole position does
not move), bilinear the slope to the right. P is taken as it is, also outside of the window; :func:`clamp_bounds` is for
the step after the optimiser. ``max`` is another name of triangle, ``v0`` of bilinear; ``v1`` is the triangle of s = 1.

Khalfaoui-Hassani, Pellegrini & Masquelier (2023), ICLR and arXiv:2306.00817; for delays Hammouamri,
Khalfaoui-Hassani & Masquelier (2024), ICLR.
"""

from typing import NamedTuple

import numpy as np

from ...runtime import rng
from ...runtime.jit import specialise
from ...runtime.threads import in_blocks
from . import dcls_cpu as cpu

__all__ = ["VERSIONS", "Dcls", "clamp_bounds", "dcls_kernel", "dcls_kernel_backward", "delay_params", "rounded"]
__all__ += ["sigma_schedule", "width_shape"]

SIGMA_MIN = 0.27
FINAL_WIDTH = 0.23  # of S: s = 0.5
#: all names -> (shape, whether the width counts)
VERSIONS = {
    "gauss": ("gauss", True),
    "triangle": ("triangle", True),
    "max": ("triangle", True),
    "v1": ("triangle", False),
    "bilinear": ("bilinear", False),
    "v0": ("bilinear", False),
}
_INPUTS = 16  # of a block of work


class Dcls(NamedTuple):
    """Checked elements with the outputs last, as the loops want them."""

    weight: np.ndarray  # (M, I, O)
    position: np.ndarray  # (M, I, O)
    width: np.ndarray  # 1/s or s, (1 or M, 1 or I, O)
    sign: object  # of S, in the shape of S; 0 where the width does not count
    k: int
    shape: str


def width_shape(version):
    """(shape, whether the width counts) of the name of a version; ValueError for an unknown one."""
    if version not in VERSIONS:
        raise ValueError(f"version must be one of {', '.join(VERSIONS)}, got {version!r}")
    return VERSIONS[version]


def _outputs_last(a, name):
    a = np.ascontiguousarray(np.moveaxis(a, (0, 2), (2, 0)))
    if not np.isfinite(a).all():
        raise ValueError(f"{name} must be finite")
    return a


def elements(weight, position, width, k, version, sigma_min=SIGMA_MIN):
    """:class:`Dcls` of the arrays of :func:`dcls_kernel`, checked."""
    shape, counts = width_shape(version)
    weight, position = np.asarray(weight), np.asarray(position)
    if weight.ndim != 3 or 0 in weight.shape:
        raise ValueError(f"weight must be (outputs, inputs, elements) with none of them 0, got {weight.shape}")
    if position.shape != (1, *weight.shape):
        raise ValueError(f"position must be {(1, *weight.shape)}, got {position.shape}")
    if int(k) != k or k < 1:
        raise ValueError(f"the length of the kernel must be >= 1, got {k}")
    if not (sigma_min > 0):
        raise ValueError(f"sigma_min must be > 0, got {sigma_min}")
    dtype = weight.dtype if weight.dtype in (np.float32, np.float64) else np.float64
    weight, width = np.asarray(weight, dtype), np.asarray(width, dtype)
    if width.ndim > 4 or any(
        n not in (1, m) for n, m in zip(width.shape[::-1], weight.shape[::-1] + (1,), strict=False)
    ):
        raise ValueError(f"width must go with {(1, *weight.shape)}, got {width.shape}")
    if not np.isfinite(width).all():
        raise ValueError("width must be finite")
    sign = np.sign(width) if counts else np.zeros_like(width)
    s = np.abs(width if counts else 0 * width) + (sigma_min if shape == "gauss" else 1.0)
    s = s.reshape((1,) * (4 - s.ndim) + s.shape)[0]
    s = np.broadcast_to((1 / s if shape == "gauss" else s).astype(dtype), (weight.shape[0], *s.shape[1:]))
    return Dcls(
        _outputs_last(weight, "weight"),
        _outputs_last(np.asarray(position, dtype)[0], "position"),
        _outputs_last(s, "width"),
        sign,
        int(k),
        shape,
    )


def build(parts, flip=False):
    """Kernels (I, k, O); with `flip` in the order of lags, k - 1 - cell."""
    out = np.empty((parts.weight.shape[1], parts.k, parts.weight.shape[2]), parts.weight.dtype)
    run = specialise(cpu.build, bump=getattr(cpu, f"{parts.shape}_bump"))
    settings = (parts.k // 2, parts.shape != "bilinear", flip)
    in_blocks(lambda a, b: run(*parts[:3], *settings, a, b, out), len(out), _INPUTS)
    return out


def pull_back(parts, g, flip=False, wanted=("weight", "position", "width")):
    """Gradients from `g` = dL/dK (I, k, O), a dict in the shapes of the parameters."""
    dw, dp, ds = (np.empty_like(parts.weight) for _ in range(3))
    run = specialise(cpu.pull_back, slopes=getattr(cpu, f"{parts.shape}_slopes"))
    settings = (parts.k // 2, parts.shape != "bilinear", flip)
    in_blocks(lambda a, b: run(*parts[:3], *settings, a, b, g, dw, dp, ds), len(g), _INPUTS)
    out = {}
    if "weight" in wanted:
        out["weight"] = _elements_last(dw)
    if "position" in wanted:
        out["position"] = _elements_last(dp)[None]
    if "width" in wanted:
        out["width"] = _summed(_elements_last(ds)[None], parts.sign)
    return out


def _elements_last(a):
    return np.ascontiguousarray(np.moveaxis(a, (0, 2), (2, 0)))


def _summed(full, sign):
    """Gradient of an array that was broadcast: sums over the axes along which it was."""
    shape = (1,) * (full.ndim - sign.ndim) + sign.shape
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and full.shape[i] > 1)
    return sign * full.sum(axes, keepdims=True).reshape(sign.shape)


def dcls_kernel(weight, position, width, k, version="gauss", sigma_min=SIGMA_MIN):
    """Kernels (O, I, k) of elements at learnable positions, and what :func:`dcls_kernel_backward` needs.

    Parameters
    ----------
    weight : array (O, I, M)
        Weights of M elements for each pair of an output and an input; float32 or float64.
    position : array (1, O, I, M)
        Cells from the centre, any real numbers.
    width : float or array
        S of the head of this file, anything that broadcasts to (1, O, I, M); not used by ``bilinear`` and ``v1``.
    k : int
        Cells of the kernel.
    version : str
        ``gauss``, ``triangle`` (``max``), ``bilinear`` (``v0``), or ``v1``.
    sigma_min : float
        Least s of the Gaussian, in cells.

    Raises
    ------
    ValueError
        Wrong shapes, an empty axis, k < 1, an unknown version, numbers that are not finite.

    Examples
    --------
    >>> kernel, _ = dcls_kernel(np.ones((1, 1, 1)), np.full((1, 1, 1, 1), 0.25), 0, 5, "bilinear")
    >>> kernel.tolist()
    [[[0.0, 0.0, 0.75, 0.25, 0.0]]]
    """
    parts = elements(weight, position, width, k, version, sigma_min)
    return np.ascontiguousarray(build(parts).transpose(2, 0, 1)), parts


def dcls_kernel_backward(saved, g):
    """dL/dweight, dL/dposition and dL/dwidth (a dict) from `g` = dL/dK (O, I, k)."""
    return pull_back(saved, np.ascontiguousarray(g.transpose(1, 2, 0), saved.weight.dtype))


def clamp_bounds(k):
    """Least and largest position that lie on a cell: (-c, k - 1 - c); +c of an odd kernel is the delay 0.

    Examples
    --------
    >>> clamp_bounds(25), clamp_bounds(4)
    ((-12, 12), (-2, 1))
    """
    return -(k // 2), k - 1 - k // 2


def rounded(p, k):
    """A copy of `p` with whole positions inside the window (half to even) and width 0, for version ``triangle``.

    Each element is then one cell: one delay in whole steps. `p` stays as it is.
    """
    position = np.clip(np.rint(p["position"]), *clamp_bounds(k))
    return {**p, "weight": p["weight"].copy(), "position": position, "width": np.zeros((), position.dtype)}


def sigma_schedule(epoch, epochs, k, final=FINAL_WIDTH):
    """S of an epoch (0, 1, ...): from floor(k/2) by equal factors to `final` in the first quarter of the epochs.

    Fewer than 4 epochs: `final` from the start.

    Examples
    --------
    >>> [round(sigma_schedule(e, 8, 25), 3) for e in (0, 1, 2, 7)]
    [12.0, 1.661, 0.23, 0.23]
    """
    narrowing = epochs // 4
    start = k // 2
    if narrowing == 0 or start == 0 or epoch >= narrowing:
        return float(final)
    return float(start * (final / start) ** (epoch / narrowing))


def delay_params(seed, stream, n_in, n_out, k, count=1, dtype=np.float32):
    """Weights, positions and width to start with: ``weight``, ``position``, ``width``.

    Weights are uniform in +-sqrt(6 / (n_in count)), positions uniform from -ceil(k/2) to floor(k/2), clamped to the
    window, and the width S is floor(k/2) for all. The streams are ``{stream}.weight`` and ``{stream}.position``.
    """
    shape = (n_out, n_in, count)
    bound = (6.0 / (n_in * count)) ** 0.5
    weight = bound * (2 * rng.uniforms(seed, f"{stream}.weight", shape) - 1)
    low, high = -((k + 1) // 2), k // 2
    position = low + (high - low) * rng.uniforms(seed, f"{stream}.position", (1, *shape))
    return {
        "weight": weight.astype(dtype),
        "position": np.clip(position, *clamp_bounds(k)).astype(dtype),
        "width": np.asarray(k // 2, dtype),
    }
