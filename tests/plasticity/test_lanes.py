"""Neurons in lanes and in rows against the plain oracle, each other, and themselves cut and shared out."""

from dataclasses import dataclass

import numpy as np
import pytest
from naive.volleys import simulate

from firstspike.plasticity.events import LIF
from firstspike.plasticity.events import lanes_loops as loops
from firstspike.plasticity.events.lanes import adds_up, advance_lanes, init_lanes, lane_weights
from firstspike.plasticity.rules.trace import Additive, Pair, SoftBound
from firstspike.runtime import rng

PAIR = Pair(a_plus=0.02, a_minus=0.015, tau_plus=17e-3, tau_minus=31e-3)
STEP = 1e-3
N, M = 12, 11


def problem(duration=4.0, rate=20.0, seed=0):
    """Spikes on a grid (many volleys of several spikes), weights and thresholds that let every neuron fire."""
    n = int(duration * rate * N)
    times = np.sort(np.floor(rng.uniforms(seed, "times", n) * duration / STEP)) * STEP
    units = (rng.uniforms(seed, "units", n) * N).astype(np.int32)
    often = (units > 0) | (np.arange(n) % 9 == 0)  # afferent 0 is silent for seconds: what is put off becomes old
    times, units = times[often], units[often]
    lif = LIF(tau_m=11e-3, threshold=1.5 + rng.uniforms(seed, "theta", M))
    return times, units, rng.uniforms(seed, "weights", (M, N)), lif


def run(method, rule=PAIR, dtype=np.float64, cuts=1, times=None, **more):
    grid, units, weights, lif = problem()
    times = grid if times is None else times
    state = init_lanes(weights.astype(dtype), rule, method=method)
    edges = [0, *(np.flatnonzero(np.diff(times)) + 1), times.size]
    edges = [edges[i * (len(edges) - 1) // cuts] for i in range(cuts + 1)]
    parts = [
        advance_lanes(state, times[a:b], units[a:b], lif, rule, **more)
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]
    neuron, time = map(np.concatenate, zip(*parts, strict=True))
    return neuron, time, lane_weights(state, rule), state


def same(a, b, **tolerance):
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])
    if tolerance:
        np.testing.assert_allclose(a[2], b[2], **tolerance)
    else:
        np.testing.assert_array_equal(a[2], b[2])


@pytest.mark.parametrize("on_grid", [True, False])
@pytest.mark.parametrize("method", ["rows", "lanes"])
def test_oracle(method, on_grid):
    """Spike by spike, and all weights; with and without volleys."""
    times, units, weights, lif = problem()
    if not on_grid:
        times = np.sort(rng.uniforms(1, "times", times.size)) * 4.0
    neuron, time, w, _ = run(method, times=times, step=STEP if on_grid else 0.0)
    rule = {"on_pre": lambda w, y: PAIR.on_pre(w, y, PAIR), "on_post": lambda w, x: PAIR.on_post(w, x, PAIR)}
    rule |= {"tau_plus": PAIR.tau_plus, "tau_minus": PAIR.tau_minus}
    spikes = list(zip(times.tolist(), units.tolist(), strict=True))
    for m in (0, M - 1):
        out, expected = simulate(weights[m], spikes, lif.tau_m, lif.threshold[m], rule)
        assert out.size > 10
        np.testing.assert_array_equal(time[neuron == m], out)
        np.testing.assert_allclose(w[m], expected, atol=1e-12)
    assert (w == 1).any() and (w < 0.1).any()  # both bounds, or nearly


def test_lanes_equal_rows_and_float32_is_near():
    rows = run("rows", step=STEP)
    same(run("lanes", step=STEP), rows, atol=1e-13)
    single = run("lanes", dtype=np.float32, step=STEP)
    assert single[2].dtype == np.float32
    same(single, rows, atol=1e-5)


@pytest.mark.parametrize("size", [4, 7])
def test_list_of_output_spikes_may_be_short(size, monkeypatch):
    """What the list forgets was brought up to date before."""
    monkeypatch.setattr(loops, "LIST", size)
    same(run("lanes", step=STEP), run("rows", step=STEP), atol=1e-13)


@pytest.mark.parametrize("method", ["rows", "lanes"])
def test_same_bits_cut_and_shared_out(method, monkeypatch):
    monkeypatch.setattr("firstspike.plasticity.events.lanes.BLOCK", 8)  # two blocks of lanes
    monkeypatch.setattr("firstspike.plasticity.events.lanes._ROWS", 4)
    whole = run(method, step=STEP)
    for cuts, threads in ((7, 1), (300, 1), (3, 3)):
        part = run(method, cuts=cuts, step=STEP, threads=threads)
        same(whole, part)
        for name, array in whole[3].items():
            np.testing.assert_array_equal(array, part[3][name], err_msg=name)


def test_parameter_points_are_lanes():
    """Arrays as parameters: each lane is the neuron that it would be alone."""
    times, units, weights, lif = problem()
    a_minus = np.linspace(0.005, 0.03, M)
    rule = Pair(a_plus=0.02, a_minus=a_minus, tau_plus=17e-3, tau_minus=31e-3)
    state = init_lanes(weights, rule)
    assert "seen" in state  # lanes were chosen
    neuron, time = advance_lanes(state, times, units, lif, rule, step=STEP)
    for m in (0, 4, M - 1):
        alone = Pair(a_plus=0.02, a_minus=float(a_minus[m]), tau_plus=17e-3, tau_minus=31e-3)
        one = init_lanes(weights[m : m + 1], alone)
        assert "own" in one  # and rows for one neuron
        _, t = advance_lanes(one, times, units, LIF(lif.tau_m, lif.threshold[m]), alone, step=STEP)
        np.testing.assert_array_equal(t, time[neuron == m])
        np.testing.assert_allclose(lane_weights(one, alone)[0], lane_weights(state, rule)[m], atol=1e-13)


