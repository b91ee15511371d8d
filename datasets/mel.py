"""From sound to frames and to spikes: power spectrum, triangular mel bands, level, onsets.

    P[f, b] = |sum_s hann(s) x[f hop + s] exp(-2 pi i b s / n_fft)|^2                  frame f, bin b = 0 .. n_fft / 2
    mel(h)  = 2595 log10(1 + h / 700)                                                  h in Hz
    M[f, m] = sum_b P[f, b] tri_m(b rate / n_fft)         triangle with peak 1 at edge m + 1, zero at edges m and m + 2;
                                                           the n_bands + 2 edges are equidistant in mel, f_min .. f_max
    v[f, m] = max(0, 1 + (L - max L) / span)               L = 10 log10(M + 1e-10) dB, maximum over the recording
    onset of level k in band m at frame f:   v[f-1, m] < level_k <= v[f, m],  v[-1] = 0     -> unit k n_bands + m

hann is the periodic window (1 - cos(2 pi s / n_fft)) / 2. Frames either start at sample 0 and end inside the sound
(shorter sounds are filled with zeros up to one frame), or are centred at the samples f hop of the sound reflected at
both ends. Everything is vectorised over frames and bands. Hearing scale: O'Shaughnessy 1987 (the HTK form).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .audio import fit_length, resample

__all__ = [
    "KEYWORDS",
    "KEYWORDS_REFERENCE",
    "SPOKEN",
    "Mel",
    "band_power",
    "levels_of",
    "log_mel",
    "mel_bank",
    "onsets",
]

_TINY = 1e-10


@dataclass(frozen=True)
class Mel:
    """How a recording becomes frames; hashable, checked when it is used."""

    rate: int = 8000  # Hz; other recordings are resampled
    n_fft: int = 256  # samples of a frame, 32 ms
    hop: int = 80  # samples between frames, 10 ms
    n_bands: int = 40
    f_min: float = 50.0  # Hz
    f_max: float = 4000.0  # Hz; may lie above rate / 2: then the highest bands are empty
    centred: bool = False
    span_db: float = 60.0  # range of the levels below the loudest frame and band
    levels: tuple[float, ...] = (0.45, 0.70)  # of 0..1, one population of units each

    @property
    def n_units(self) -> int:
        """Units of the onset code."""
        return self.n_bands * len(self.levels)

    @property
    def bin_s(self) -> float:
        """Distance of frames in s."""
        return self.hop / self.rate


#: onset code of spoken digits
SPOKEN = Mel()
#: real-valued frames of one-second keywords, all 140 bands below half the sampling rate
KEYWORDS = Mel(n_bands=140, centred=True)
#: the same as published: 140 bands up to 14 kHz at a rate of 8 kHz, so that those above 4 kHz are empty
KEYWORDS_REFERENCE = Mel(n_bands=140, f_max=14_000.0, centred=True)


@lru_cache(maxsize=16)
def mel_bank(mel: Mel = SPOKEN):
    """Weights of the triangular bands, float64 (n_fft / 2 + 1, n_bands), read-only.

    Raises
    ------
    ValueError
        A length, rate or count below 1, or frequencies that are not 0 <= f_min < f_max.
    """
    for name in ("rate", "n_fft", "hop", "n_bands"):
        if getattr(mel, name) < 1:
            raise ValueError(f"{name} must be >= 1, got {getattr(mel, name)}")
    if not 0 <= mel.f_min < mel.f_max < np.inf:
        raise ValueError(f"f_min and f_max must be 0 <= f_min < f_max, got {mel.f_min} and {mel.f_max} Hz")
    low, high = (2595 * np.log10(1 + f / 700) for f in (mel.f_min, mel.f_max))
    edges = 700 * (10 ** (np.linspace(low, high, mel.n_bands + 2) / 2595) - 1)
    f = (np.arange(mel.n_fft // 2 + 1) * (mel.rate / mel.n_fft))[:, None]
    width = np.diff(edges)
    rising, falling = (f - edges[:-2]) / width[:-1], (edges[2:] - f) / width[1:]
    bank = np.maximum(0.0, np.minimum(rising, falling))
    bank.flags.writeable = False
    return bank


@lru_cache(maxsize=16)
def _hann(n):
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)


def n_frames(n: int, mel: Mel = SPOKEN) -> int:
    """Frames of n samples at the rate of `mel`.

    Examples
    --------
    >>> n_frames(8000), n_frames(100), n_frames(8000, KEYWORDS)
    (97, 1, 101)
    """
    return n // mel.hop + 1 if mel.centred else max(0, n - mel.n_fft) // mel.hop + 1


def band_power(x, mel: Mel = SPOKEN):
    """Power in each band and frame, float64 (F, n_bands), of samples x (n,) at the rate of `mel`.

    F = floor((n - n_fft) / hop) + 1 (n < n_fft: 1), or floor(n / hop) + 1 centred (:func:`n_frames`).
    """
    x = np.asarray(x, np.float64)
    if x.ndim != 1 or not x.size:
        raise ValueError(f"x must be samples of shape (n,), n >= 1, got shape {x.shape}")
    bank = mel_bank(mel)
    if mel.centred:
        if len(x) <= mel.n_fft // 2:
            raise ValueError(f"centred frames need more than {mel.n_fft // 2} samples, got {len(x)}")
        x = np.pad(x, mel.n_fft // 2, mode="reflect")
    x = fit_length(x, max(len(x), mel.n_fft))
    frames = np.lib.stride_tricks.sliding_window_view(x, mel.n_fft)[:: mel.hop]
    spectrum = np.fft.rfft(frames * _hann(mel.n_fft), axis=1)
    return (spectrum.real**2 + spectrum.imag**2) @ bank


def log_mel(x, rate: int, mel: Mel = KEYWORDS, seconds: float | None = 1.0):
    """Band power in dB, 10 log10(max(M, 1e-10)), float32 (F, n_bands).

    Parameters
    ----------
    x : array (n,)
        Samples.
    rate : int
        Their rate in Hz.
    mel : Mel
        Frames and bands.
    seconds : float, optional
        Cut the sound, or append zeros, to this length before anything else.
    """
    if seconds is not None:
        x = fit_length(np.asarray(x, np.float64), round(seconds * rate))
    power = band_power(resample(x, rate, mel.rate), mel)
    return (10 * np.log10(np.maximum(power, _TINY))).astype(np.float32)


def levels_of(x, rate: int, mel: Mel = SPOKEN):
    """Level of each band on a scale from 0 (`span_db` below the loudest) to 1, float64 (F, n_bands); 0 for silence."""
    power = band_power(resample(x, rate, mel.rate), mel)
    if not power.any():
        return np.zeros_like(power)
    loudness = 10 * np.log10(power + _TINY)
    return np.maximum(0.0, 1 + (loudness - loudness.max()) / mel.span_db)


def onsets(v, levels):
    """Where levels are crossed upwards, uint8 (F, n_levels * n_bands), of v (F, n_bands).

    Examples
    --------
    >>> onsets(np.array([[0.0, 0.5], [0.7, 0.5], [0.4, 0.2], [0.5, 0.9]]), (0.45, 0.7)).tolist()
    [[0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 0, 1]]
    """
    if not levels or min(levels) <= 0:
        raise ValueError(f"levels must be > 0, at least one, got {levels}")
    above = v[:, None, :] >= np.asarray(levels)[:, None]
    out = above.copy()
    out[1:] &= ~above[:-1]
    return out.reshape(len(v), -1).view(np.uint8)
