"""Open a result with xarray (engine h5netcdf) and average over seeds by name, not by axis number.

pip install xarray h5netcdf
python result_with_xarray.py a.h5
"""

import sys

import xarray


def main(path):
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        print(data.sizes)
        good = data.where(data.selective == 1)
        table = xarray.Dataset(
            {
                "selective": data.selective.mean("seed"),
                "n_w": good.n_w.mean("seed"),
                "n_w_std": good.n_w.std("seed"),
                "snr": good.snr_empirical.mean(["seed", "pattern"]),
                "latency_ms": 1e3 * good.latency.mean(["seed", "pattern"]),
            }
        )
        print(table.to_dataframe().round(3))

        # when did each neuron settle? first point of the learning curve after which no false alarm is seen
        quiet = data.false_alarm_history.isel(history=slice(None, None, -1)).cumsum("history") == 0
        print(data.history.where(quiet).min("history").to_dataframe("quiet_since_s"))


if __name__ == "__main__":
    main(sys.argv[1])
