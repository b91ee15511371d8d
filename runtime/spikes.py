"""Conversions between the shapes of spiking activity: time maps, cumulative waves, event lists.

A **time map** holds one integer a neuron: its spike step 0..T-1, or T if it is silent. A **wave** is boolean with a
leading time axis, cumulative: 1 from the spike step on. An **event list** names the spikes in order of time:
(c, y, x) of each, and offsets so that step t is ``[offsets[t], offsets[t + 1])``. Plain arrays, no container.
"""

import numpy as np

__all__ = ["check_times", "count_spikes", "event_list", "times_to_wave", "time_dtype", "wave_to_times"]


def time_dtype(n_steps: int):
    """Smallest type of a time map with `n_steps` steps: uint8 up to 255, else int32."""
    return np.dtype(np.uint8 if n_steps <= 255 else np.int32)


def check_times(times, n_steps: int, ndim: int = 4, name: str = "times"):
    """Return `times` as a C-contiguous array of :func:`time_dtype`.

    Raises
    ------
    ValueError
        If ``n_steps < 1``, the number of axes is not `ndim`, an entry is not an integer in 0..n_steps.
    """
    if n_steps < 1 or n_steps != int(n_steps):
        raise ValueError(f"n_steps must be an integer >= 1, got {n_steps}")
    times = np.asarray(times)
    if times.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {times.shape}")
    if times.dtype.kind not in "ui":
        if not (times.dtype.kind in "fb" and np.array_equal(times, np.floor(times)) and np.isfinite(times).all()):
            raise ValueError(f"{name} must hold integer spike steps, got {times.dtype}")
    if times.size and (times.max() > n_steps or times.min() < 0):
        raise ValueError(f"{name} must lie in 0..{n_steps} ({n_steps} = silent), got {times.min()}..{times.max()}")
    return np.ascontiguousarray(times, dtype=time_dtype(n_steps))


def times_to_wave(times, n_steps: int):
    """Cumulative wave (..., T, C, H, W) of bool from a time map (..., C, H, W).

    Examples
    --------
    >>> times_to_wave(np.array([[[0, 2]]]), 2)[:, 0, 0].astype(int).tolist()
    [[1, 0], [1, 0]]
    """
    times = np.asarray(times)
    times = check_times(times, n_steps, max(times.ndim, 3))
    steps = np.arange(n_steps).reshape(-1, 1, 1, 1)
    return times[..., None, :, :, :] <= steps


def wave_to_times(wave):
    """Time map (..., C, H, W) from a cumulative wave (..., T, C, H, W): T minus the number of ones.

    Raises
    ------
    ValueError
        If the wave falls back from 1 to 0 anywhere.
    """
    wave = np.asarray(wave) != 0
    if wave.ndim < 4:
        raise ValueError(f"wave must have at least 4 axes (T, C, H, W), got shape {wave.shape}")
    if (wave[..., :-1, :, :, :] & ~wave[..., 1:, :, :, :]).any():
        raise ValueError("wave must be cumulative: once 1, it stays 1")
    n_steps = wave.shape[-4]
    return (n_steps - wave.sum(-4)).astype(time_dtype(n_steps))


def event_list(times, n_steps: int):
    """Spikes of one time map (C, H, W), sorted by step and, inside a step, by flat index (c, y, x).

    Returns
    -------
    c, y, x : ndarray of int32, shape (n_spikes,)
    offsets : ndarray of int64, shape (T + 1,)
        Step t holds the spikes ``offsets[t]`` to ``offsets[t + 1]``.

    Examples
    --------
    >>> c, y, x, offsets = event_list(np.array([[[1, 2], [0, 1]]]), 2)
    >>> y.tolist(), x.tolist(), offsets.tolist()
    ([1, 0, 1], [0, 0, 1], [0, 1, 3])
    """
    times = check_times(times, n_steps, 3)
    flat = times.reshape(-1)
    offsets = np.zeros(n_steps + 1, np.int64)
    np.cumsum(np.bincount(flat, minlength=n_steps + 1)[:n_steps], out=offsets[1:])
    order = np.argsort(flat, kind="stable")[: offsets[-1]]  # radix sort for uint8: a counting sort
    c, y, x = np.unravel_index(order, times.shape)
    return c.astype(np.int32), y.astype(np.int32), x.astype(np.int32), offsets


def count_spikes(times, n_steps: int):
    """Spikes of each image, map and step: int32 (N, C, T) from time maps (N, C, H, W).

    Sum over axes for less detail: ``.sum((1, 2))`` is spikes an image, ``.mean(0).sum(0)`` spikes an image at each
    step. A neuron spikes at most once, so counts divided by H W are the share of neurons that spike (the sparsity).

    Examples
    --------
    >>> count_spikes(np.array([[[[0, 2]], [[1, 1]]]]), 2).tolist()
    [[[1, 0], [0, 2]]]
    """
    times = check_times(times, n_steps)
    n, c = times.shape[:2]
    bins = np.arange(n * c).reshape(n, c, 1, 1) * (n_steps + 1) + times
    counts = np.bincount(bins.reshape(-1), minlength=n * c * (n_steps + 1))
    return counts.reshape(n, c, n_steps + 1)[..., :n_steps].astype(np.int32)
