"""The input of one run on slots: made once, kept packed, read as often as one likes.

Times are kept as 32-bit fractions of a slot, in TICK or the least multiple of it that fits (50 ms: 12 ps), afferents in
16 bits: the same bits on every machine. See ``datasets.slots`` for what is on it.
"""

import numpy as np

from ..runtime.jit import kernel
from .poisson import LATEST, TICK, to_seconds
from .slots import SlotInput, involved, labels, make, new_world

__all__ = ["SLICE", "Tape"]

SLICE = 20  # slots a slice


@kernel
def _unpack(counts, fractions, units, origin, length, drop, times, names):
    """Times (s) and afferents of a slice; `origin`: ticks of its first slot."""
    pos, ticks, shift = 0, times.view(np.int64), np.uint64(drop)
    for k in range(counts.size):
        to, some = ticks[pos : pos + counts[k]], fractions[pos : pos + counts[k]]
        start = origin + k * length
        for i in range(some.size):
            to[i] = start + np.int64(np.uint64(some[i]) << shift)
        pos += counts[k]
    to_seconds(ticks[:pos], times)
    for i in range(pos):
        names[i] = units[i]


class Tape:
    """Input of one run: made slice by slice, kept packed (6 bytes a spike), read as often as one likes.

    Parameters
    ----------
    seed : int
        Streams "wander", "start", "noise", "jitter", "deletion", "slot", "label", "involved/p".
    params : SlotInput
        Parameters of the input.

    Examples
    --------
    >>> tape = Tape(3, SlotInput(n_afferents=50, n_involved=20, n_slots=40))
    >>> times, units, counts = tape.read(1)
    >>> tape.n_slices, bool(times[0, 0] >= 1.0)
    (2, True)
    """

    def __init__(self, seed: int, params: SlotInput):
        self.params, self.labels, self.involved = params, labels(seed, params), involved(seed, params)
        self.n_slices, self._slices = -(-params.n_slots // SLICE), []
        self._world, self._work = new_world(seed, params, self.labels, self.involved)
        self.length = int(self._world.slot[0])
        self.duration = params.n_slots * self.length * TICK

    @property
    def pattern(self):
        """Frozen patterns so far: list of (times in the slot (s), afferents); None where not shown yet."""
        world = self._world
        found = [world.pattern[p, : max(n, 0)] for p, n in enumerate(world.frozen)]
        return [
            (np.int64(c >> np.uint64(16)) * TICK, np.int32(c & np.uint64(0xFFFF))) if n >= 0 else None
            for c, n in zip(found, world.frozen, strict=True)
        ]

    @property
    def n_made(self):
        """Slices that have been made so far."""
        return len(self._slices)

    def make(self, n: int):
        """Make the next `n` slices (as many as there are; none if n < 0)."""
        for _ in range(min(n, self.n_slices - self.n_made)):
            self._slices.append(self._next(self.n_made))

    def read(self, index: int, repetition: int = 0, out=None):
        """Slice number `index` in the `repetition`-th replay: times (1, K) in s, units (1, K) int32, counts (1,).

        Slices that were not read before are made first. `out`: what an earlier call returned, to be written over.
        """
        self.make(index + 1 - self.n_made)
        counts, fractions, units = self._slices[index]
        n = fractions.size
        if out is None or out[0].shape[1] < n:
            out = np.empty((1, n + n // 8)), np.empty((1, n + n // 8), np.int32), np.empty(1, np.int64)
        origin = (repetition * self.params.n_slots + index * SLICE) * self.length
        if origin * TICK > LATEST - 10:
            raise ValueError(f"replays must end before {LATEST:.0f} s")
        _unpack(counts, fractions, units, origin, self.length, int(self._world.slot[3]), out[0][0], out[1][0])
        out[2][0] = n
        return out

    def _next(self, index):
        first, last = index * SLICE, min((index + 1) * SLICE, self.params.n_slots)
        room = (last - first) * self._world.listed.shape[1]
        counts, fractions, units = (
            np.empty(last - first, np.int64),
            np.empty(room, np.uint32),
            np.empty(room, np.uint16),
        )
        n = make(self._world, first, last, counts, fractions, units, self._work)
        return counts, fractions[:n].copy(), units[:n].copy()
