"""Spikes of the user's own in place of the synthetic input: the table, cut into periods."""

import hashlib
from pathlib import Path

import numpy as np

from .measures.recording import period_starts

__all__ = ["OwnSpikes", "sha256_of"]


def sha256_of(path) -> str:
    """Digest of a file, or of all files of a folder with their names."""
    path, digest = Path(path), hashlib.sha256()
    for file in sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]:
        if path.is_dir():
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


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
        self.edges = np.searchsorted(self.time, period_starts(np.arange(n_periods + 1), period))

    def fill(self, k: int, n: int, n_runs: int):
        """Spikes of the `n` periods from `k` on, for `n_runs` runs: times (R, K), units (R, K), counts (R,)."""
        a, b = self.edges[k], self.edges[k + n]
        shape = (n_runs, b - a)
        return (
            np.broadcast_to(self.time[a:b], shape),
            np.broadcast_to(self.unit[a:b], shape),
            np.full(n_runs, b - a, np.int64),
        )