@dataclass
class Depression:
    """A rule without action at output spikes."""

    a_minus: float = 0.01
    tau_minus: float = 20e-3

    @staticmethod
    def on_pre(w, post_trace, p):
        """Weight after an input spike."""
        return w * (1.0 - p.a_minus * post_trace)


@pytest.mark.parametrize(
    "rule, allowed",
    [
        (None, True),
        (Pair(), True),
        (Depression(), True),
        (Additive(), False),
        (Additive(w_out=0.0), True),
        (Additive(w_out=np.array([0.0, 0.0, 1e-9])), False),
        (SoftBound(), False),
        (SoftBound(a_plus=0.0, w_out=0.0), True),
    ],
)
def test_rules_that_allow_lanes(rule, allowed):
    assert adds_up(rule) is allowed
    if not allowed:
        with pytest.raises(ValueError, match="do not act as one; the method must be rows"):
            init_lanes(np.ones((3, 2)), rule, method="lanes")
        assert "own" in init_lanes(np.ones((9, 2)), rule)


def test_rows_run_any_rule():
    rule = SoftBound(a_plus=0.2, w_out=0.05, tau_plus=17e-3)
    times, units, weights, lif = problem(2.0)
    state = init_lanes(weights, rule)
    neuron, time = advance_lanes(state, times, units, lif, rule, step=STEP)
    plain = {"on_pre": lambda w, y: w, "on_post": lambda w, x: rule.on_post(w, x, rule)}
    plain |= {"tau_plus": rule.tau_plus, "tau_minus": 1.0}
    spikes = list(zip(times.tolist(), units.tolist(), strict=True))
    out, expected = simulate(weights[3], spikes, lif.tau_m, lif.threshold[3], plain)
    np.testing.assert_array_equal(time[neuron == 3], out)
    np.testing.assert_allclose(lane_weights(state, rule)[3], expected, atol=1e-12)


def test_long_silence():
    """Neither long gaps on the grid nor many time constants of silence spoil the traces."""
    times = np.array([0.0, 1e-3, 6.0, 6.001, 100.0, 100.001])
    units = np.array([0, 1, 0, 1, 1, 0], np.int32)
    found = []
    for method, dtype, step in (("rows", float, 0.0), ("rows", float, 1e-3), ("lanes", np.float32, 1e-3)):
        state = init_lanes(np.full((6, 2), 0.5, dtype), PAIR, method=method)
        neuron, time = advance_lanes(state, times, units, LIF(10e-3, 0.9), PAIR, step=step)
        assert neuron.tolist() == [0, 1, 2, 3, 4, 5] * 3
        np.testing.assert_array_equal(time[::6], [1e-3, 6.001, 100.001])
        found.append(lane_weights(state, PAIR))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-6)


def test_nothing_is_computed_in_double_where_lanes_are_single():
    """The loop over lanes is vectorised for float32, as the speed of many neurons demands."""
    from firstspike.plasticity.events.lanes import _specialised

    run("lanes", dtype=np.float32, step=STEP)
    loop = _specialised(loops.walk_lanes, PAIR)
    texts = [t for s, t in loop.inspect_llvm().items() if "float32" in str(s)]
    if not any("define" in text for text in texts):
        pytest.skip("the machine code came from the cache")
    lines = [line for line in texts[0].splitlines() if " x float>" in line]
    assert any("fadd" in line for line in lines) and any("fcmp" in line for line in lines)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"times": [0.2, 0.1]}, "finite, sorted, and after"),
        ({"times": [0.1, np.inf]}, "finite, sorted, and after"),
        ({"times": [-1.0, 0.1]}, "finite, sorted, and after"),
        ({"units": [0, 3]}, "units must lie in 0..2"),
        ({"units": [0, -1]}, "units must lie in 0..2"),
        ({"units": [0]}, "of one shape"),
        ({"step": 0.07}, "whole multiples of step"),
        ({"step": -1.0}, "step must be >= 0 s"),
        ({"lif": LIF(d_threshold=1.0)}, "d_threshold must be 0"),
        ({"lif": LIF(threshold=[1.0, 2.0])}, "one for each of 5 neurons"),
    ],
)
@pytest.mark.parametrize("method", ["rows", "lanes"])
def test_errors(change, message, method):
    args = {"times": [0.1, 0.2], "units": [0, 1], "lif": LIF(), "rule": PAIR} | change
    state = init_lanes(np.ones((5, 3)), PAIR, method=method)
    with pytest.raises(ValueError, match=message):
        advance_lanes(state, **args)


def test_a_volley_may_not_be_cut():
    state = init_lanes(np.ones((5, 3)), PAIR)
    advance_lanes(state, [0.1], [0], LIF(), PAIR)
    with pytest.raises(ValueError, match="after 0.1 s"):
        advance_lanes(state, [0.1], [1], LIF(), PAIR)


@pytest.mark.parametrize("weights", [np.ones(3), np.ones((0, 3)), [[np.nan]]])
def test_bad_weights(weights):
    with pytest.raises(ValueError, match="weights must be finite"):
        init_lanes(weights)
