"""From images to first spikes: contrast filters, normalisation, lateral inhibition, and the code of ranks.

    image (N, H, W)  ->  intensities (N, C, H', W') >= 0, zero = silent  ->  time map (N, C, H', W'), T = silent

Kernels, with row u and column v in -r..r, each made zero-mean and scaled to a maximum of 1:

    DoG    g(s1) - g(s2),  g(s) = exp(-(u^2 + v^2) / 2 s^2) / (2 pi s^2)           (s1 < s2 on-, s1 > s2 off-centre)
    LoG    (1 - q) exp(-q),  q = (u^2 + v^2) / 2 s^2
    Gabor  exp(-(X^2 + g^2 Y^2) / 2 sigma^2) cos(2 pi X / lambda),  lambda = 2 n / div,  sigma = 0.8 lambda

Masquelier & Thorpe 2007, doi 10.1371/journal.pcbi.0030031; Mozafari et al. 2019, doi 10.3389/fnins.2019.00625.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.spikes import time_dtype
from ...runtime.threads import in_blocks
from .checks import at_least, check_kernel, finite
from .front_end_cpu import (
    box_normalise,
    correlate,
    inhibit_later,
    inhibit_stronger,
    keep_strongest,
    pool_maximum,
    rank,
)
from .winners import pool_pairs, pool_times, pooled_size

__all__ = [
    "dog",
    "encode",
    "filter_images",
    "gabor",
    "inhibition_kernel",
    "lateral_inhibition",
    "local_normalise",
    "log",
    "pool_intensities",
    "rank_code",
    "strongest_map",
]

_BLOCK = 32  # images a thread takes at a time; their intensities stay in the cache


def _grid(size):
    if at_least("size", size, 1) % 2 == 0:
        raise ValueError(f"size must be odd, got {size}")
    r = np.arange(size) - size // 2
    return r[:, None].astype(float), r[None, :].astype(float)


def _positive(**values):
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be > 0, got {value}")


def _scaled(kernel):
    kernel = kernel - kernel.mean()
    return kernel / kernel.max()


def dog(size, s1, s2):
    """Difference of Gaussians (size, size), `s1` and `s2` in pixels, s1 != s2.

    Examples
    --------
    >>> dog(3, 1 / 3, 2 / 3)[1].round(6).tolist()
    [-0.155888, 1.0, -0.155888]
    """
    _positive(s1=s1, s2=s2)
    if s1 == s2 or size < 3:
        raise ValueError(f"a difference of Gaussians needs size >= 3 and s1 != s2, got {size}, {s1} and {s2}")
    u, v = _grid(size)
    q = (u * u + v * v) / 2
    return _scaled(np.exp(-q / s1**2) / (2 * np.pi * s1**2) - np.exp(-q / s2**2) / (2 * np.pi * s2**2))


def log(size, s):
    """Laplacian of a Gaussian (size, size), centre positive, `s` in pixels."""
    _positive(s=s)
    u, v = _grid(at_least("size", size, 3))
    q = (u * u + v * v) / (2 * s * s)
    return _scaled((1 - q) * np.exp(-q))


def gabor(size, orientation, div=4.0, gamma=0.3):
    """Gabor kernel (size, size); `orientation` in degrees, `div` sets the wavelength, `gamma` the aspect ratio."""
    _positive(div=div, gamma=gamma)
    if not np.isfinite(orientation):
        raise ValueError(f"orientation must be finite, got {orientation}")
    u, v = _grid(at_least("size", size, 3))
    wavelength = 2 * size / div
    sigma = 0.8 * wavelength
    angle = np.deg2rad(orientation)
    x = v * np.sin(angle) + u * np.cos(angle)
    y = v * np.cos(angle) - u * np.sin(angle)
    return _scaled(np.exp(-(x * x + gamma * gamma * y * y) / (2 * sigma * sigma)) * np.cos(2 * np.pi * x / wavelength))


def _stack(kernels):
    """(C, n, n) with smaller kernels centred, and for each map an earlier one it is a multiple of, and the factor."""
    kernels = [finite("kernels", k, 2).astype(float) for k in kernels]
    if not kernels or any(k.shape[0] != k.shape[1] or k.shape[0] % 2 == 0 for k in kernels):
        raise ValueError(f"kernels must be square with odd size, got {[k.shape for k in kernels]}")
    size = max(k.shape[0] for k in kernels)
    stack = np.stack([np.pad(k, (size - k.shape[0]) // 2) for k in kernels])
    base, factor = np.arange(len(stack)), np.ones(len(stack))
    for m in range(len(stack)):
        for b in range(m):
            norm = (stack[b] * stack[b]).sum()
            a = (stack[m] * stack[b]).sum() / norm if norm else 0.0
            # an off-centre DoG is the on-centre one times a negative number: one correlation serves both
            if base[b] == b and a and np.abs(stack[m] - a * stack[b]).max() <= 1e-12 * np.abs(stack[m]).max():
                base[m], factor[m] = b, a
                break
    return stack, base, factor


def filter_images(images, kernels, *, padding=0, threshold=None, use_abs=False, floor=None, scale=1.0):
    """Cross-correlation with each kernel (zero padding), then threshold, then absolute value, then noise floor.

    Parameters
    ----------
    images : ndarray, shape (N, H, W)
        uint8 or float.
    kernels : sequence of ndarray (n, n)
        Odd sizes; smaller ones are centred in the largest.
    padding : int
        Zeros around the image.
    threshold : float, optional
        Responses below it become 0. None: negative responses become 0, or, with `use_abs`, none do.
    use_abs : bool
        Take the absolute value after the threshold.
    floor : float, optional
        Responses with a smaller size become 0: a flat area gives rounding noise, not 0. Default: 1e-5 of the range of
        pixels if there is no threshold, else 0.
    scale : float
        Multiplies the pixels.

    Returns
    -------
    intensities : ndarray of float64, shape (N, C, OH, OW)
    """
    images = finite("images", images, 3)
    return _respond(images, _bank(images, kernels, padding, threshold, use_abs, floor, scale))


class _Bank(NamedTuple):
    """Checked arguments of :func:`filter_images`."""

    scale: float
    kernels: np.ndarray
    base: np.ndarray
    factor: np.ndarray
    padding: int
    cut: tuple  # threshold, absolute value, floor
    size: tuple  # of the maps


def _bank(images, kernels, padding=0, threshold=None, use_abs=False, floor=None, scale=1.0):
    _positive(scale=scale)
    stack, base, factor = _stack(kernels)
    size = check_kernel(images.shape[1:], stack.shape[1:], padding)
    if floor is None:
        full = 255.0 if images.dtype == np.uint8 else max(1.0, float(images.max(initial=0)))
        floor = 1e-5 * full * scale if threshold is None else 0.0
    if threshold is None:
        threshold = -np.inf if use_abs else 0.0
    if np.isnan(threshold) or not floor >= 0:
        raise ValueError(f"threshold must be a number and floor >= 0, got {threshold} and {floor}")
    if not use_abs and threshold < 0:
        raise ValueError(f"threshold must be >= 0 without use_abs (intensities are not negative), got {threshold}")
    cut = (float(threshold), bool(use_abs), float(floor))
    return _Bank(float(scale), stack, base, factor, int(padding), cut, size)


def _respond(images, bank):
    out = np.empty((len(images), len(bank.kernels), *bank.size))
    if images.dtype not in (np.uint8, np.float64):
        images = images.astype(np.float64)
    correlate(np.ascontiguousarray(images), *bank[:6], out)
    return out


def _intensities(array):
    array = finite("intensities", array, 4)
    if array.size and array.min() < 0:
        raise ValueError(f"intensities must be >= 0, got {array.min()}")
    return np.ascontiguousarray(array, np.float64)


def _per_map(function, intensities, *arguments):
    out = np.empty_like(intensities)
    shape = (intensities.shape[0] * intensities.shape[1], *intensities.shape[2:])
    function(intensities.reshape(shape), *arguments, out.reshape(shape))
    return out


def local_normalise(intensities, radius):
    """Each map (N, C, H, W) divided by its mean over (2 R + 1)^2 cells; the border is padded by zeros, not cut."""
    return _per_map(box_normalise, _intensities(intensities), at_least("radius", radius, 0))


def inhibition_kernel(factors=(0.15, 0.12, 0.10, 0.07, 0.05)):
    """Kernel (2 R + 1, 2 R + 1) with ``factors[d - 1]`` at Chebyshev distance d = 1..R and 0 in the middle.

    Examples
    --------
    >>> inhibition_kernel([0.5]).tolist()
    [[0.5, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.5]]
    """
    factors = finite("factors", factors, 1).astype(np.float64)
    r = np.abs(np.arange(2 * factors.size + 1) - factors.size)
    return np.concatenate([[0.0], factors])[np.maximum(r[:, None], r)]


def lateral_inhibition(intensities, factors=(0.15, 0.12, 0.10, 0.07, 0.05), mode="delay"):
    """Competition of neighbours in the same map, with a factor for each neighbour's place.

    ``mode="delay"``: stronger neighbours delay a cell, I' = I / (1 + sum of factors). ``mode="spyketorch"``: weaker
    neighbours (and the outside) strengthen it, I' = I (1 + sum of factors). All comparisons use the original values.
    `factors` are those of :func:`inhibition_kernel`, or a kernel (2 R + 1, 2 R + 1) of one's own.
    """
    if np.ndim(factors) == 1:
        factors = inhibition_kernel(factors)
    factors = finite("factors", factors, 2).astype(np.float64)
    if factors.shape[0] != factors.shape[1] or factors.shape[0] % 2 == 0:
        raise ValueError(f"a kernel of factors must be square with odd size, got shape {factors.shape}")
    if factors.min() < 0:
        raise ValueError(f"factors must be >= 0, got {factors.min()}")
    if mode not in ("delay", "spyketorch"):
        raise ValueError(f"mode must be 'delay' or 'spyketorch', got {mode!r}")
    return _per_map(inhibit_later if mode == "delay" else inhibit_stronger, _intensities(intensities), factors)


def pool_intensities(intensities, window, stride=None, padding=0):
    """Largest intensity of each window (numbers, or pairs of rows and columns); padded by zeros."""
    intensities = _intensities(intensities)
    size = pooled_size(intensities.shape[2:], window, stride, padding)
    out = np.empty((*intensities.shape[:2], *size))
    n = intensities.shape[0] * intensities.shape[1]
    pairs = pool_pairs(window, stride, padding)
    pool_maximum(intensities.reshape(n, *intensities.shape[2:]), *pairs, out.reshape(n, *size))
    return out


def strongest_map(intensities):
    """Competition of maps (orientations): at each position only the largest intensity stays; tie: the lowest map.

    Examples
    --------
    >>> strongest_map(np.array([[[[0.2, 0.5]], [[0.4, 0.5]]]])).tolist()
    [[[[0.0, 0.5]], [[0.4, 0.0]]]]
    """
    intensities = _intensities(intensities)
    out = np.empty_like(intensities)
    keep_strongest(intensities, out)
    return out


def rank_code(intensities, n_steps, bins="equal"):
    """Spike steps by rank of intensity over all maps of an image together; zero stays silent.

    With n non-zero intensities in falling order (ties: by flat index), rank r = 0..n-1 spikes at

        bins="equal":       floor(r T / n)
        bins="spyketorch":  floor(r / b), b = floor(n / T); the n - b T weakest never spike

    Returns
    -------
    times : ndarray, shape (N, C, H, W)

    Examples
    --------
    >>> rank_code(np.array([[[[0.2, 0.0, 0.9, 0.5]]]]), 2).tolist()
    [[[[1, 2, 0, 0]]]]
    """
    if bins not in ("equal", "spyketorch"):
        raise ValueError(f"bins must be 'equal' or 'spyketorch', got {bins!r}")
    n_steps = at_least("n_steps", n_steps, 1)
    intensities = _intensities(intensities)
    out = np.empty(intensities.shape, time_dtype(n_steps))
    rank(intensities, n_steps, bins == "equal", out)
    return out


def encode(
    images,
    kernels,
    n_steps,
    *,
    filtering=None,
    norm_radius=0,
    filter_pool=None,
    inhibition=None,
    competition="none",
    bins="equal",
    time_pool=None,
):
    """The whole front end, threaded over images: filter, normalise, pool, inhibit, compete, rank, pool the spikes.

    Parameters
    ----------
    images : ndarray, shape (N, H, W)
        uint8 or float.
    kernels : sequence of ndarray
        As in :func:`filter_images`.
    n_steps : int
        T.
    filtering : dict, optional
        Keywords of :func:`filter_images`.
    norm_radius : int
        R of :func:`local_normalise`; 0 = none.
    filter_pool : (window, stride, padding), optional
        Largest intensity of each window (:func:`pool_intensities`), before inhibition.
    inhibition : dict, optional
        Keywords of :func:`lateral_inhibition`; None = none.
    competition : {"none", "before", "after"}
        Only the strongest map of each position spikes (:func:`strongest_map`): chosen before ranking, so that the
        losers take no rank, or after it.
    bins : str
        As in :func:`rank_code`.
    time_pool : (window, stride, padding), optional
        Earliest spike of each window (:func:`~firstspike.plasticity.waves.winners.pool_times`).

    Returns
    -------
    times : ndarray, shape (N, C, H', W')
    """
    images = finite("images", images, 3)
    bank = _bank(images, kernels, **(filtering or {}))
    n_steps = at_least("n_steps", n_steps, 1)
    if competition not in ("none", "before", "after"):
        raise ValueError(f"competition must be 'none', 'before' or 'after', got {competition!r}")
    size = bank.size
    for pool in (filter_pool, time_pool):
        size = pooled_size(size, *pool) if pool else size
    out = np.empty((len(images), len(bank.kernels), *size), time_dtype(n_steps))

    def block(start, stop):
        maps = _respond(images[start:stop], bank)
        if norm_radius:
            maps = local_normalise(maps, norm_radius)
        if filter_pool:
            maps = pool_intensities(maps, *filter_pool)
        if inhibition is not None:
            maps = lateral_inhibition(maps, **inhibition)
        winners = maps if competition == "none" else strongest_map(maps)
        times = rank_code(maps if competition == "after" else winners, n_steps, bins)
        if competition == "after":  # the strongest of a position has the first rank there
            times[winners == 0] = n_steps
        out[start:stop] = pool_times(times, n_steps, *time_pool) if time_pool else times

    in_blocks(block, len(images), _BLOCK)
    return out
