"""Spikes of the user's own in place of the synthetic input: the table, cut into periods."""

import hashlib

import numpy as np

__all__ = ["OwnSpikes"]


class OwnSpikes:
    """Input of all runs from one file (formats: ``datasets.tables``).

    Raises DataError if the file cannot be read, ValueError if it has units beyond `n_afferents` or ends before
    `n_periods` periods of `period` seconds.
    """

    def __init__(self, path, n_afferents: int, period: float, n_periods: int):
        from ..datasets.tables import read_spikes

        self.time, self.unit = read_spikes(path)
        if self.unit.size and self.unit.max() >= n_afferents:
            raise ValueError(f"n_afferents must be > {self.unit.max()}, the largest unit of {path}, got {n_afferents}")
        whole = int(np.floor(self.time[-1] / period)) + 1 if self.time.size else 1
        if n_periods > whole:
            raise ValueError(f"n_periods must be <= {whole}, the periods of {period:g} s in {path}, got {n_periods}")
        self.edges = np.searchsorted(self.time, np.arange(n_periods + 1) * period)
        self.sha256 = hashlib.sha256(self.time.tobytes() + self.unit.tobytes()).hexdigest()

    def fill(self, k: int, n: int, n_runs: int):
        """Spikes of the `n` periods from `k` on, for `n_runs` runs: times (R, K), units (R, K), counts (R,)."""
        a, b = self.edges[k], self.edges[k + n]
        shape = (n_runs, b - a)
        return (
            np.broadcast_to(self.time[a:b], shape),
            np.broadcast_to(self.unit[a:b], shape),
            np.full(n_runs, b - a, np.int64),
        )
