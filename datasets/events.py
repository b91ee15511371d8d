"""Spikes of many samples in flat tables, and their counts in frames.

Sample s owns the rows offsets[s] .. offsets[s + 1] - 1 of times (s) and units. Counts are taken relative to the first
spike of each sample:

    d = t - min t,   F = max(1, ceil(max d / bin)),   j = min(floor(d / bin), F - 1),   x[s, j, unit div g] += 1

so that the last frame takes the rest (a spike at exactly F bin), and g neighbouring units are summed to one channel.
With bin = 10 ms and g = 5 this is the input of Hammouamri et al. (ICLR 2024), arXiv:2306.17670.
A billionth of a frame is granted before rounding, so that decimal times fall where they should; times stored as float16
are not touched by that.
"""

from typing import NamedTuple

import numpy as np

from .catalog import DataError

__all__ = ["Events", "bin_events", "check_events", "take"]

MAX_BYTES = 8 << 30  # of an array of counts
_BLOCK = 1 << 22  # spikes at a time
_SLACK = 1e-9  # of a frame


class Events(NamedTuple):
    """N labelled samples; one table of spikes."""

    times: np.ndarray  # float64 (S,), s; in order within a sample
    units: np.ndarray  # int32 (S,), 0 .. n_units - 1
    offsets: np.ndarray  # int64 (N + 1,)
    labels: np.ndarray  # int64 (N,)
    groups: np.ndarray  # int64 (N,), speaker, or -1
    class_names: tuple = ()  # of str; () = the labels have no names
    group_names: tuple = ()  # of str; () = the speakers have no names
    n_units: int = 700

    def sample(self, s: int):
        """(times, units) of one sample."""
        rows = slice(int(self.offsets[s]), int(self.offsets[s + 1]))
        return self.times[rows], self.units[rows]


def take(events: Events, index) -> Events:
    """The samples `index` (int array or slice), in this order."""
    chosen = np.arange(len(events.labels))[index]
    starts, counts = events.offsets[chosen], np.diff(events.offsets)[chosen]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    rows = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
    return events._replace(
        times=events.times[rows],
        units=events.units[rows],
        offsets=offsets,
        labels=events.labels[chosen],
        groups=events.groups[chosen],
    )


def check_events(events: Events, where="events") -> None:
    """Raise DataError (with the sample's number): no spikes, a time that is not finite, a unit out of range."""
    counts = np.diff(events.offsets)
    if not len(counts):
        raise DataError(f"{where}: no samples")
    if not counts.all():
        raise DataError(f"{where}: sample {int(np.argmin(counts))} has no spikes")
    for start in range(0, len(events.times), _BLOCK):
        times, units = events.times[start : start + _BLOCK], events.units[start : start + _BLOCK]
        for bad, what, column in (
            (~np.isfinite(times), "times must be finite", times),
            ((units < 0) | (units >= events.n_units), f"units must lie in 0..{events.n_units - 1}", units),
        ):
            if bad.any():
                row = int(np.argmax(bad))
                sample = int(np.searchsorted(events.offsets, start + row, side="right")) - 1
                raise DataError(f"{where}: sample {sample}: {what}, got {column[row]}")


def bin_events(events: Events, bin_s: float = 0.01, per_channel: int = 5, n_steps: int | None = None, where="events"):
    """Spike counts in frames; see the head of the file.

    Parameters
    ----------
    events : Events
        Times of any float type; they become float64 before any arithmetic.
    bin_s : float
        Length of a frame, s.
    per_channel : int
        Neighbouring units that are summed; channels C = ceil(n_units / per_channel).
    n_steps : int, optional
        Frames of the array. Default: the longest sample. Shorter samples end in zeros, of longer ones the later
        frames are left out (`lengths` still tells how many there were).
    where : str
        Of what error messages speak.

    Returns
    -------
    x : uint8 (N, T, C)
    lengths : int64 (N,)
        Frames F of each sample.

    Raises
    ------
    DataError
        A sample without spikes and the like (with its number), more than 255 spikes in one place, too large an array.

    Examples
    --------
    >>> one = Events(np.array([0.5, 0.52, 0.53]), np.array([0, 7, 7]), np.array([0, 3]), np.zeros(1), np.zeros(1))
    >>> x, lengths = bin_events(one)
    >>> x.shape, lengths.tolist(), [tuple(map(int, place)) for place in np.argwhere(x)]
    ((1, 3, 140), [3], [(0, 0, 0), (0, 2, 1)])
    """
    if not bin_s > 0:
        raise ValueError(f"bin_s must be > 0 s, got {bin_s}")
    if per_channel < 1 or (n_steps is not None and n_steps < 1):
        raise ValueError(f"per_channel and n_steps must be >= 1, got {per_channel} and {n_steps}")
    check_events(events, where)
    blocks = list(_blocks(events.offsets))
    lengths = np.concatenate([_frames(events, block, bin_s)[1] for block in blocks])
    n_channels = -(-events.n_units // per_channel)
    longest = int(lengths.max()) if n_steps is None else n_steps
    if len(lengths) * longest * n_channels > MAX_BYTES:
        raise DataError(
            f"{where}: counts of {len(lengths)} samples x {longest} frames take more than {MAX_BYTES} bytes"
        )
    x = np.empty((len(lengths), longest, n_channels), np.uint8)
    for block in blocks:
        frame, _, sample = _frames(events, block, bin_s)
        rows = slice(int(events.offsets[block.start]), int(events.offsets[block.stop]))
        channel = np.asarray(events.units[rows]).astype(np.int64) // per_channel
        inside = frame < longest
        place = (sample * longest + frame) * n_channels + channel
        out = x[block]
        counts = np.bincount(place[inside], minlength=out.size)
        if counts.max() > 255:
            worst = block.start + int(np.argmax(counts)) // (longest * n_channels)
            raise DataError(f"{where}: sample {worst} has {counts.max()} spikes in one frame and channel (255 fit)")
        out[:] = counts.reshape(out.shape)
    return x, lengths


def _blocks(offsets):
    """Slices of samples with about _BLOCK / 4 spikes each, at most 256 samples."""
    start, n = 0, len(offsets) - 1
    while start < n:
        stop = int(np.searchsorted(offsets, offsets[start] + _BLOCK // 4, side="right")) - 1
        stop = min(max(stop, start + 1), start + 256, n)
        yield slice(start, stop)
        start = stop


def _frames(events, block, bin_s):
    """(frame of each spike, frames of each sample, sample of each spike counted within the block)."""
    offsets = events.offsets[block.start : block.stop + 1]
    times = np.asarray(events.times[int(offsets[0]) : int(offsets[-1])]).astype(np.float64)
    starts = offsets[:-1] - offsets[0]
    sample = np.repeat(np.arange(len(starts)), np.diff(offsets))
    # in ms and per frame of so many ms: what the published code computes, in the same order
    place = 1000 * (times - np.minimum.reduceat(times, starts)[sample]) / (1000 * bin_s)
    length = np.maximum(1, np.ceil(np.maximum.reduceat(place, starts) - _SLACK))
    if length.max() > 2**31:
        raise DataError(f"sample {block.start + int(np.argmax(length))} lasts {length.max():g} frames")
    length = length.astype(np.int64)
    return np.minimum(np.floor(place + _SLACK).astype(np.int64), length[sample] - 1), length, sample
