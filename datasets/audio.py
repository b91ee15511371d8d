"""Recorded sound: WAV files as arrays of samples, other sampling rates, a fixed length.

Samples are float64 in [-1, 1): integers of b bits are divided by 2**(b - 1), 8-bit ones first lose their offset of 128;
several channels become their mean. Reading is done by SciPy; what it only warns of (a file that ends too early) is an
error here.
"""

import io
import math
import struct
import warnings
from pathlib import Path
from threading import Lock

import numpy as np

from .catalog import DataError, MissingData

__all__ = ["fit_length", "read_wav", "resample"]

MAX_BYTES = 1 << 28  # of one file
RATES = 100, 1_000_000  # Hz, what is taken for a sampling rate
_LOCK = Lock()  # filters of warnings belong to the process, not to a thread


def read_wav(source, name=None):
    """Samples and sampling rate of a WAV file.

    Parameters
    ----------
    source : path or bytes
        The file, or its content.
    name : str, optional
        What error messages call it; needed with bytes.

    Returns
    -------
    x : float64 (n,)
        Samples, mean over channels; n >= 1.
    rate : int
        Samples a second.

    Raises
    ------
    DataError
        Missing, empty, not a WAV file, compressed, ends too early, no samples, samples not finite. With the name.
    """
    name = source if name is None else name
    if not isinstance(source, (bytes, bytearray)):
        source = _bytes_of(Path(source))
    if not source:
        raise DataError(f"{name} is empty")
    from scipy.io import wavfile

    try:
        with _LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            warnings.filterwarnings("error", "Reached EOF", wavfile.WavFileWarning)
            rate, data = wavfile.read(io.BytesIO(source))
    except (wavfile.WavFileWarning, struct.error):
        raise DataError(f"{name}: the file ends before the samples that its header claims") from None
    except MemoryError:
        raise DataError(f"{name}: the header claims more than fits into memory") from None
    except Exception as error:  # the parser of damaged headers raises almost anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        reason = "its length does not fit its samples" if "buffer size" in reason else reason  # NumPy's words
        raise DataError(f"{name} is not a readable WAV file: {reason}") from None
    return _mono(name, data), _checked_rate(name, rate)


def _bytes_of(path):
    if not path.exists():
        raise MissingData(f"{path} does not exist")
    if not path.is_file():
        raise DataError(f"{path} is not a file")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path} has {path.stat().st_size} bytes, more than the limit of {MAX_BYTES}")
    return path.read_bytes()


def _mono(name, data):
    if data.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # signalling NaN
            x = data.astype(np.float64)
        if not np.isfinite(x).all():
            raise DataError(f"{name}: sample {int(np.argmin(np.isfinite(x.reshape(len(x), -1)).all(1)))} is not finite")
    elif data.dtype.kind == "u" and data.dtype.itemsize == 1:
        x = (data.astype(np.float64) - 128) / 128
    elif data.dtype.kind == "i":
        x = data / float(1 << (8 * data.dtype.itemsize - 1))
    else:
        raise DataError(f"{name}: samples of type {data.dtype} are not read")
    if not x.size:
        raise DataError(f"{name} holds no samples")
    return x if x.ndim == 1 else x.mean(axis=1)


def _checked_rate(name, rate):
    if not RATES[0] <= rate <= RATES[1]:
        raise DataError(f"{name}: the sampling rate must lie in {RATES[0]}..{RATES[1]} Hz, got {rate}")
    return int(rate)


def resample(x, rate: int, new_rate: int):
    """The same sound at another sampling rate (polyphase filter of SciPy, zero phase, starts at the same instant).

    Examples
    --------
    >>> resample(np.zeros(16000), 16000, 8000).shape
    (8000,)
    """
    if rate <= 0 or new_rate <= 0:
        raise ValueError(f"sampling rates must be > 0 Hz, got {rate} and {new_rate}")
    if rate == new_rate:
        return x
    from scipy.signal import resample_poly

    common = math.gcd(int(rate), int(new_rate))
    return resample_poly(x, new_rate // common, rate // common)


def fit_length(x, n: int):
    """Samples 0..n-1: zeros are appended, or the rest is cut off.

    Examples
    --------
    >>> fit_length(np.array([1.0, 2.0]), 3).tolist(), fit_length(np.array([1.0, 2.0]), 1).tolist()
    ([1.0, 2.0, 0.0], [1.0])
    """
    return x[:n] if len(x) >= n else np.pad(x, (0, n - len(x)))
