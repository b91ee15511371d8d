"""The theory commands: keys, units, errors, figures, and that their help is light."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from firstspike import theory
from firstspike.theory.commands import COMMANDS


def _json(name, *settings):
    arguments = [part for s in settings for part in ("--set", s)]
    done = CliRunner().invoke(COMMANDS[name], [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_snr_has_the_keys_and_the_numbers():
    got = _json("snr")
    names = ["n_selected", "v_noise_mean", "v_noise_std", "v_max_normalised", "v_max", "t_peak", "snr"]
    assert list(got) == names
    assert got["snr"] == pytest.approx(80.9492645, rel=1e-8)
    assert got["t_peak"] == pytest.approx(21.82349314e-3, rel=1e-8)
    five = _json("snr", "n_patterns=5", "window=11ms", "tau_m=8.9 ms", "jitter=3.2ms", "rate=3.2Hz", "n_afferents=1e4")
    assert five["snr"] == pytest.approx(31.33408442, rel=1e-8)


def test_optimum():
    got = _json("optimum", "n_patterns=5")
    assert got["snr"] == pytest.approx(31.33553275, rel=1e-9)
    assert got["window"] == pytest.approx(11.122944e-3, rel=1e-6)
    assert got["tau_m"] == pytest.approx(8.861155e-3, rel=1e-6)
    assert got["is_limit"] is False
    bound = _json("optimum", "rate=0.1Hz", "pattern_duration=50ms")
    assert bound["window"] == 0.05
    assert _json("optimum", "jitter=0") == {
        "window": 0.0,
        "tau_m": 0.0,
        "snr": pytest.approx(90.25124682),
        "is_limit": True,
    }


def test_noise_and_firing():
    got = _json("noise", "a=10", "threshold=15")
    assert got["density"] == pytest.approx(0.0172045382, rel=1e-8)
    assert got["cdf"] == pytest.approx(0.9811328614, rel=1e-9)
    assert got["tail_gaussian"] < got["tail"] < got["tail_saddlepoint"] * 1.01
    got = _json("firing", "a=40", "threshold=60", "tau_m=1s")
    assert got["firing_rate"] == pytest.approx(3.230402443e-4, rel=1e-8)
    assert got["siegert_rate"] == pytest.approx(7.635617e-5, rel=1e-6)
    assert got["false_alarm_rate"] == pytest.approx(0.001032, rel=1e-3)
    assert got["cluster_size"] == pytest.approx(got["false_alarm_rate"] / got["firing_rate"])
    # without `a` the noise is that of the detector, four standard deviations above the mean
    detector = theory.snr(10_000, 3.2, 23e-3, 18e-3)
    got = _json("noise")
    assert got["a"] == pytest.approx(detector.v_noise_mean)
    assert got["threshold"] == pytest.approx(detector.v_noise_mean + 4 * detector.v_noise_std)


def test_map():
    got = _json("map", "n_points=100", "window_range=5ms,50ms", "tau_m_range=5ms,50ms")
    assert got["n_points"] == 10_000
    assert got["optimum_snr"] == pytest.approx(80.95071115, rel=1e-9)
    assert 0.999 * got["optimum_snr"] < got["snr"] <= got["optimum_snr"]
    assert got["window"] == pytest.approx(got["optimum_window"], rel=0.1)
    assert got["tau_m"] == pytest.approx(got["optimum_tau_m"], rel=0.1)


def test_design():
    got = _json("design", "n_patterns=40")
    assert got["threshold"] == pytest.approx(98.84434904 / 1.1, rel=1e-6)
    assert got["w_out_critical"] == pytest.approx(0.0064)
    assert got["w_out_critical"] < got["w_out"] < got["w_out_keep"] < got["w_out_design"]
    one = _json("design", "n_patterns=1", "a_plus=0.01", "start_distance=-2")
    assert one["w_out_design"] == pytest.approx(0.01 * 2.718281828 ** (-23.358933 / 20), rel=1e-6)
    assert one["tau_m"] == pytest.approx(18.198713e-3, rel=1e-6)


def test_roc():
    got = _json("roc", "n_patterns=40", "window=3.7ms", "tau_m=5.1ms", "threshold=85")
    assert got["firing"] < got["crossings"] and got["hit_random"] < got["hit"]
    assert got["snr"] == pytest.approx(6.71724762, rel=1e-8)
    default = _json("roc")
    assert default["threshold"] == pytest.approx(369.82533135, rel=1e-8) and default["firing"] == 0


def test_table_has_units():
    text = CliRunner().invoke(COMMANDS["snr"], []).output
    line = next(row for row in text.splitlines() if row.startswith("t_peak"))
    assert line.split()[:3] == ["t_peak", "21.8235", "ms"]
    assert CliRunner().invoke(COMMANDS["snr"], ["--dry-run"]).output.splitlines()[1] == "rate=3.2Hz"


@pytest.mark.parametrize(
    "name, setting, message",
    [
        ("snr", "tau_m=-10ms", "tau_m must be > 0 s, got -0.01"),
        ("snr", "n_patterns=0", "n_patterns must be >= 1"),
        ("snr", "windw=1ms", "did you mean 'window'"),
        ("optimum", "pattern_duration=0", "pattern_duration must be"),
        ("map", "window_range=5ms,1ms", "window_range must be two rising numbers"),
        ("firing", "a=900", "must be <= 200"),
        ("design", "jitter=0", "jitter must be > 0 s"),
    ],
)
def test_errors_name_the_parameter(name, setting, message):
    with pytest.raises(ValueError, match=message):
        CliRunner().invoke(COMMANDS[name], ["--set", setting], catch_exceptions=False)


def test_usage_errors():
    assert CliRunner().invoke(COMMANDS["snr"], ["--set", "rate"]).exit_code == 2


@pytest.mark.parametrize(
    "name, settings",
    [
        ("snr", []),
        ("optimum", []),
        ("optimum", ["n_patterns=3"]),
        ("noise", ["a=5"]),
        ("map", ["n_points=20", "n_patterns=2"]),
        ("map", ["n_points=20", "jitter=0"]),
        ("design", ["n_patterns=3"]),
        ("roc", ["n_afferents=2000", "n_patterns=40", "n_presentations=20"]),
    ],
)
def test_figures_are_drawn(name, settings, tmp_path):
    path = tmp_path / "figure.png"
    arguments = [part for s in settings for part in ("--set", s)]
    done = CliRunner().invoke(COMMANDS[name], [*arguments, "--figure", str(path)], catch_exceptions=False)
    assert done.exit_code == 0
    assert path.read_bytes()[:4] == b"\x89PNG" and path.stat().st_size > 5000


def test_figures_state_what_they_show():
    figure = theory.figure_t2(n_points=12)
    titles = [ax.get_title() for ax in figure.axes[:4]]
    assert ["best 87.3" in titles[0], "best 81.1" in titles[2], "best 62.8" in titles[3]] == [True, True, True]
    drawn = theory.figure_t1(seed=1).axes[0]
    line = next(li for li in drawn.lines if "one draw" in li.get_label())
    time, v = line.get_xdata(), line.get_ydata()
    expected = theory.snr(10_000, 3.2, 23e-3, 18e-3, 1, 3.2e-3)
    # away from the pattern the drawn potential has the noise's mean; its peak is near the mean peak
    assert v[time < 195].mean() == pytest.approx(expected.v_noise_mean, rel=0.1)
    assert v.max() == pytest.approx(expected.v_max, rel=0.15)
    assert abs(time[v.argmax()] - 200 - 1e3 * expected.t_peak) < 6


def test_help_imports_nothing_heavy():
    code = (
        "import sys, firstspike.theory.commands as c\n"
        "from click.testing import CliRunner\n"
        "assert CliRunner().invoke(c.COMMANDS['map'], ['--help']).exit_code == 0\n"
        "print([m for m in ('numpy', 'numba', 'scipy', 'matplotlib', 'h5py', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=True)
    assert done.stdout.strip() == "[]"
