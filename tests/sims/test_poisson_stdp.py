"""The experiment on pair STDP under random input: same bits for any way to run it, and the balance it is about."""

import os
import subprocess
import sys

import numpy as np
import pytest

import firstspike
from firstspike.plasticity.rules.protocol import paired
from firstspike.plasticity.rules.trace import Additive, Pair
from firstspike.runtime.params import update
from firstspike.runtime.run import Interrupted, Run
from firstspike.sims import poisson_stdp as sim

SMALL = dict(n_afferents=60, rate=(20.0, 40.0), threshold=(8.0,), a_plus=(0.02,), ratio=(1.05, 1.5), n_neurons=2)
SMALL |= dict(duration=12.0, history_every=1.0)


@pytest.fixture(scope="module")
def small():
    return firstspike.run("poisson-stdp", seeds=2, **SMALL)


def test_result(small):
    assert small["rate_history"].shape == (2, 8, 12)
    assert small["weights"].shape == (2, 8, 60)
    np.testing.assert_array_equal(small["weight_histogram"].sum(axis=3), 60)
    assert small["rate"].tolist() == [20.0] * 4 + [40.0] * 4 and small["ratio"].tolist() == [1.05, 1.05, 1.5, 1.5] * 2
    # the stored spikes (all, the run is shorter than what is kept) are those that were counted
    for s in range(2):
        for i in range(8):
            mine = (small["spike_seed"] == s) & (small["spike_point"] == i)
            time = small["spike_time"][mine]
            assert time.size == round(small["rate_history"][s, i].sum())
            late = np.diff(time[time > 8.0])
            if late.size > 2:
                assert small["cv"][s, i] == pytest.approx(late.std() / late.mean(), rel=1e-9)
    mean = small["weights"].mean(axis=2)
    np.testing.assert_allclose(mean, small["mean_weight_history"][..., -1], rtol=1e-5)
    assert (small["rate_out"][:, :2].mean() > small["rate_out"][:, 2:4].mean()) and (mean < 0.5).any()


def test_points_do_not_depend_on_each_other(small):
    """A point alone is the point among others: lanes and rows, shared input, threads."""
    alone = SMALL | dict(rate=(40.0,), ratio=(1.5,), n_neurons=1)
    one = firstspike.run("poisson-stdp", seed=1, threads=2, **alone)
    np.testing.assert_array_equal(one["rate_history"][0, 0], small["rate_history"][1, 6])
    np.testing.assert_allclose(one["weights"][0, 0], small["weights"][1, 6], atol=1e-4)


def test_same_bits_with_threads_and_resumed(small):
    params = update(sim.PRESETS["quick"], SMALL)
    again = sim.simulate(params, Run(0, 2, threads=2))

    class Stopping(Run):
        def tick(self, snapshot, done, note=""):
            if done > 0.4:
                self.kept = {k: v.copy() for k, v in snapshot().items()}
                raise Interrupted(2, None, done)

    first = Stopping(0, 2)
    with pytest.raises(Interrupted):
        sim.simulate(params, first)
    second = Run(0, 2)
    second.restored = first.kept
    resumed = sim.simulate(params, second)
    for name, array in small.arrays.items():
        np.testing.assert_array_equal(array.data, again[name], err_msg=name)
        np.testing.assert_array_equal(array.data, resumed[name], err_msg=name)


SIMULATED = """
import numpy as np
import firstspike
from firstspike.runtime.run import Interrupted, Run
from firstspike.sims import poisson_stdp as sim
small = dict(n_afferents=5, rate=(20.0,), threshold=(0.9,), a_plus=(0.05,), ratio=(1.05, 1.5), n_neurons=2)
small |= dict(duration=1.0, history_every=0.5, clock_step=1e-3, precision="double")
cpu, cuda = (firstspike.run("poisson-stdp", device=device, **small) for device in ("cpu", "cuda"))
assert cpu["rate_history"].min() > 10
for name, array in cpu.arrays.items():
    np.testing.assert_allclose(cuda[name], array.data, atol=1e-9, err_msg=name)
class Stopping(Run):
    def tick(self, snapshot, done, note=""):
        self.kept = {k: v.copy() for k, v in snapshot().items()}
        raise Interrupted(2, None, done)
params = firstspike.runtime.params.update(sim.PRESETS["quick"], small)
first, second = Stopping(device="cuda"), Run(device="cuda")
try:
    sim.simulate(params, first)
except Interrupted:
    second.restored = first.kept
resumed = sim.simulate(params, second)
for name, array in cuda.arrays.items():
    np.testing.assert_array_equal(resumed[name], array.data, err_msg=name)
try:
    firstspike.run("poisson-stdp", device="cuda", rule="additive", **small)
except ValueError as error:
    assert "rule additive runs on the cpu only" in str(error), error
else:
    raise AssertionError("a rule that does not add up was taken")
"""


def test_on_cuda_in_the_simulator(tmp_path):
    """The experiment on a graphics processor: the CPU's result, also when it was stopped and went on."""
    env = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", SIMULATED], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_figures_and_numbers(small):
    summary = sim.summary(small)
    assert set(summary["rate_out"]) == {f"rate={r} ratio={q}" for r in (20, 40) for q in (1.05, 1.5)}
    for name in sim.FIGURES:
        assert len(sim.figure(small, name).axes) >= 5


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"rate": (10.0, 10.0)}, "different values"),
        ({"start": -0.5}, "start must be -1 or in 0..1"),
        ({"duration": 1.5, "history_every": 1.0}, "duration must be a whole number of history_every"),
        ({"clock_step": 0.3}, "history_every must be a whole number of clock_step"),
        ({"rule": "nobody"}, "rule must be one of"),
    ],
)
def test_errors(settings, message):
    with pytest.raises(ValueError, match=message):
        update(sim.PRESETS["quick"], settings)


def test_pairing():
    """Against the closed form of pair rules, bounds and homeostasis included."""
    rule = Pair(a_plus=0.01, a_minus=0.02, tau_plus=20e-3, tau_minus=30e-3)
    one = 0.01 * np.exp(-0.5)
    assert paired(rule, 0.5, [0.0], [10e-3]) == pytest.approx(0.5 + one)
    assert paired(rule, 0.5, [10e-3], [0.0]) == pytest.approx(0.5 - 0.02 * np.exp(-1 / 3))
    assert paired(rule, 0.5, [0.0], [0.0]) == pytest.approx(0.51)  # the input spike comes first
    period = np.arange(5) * 0.1
    both = sum(0.01 * np.exp(-(b - a + 0.01) / 20e-3) for a in period for b in period if b >= a)
    both -= sum(0.02 * np.exp(-(a - b - 0.01) / 30e-3) for a in period for b in period if a > b)
    assert paired(rule, 0.5, period, period + 0.01) == pytest.approx(0.5 + both)
    assert paired(Pair(a_plus=1.0), 0.5, [0.0], [1e-3]) == 1.0
    assert paired(Additive(w_out=0.003), 0.5, [], [1.0]) == pytest.approx(0.497)


def test_window():
    result = firstspike.run("stdp-window", n_lags=21)
    lag, window = result["lag"], result["window"][0]
    up, down = 1e-3 * np.exp(-lag / 20e-3), -1.05e-3 * np.exp(lag / 20e-3)
    np.testing.assert_allclose(window, np.where(lag >= 0, up, down), atol=1e-12)
    from firstspike.sims import stdp_window

    assert len(stdp_window.figure(result).axes) == 4
