"""Read a result of `firstspike sim coincidence` with h5py alone: dimensions, parameters, a table of outcomes.

python result_with_h5py.py a.h5
"""

import json
import sys

import h5py
import numpy as np


def main(path):
    with h5py.File(path) as f:
        parameters = json.loads(f["parameters"].attrs["json"])
        print(f"{f.attrs['title']}\n{f.attrs['kind']}, content {f.attrs['content_sha256'][:12]}")
        print(f"{parameters['n_afferents']} afferents at {parameters['rate']} Hz, seeds {f['seed'][:]}")

        w = f["n_w"]  # every axis carries its name and every dataset its unit
        print(f"n_w has dimensions {[d[0].name.strip('/') for d in w.dims]}: {w.attrs['long_name']}")

        print(f"\n{'neuron':>6} {'selective':>9} {'n_w':>12} {'SNR':>12}")
        for neuron in range(w.shape[1]):
            chosen = f["selective"][:, neuron] == 1
            n_w, snr = w[:, neuron][chosen], f["snr_empirical"][:, neuron][chosen].mean(axis=1)
            if chosen.any():
                print(f"{neuron:>6} {chosen.mean():>9.0%} {n_w.mean():>6.0f} ± {n_w.std():<3.0f} {snr.mean():>12.1f}")
            else:
                print(f"{neuron:>6} {0:>9.0%}")

        # output spikes are one flat table: (run, neuron, time)
        mine = (f["spike_run"][:] == 0) & (f["spike_neuron"][:] == 0)
        times = f["spike_time"][:][mine]
        every = np.median(np.diff(times))
        print(f"\nneuron 0, first seed: {times.size} output spikes, one every {every:.3f} s (median)")


if __name__ == "__main__":
    main(sys.argv[1])
