"""Frames of spike counts in exact fractions, sample by sample; files in the layout of SHD."""

import math
from fractions import Fraction

import numpy as np


def frames(times, units, bin_s="0.01", per_channel=5, n_channels=140):
    """int (F, n_channels) of one sample; times are taken at their exact stored values."""
    t = [Fraction(float(x)) for x in times]
    width = Fraction(bin_s)
    first = min(t)
    count = max(1, math.ceil((max(t) - first) / width))
    out = np.zeros((count, n_channels), int)
    for x, unit in zip(t, units, strict=True):
        j = min(int((x - first) / width), count - 1)
        out[j, int(unit) // per_channel] += 1
    return out


def write(path, samples, labels, keys=None, speakers=None, times_type="f2"):
    """samples: list of (times, units)."""
    import h5py

    with h5py.File(path, "w") as file:
        times = file.create_dataset("spikes/times", (len(samples),), h5py.vlen_dtype(np.dtype(times_type)))
        units = file.create_dataset("spikes/units", (len(samples),), h5py.vlen_dtype(np.dtype("u2")))
        for i, (t, u) in enumerate(samples):
            times[i], units[i] = np.asarray(t, times_type), np.asarray(u, "u2")
        file["labels"] = np.asarray(labels, "u2")
        if keys is not None:
            file["extra/keys"] = np.array([k.encode() for k in keys])
        if speakers is not None:
            file["extra/speaker"] = np.asarray(speakers, "u2")
            for name in ("gender", "age", "body_height"):
                file[f"extra/meta_info/{name}"] = np.zeros(len(set(speakers)), "S5" if name == "gender" else "u2")
