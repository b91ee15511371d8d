"""Draw your own figure of a result with h5py and matplotlib: what the neuron learned, over the frozen pattern.

python result_figure.py a.h5 pattern.png
"""

import sys

import h5py
import matplotlib.pyplot as plt
import numpy as np


def main(path, out):
    with h5py.File(path) as f:
        weights = f["weights"][0, 0]  # first seed, first neuron: one weight an afferent
        shown = (f["pattern_spike_run"][:] == 0) & (f["pattern_spike_pattern"][:] == 0)
        time, unit = f["pattern_spike_time"][:][shown], f["pattern_spike_unit"][:][shown]
        latency = f["latency"][0, 0, 0]

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained", width_ratios=(2, 1))
    edges = np.arange(0, time.max() + 1e-3, 2e-3)
    all_spikes, _ = np.histogram(time, edges)
    learned, _ = np.histogram(time, edges, weights=weights[unit])
    left.step(1e3 * edges[:-1], all_spikes, where="post", color="0.6", label="all spikes of the pattern")
    left.step(1e3 * edges[:-1], learned, where="post", color="#0072B2", label="weighted by what was learned")
    left.axvline(1e3 * latency, color="#D55E00", label="first output spike (mean)")
    left.set(xlabel="time in the pattern (ms)", ylabel="spikes in 2 ms")
    left.legend(frameon=False, fontsize=8)
    right.hist(weights, bins=20, color="#0072B2")
    right.set(xlabel="weight", ylabel="afferents", yscale="log")
    figure.savefig(out, dpi=150)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
