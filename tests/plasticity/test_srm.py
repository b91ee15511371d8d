"""The spike-response neuron: worked values, the plain oracle, bits that depend on nothing, the clock-driven twin."""

from dataclasses import dataclass

import numpy as np
import pytest
from naive import srm as naive

from firstspike.plasticity.events import (
    LIF,
    SRM,
    advance,
    advance_srm,
    advance_srm_clock,
    init_srm,
    init_state,
    record_srm,
    srm_engine,
    srm_loops,
)
from firstspike.plasticity.rules.trace import NearestPair, Pair, ReducedPair, check_rule, pairing_of, reach_of
from firstspike.runtime import rng

FAST = dict(a_plus=0.05, a_minus=0.04, tau_plus=16.8e-3, tau_minus=33.7e-3)
RULES = {"all": Pair(**FAST), "nearest": NearestPair(**FAST), "reduced": ReducedPair(**FAST)}
N = 30


def problem(seed=1, n=200, rate=60.0, n_runs=1, n_neurons=1):
    """Random input (R, K) and weights (R, M, N) that make every neuron fire now and then at threshold 5."""
    times = np.cumsum(-np.log(1 - rng.uniforms(seed, "gaps", (n_runs, n))), axis=1) / (N * rate)
    units = (rng.uniforms(seed, "units", (n_runs, n)) * N).astype(np.int32)
    return (times, units, np.full(n_runs, n)), rng.uniforms(seed, "weights", (n_runs, n_neurons, N))


def chunk_of(spikes):
    times, units = zip(*spikes, strict=True) if spikes else ((), ())
    return np.array([times], float), np.array([units], np.int32), np.array([len(times)])


def same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


# ---- worked values -------------------------------------------------------------------------------------------------


def test_peak_of_one_input():
    srm = SRM(threshold=1.0)
    assert srm.peak_time == pytest.approx(4.6209812037e-3, rel=1e-9) and srm.norm == pytest.approx(
        2.1165347360, rel=1e-9
    )
    v = record_srm(init_srm([[[1.0]]]), *chunk_of([(1e-3, 0)]), srm, grid=[1e-3 + srm.peak_time])
    assert v[0, 0, 0] == pytest.approx(1.0, abs=1e-12)
    for theta, fires in ((1 - 1e-9, True), (1 + 1e-9, False)):
        out = advance_srm(init_srm([[[1.0]]]), *chunk_of([(1e-3, 0)]), SRM(threshold=theta), stop=0.1)
        assert out[0].size == fires
    assert advance_srm(init_srm([[[1.0]]]), *chunk_of([(1e-3, 0)]), SRM(threshold=0.999), stop=2e-3)[0].size == 0


@pytest.mark.parametrize("later", [0.02, 4.7e-3, 1.0])
def test_a_maximum_between_two_inputs_is_seen(later):
    """It lies well before the second input, and the potential there is below threshold again."""
    spikes = chunk_of([(0.0, 0), (later, 1)])
    out = advance_srm(init_srm([[[1.0, 0.0]]]), *spikes, SRM(threshold=1 - 1e-6))
    assert out[0].size == 1 and abs(out[2][0] - SRM().peak_time) < 2e-5


def test_peak_of_a_box():
    times = (np.arange(60_000) + 0.5) * 12e-3 / 60_000
    chunk = times[None], np.zeros((1, times.size), np.int32), [times.size]
    srm, at = SRM(threshold=np.inf), 13.16706206e-3
    v = record_srm(init_srm([[[60.0 / times.size]]]), *chunk, srm, grid=[at - 1e-5, at, at + 1e-5])[0, 0]
    assert v[1] / srm.norm == pytest.approx(23.31862293, rel=1e-6)
    assert v[1] > v[0] and v[1] > v[2]


def test_reduced_pairs_by_hand():
    """Afferent 0 is looked at; 1, 2 and 3 make the neuron fire at once, each a single time."""
    spikes = [(3, 0), (9, 0), (10, 1), (22, 0), (25, 0), (30, 2), (50, 0), (60, 3)]
    state, seen = init_srm([[[0.475, 1e9, 1e9, 1e9]]]), {}
    for t, i in spikes:
        advance_srm(state, *chunk_of([(1e-3 * t, i)]), SRM(threshold=1.0), ReducedPair(), stop=1e-3 * t + 1e-9)
        seen[t] = state["weights"][0, 0, 0]
    wanted = {10: 0.504444159, 22: 0.485839401, 25: 0.485839401, 30: 0.509045157, 50: 0.494371870, 60: 0.511604096}
    for t, w in wanted.items():
        assert seen[t] == pytest.approx(w, abs=2e-9), t


def test_after_an_output_spike():
    """Everything is flushed, inputs in the refractory time count for learning alone."""
    srm = SRM(threshold=1.0)
    state = init_srm([[[1e9, 1.0]]])
    advance_srm(state, *chunk_of([(0.0, 0), (0.5e-3, 1)]), srm, ReducedPair(), stop=0.6e-3)
    assert state["weights"][0, 0, 1] < 1.0
    t = np.array([1e-3, 5e-3, 20e-3])
    slow, fast = np.exp(-t / 10e-3), np.exp(-t / 2.5e-3)
    v = record_srm(state, *chunk_of([]), srm, grid=t)[0, 0]
    np.testing.assert_allclose(v, 2 * slow - 4 * (slow - fast), rtol=1e-6)
    assert v[0] == pytest.approx(0.87, abs=0.01)


# ---- the oracle ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pairing", "n_neurons"), [("reduced", 1), ("reduced", 2), ("nearest", 2), ("all", 2)])
def test_equals_the_plain_oracle(pairing, n_neurons):
    (times, units, counts), weights = problem(n=160, n_neurons=n_neurons)
    neuron = dict(tau_m=10e-3, tau_s=2.5e-3, threshold=5.0, refractory=1e-3, pulse=2.0, after=4.0, inhibition=0.2)
    rule, stop = RULES[pairing], times[0, -1] + 5e-3
    told = FAST | dict(pairing=pairing, reach=getattr(rule, "reach", 700.0))
    out, final = naive.simulate(weights[0], list(zip(times[0], units[0], strict=True)), neuron, told, stop)
    state = init_srm(weights)
    _, cell, t = advance_srm(state, times, units, counts, SRM(**neuron), rule, stop=stop)
    assert len(out) >= 6 and cell.tolist() == [m for _, m in out]
    np.testing.assert_allclose(t, [s for s, _ in out], atol=1e-12, rtol=0)
    np.testing.assert_allclose(state["weights"][0], final, atol=1e-10)


def test_crossing_is_the_first_root():
    neuron = srm_loops.Neuron(-100.0, -400.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    u = rng.uniforms(3, "crossing", (200, 2))
    found = 0
    for a, share in u:
        a, b = 2.0 + 8 * a, -(2.0 + 8 * a) * (0.3 + 0.9 * share)
        t = np.linspace(0, 0.02, 20001)
        v = a * np.exp(-100 * t) + b * np.exp(-400 * t)
        theta = max(0.98 * v.max(), v[0] + 1e-9)
        up = np.flatnonzero((v[1:] >= theta) & (v[:-1] < theta))
        got = srm_loops.crossing(a, b, theta, 0.02, neuron)
        assert np.isfinite(got) == bool(up.size)
        if up.size:
            found += 1
            assert t[up[0]] <= got + 1e-15 and got <= t[up[0] + 1] + 1e-15
            assert a * np.exp(-100 * got) + b * np.exp(-400 * got) == pytest.approx(theta, rel=1e-13)
            assert srm_loops.crossing(a, b, theta, 0.5 * got, neuron) == np.inf
    assert found > 50


# ---- bits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_neurons", [1, 2])
def test_bits_do_not_depend_on_cuts_threads_or_company(n_neurons, monkeypatch):
    chunk, weights = problem(5, n=900, n_runs=3, n_neurons=n_neurons)
    srm, rule = SRM(threshold=5.0, inhibition=np.array([0.1, 0.2, 0.3])), RULES["reduced"]
    whole = init_srm(weights)
    out = advance_srm(whole, *chunk, srm, rule)
    assert out[0].size > 60
    for size in (1, 7, 400):
        state, parts = init_srm(weights), []
        for k in range(0, 900 if size > 1 else 60, size):
            part = chunk[0][:, k : k + size], chunk[1][:, k : k + size]
            parts.append(advance_srm(state, *part, np.full(3, part[0].shape[1]), srm, rule))
        joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
        order = np.argsort(joined[0], kind="stable")
        if size > 1:
            same([x[order] for x in joined], out)
            same(state.values(), whole.values())
        else:
            end = chunk[0][:, 59][out[0]]
            same([x[order] for x in joined], [x[out[2] <= end] for x in out])
    state = init_srm(weights[1:2])
    alone = advance_srm(state, *(x[1:2] for x in chunk), SRM(threshold=5.0, inhibition=0.2), rule)
    np.testing.assert_array_equal(alone[2], out[2][out[0] == 1])
    monkeypatch.setattr(srm_engine, "_SERIAL", 0)
    monkeypatch.setattr(srm_engine, "_ROOM", n_neurons)  # lists of output spikes that fill up
    state = init_srm(weights)
    same(advance_srm(state, *chunk, srm, rule, threads=2), out)
    same(state.values(), whole.values())


def test_one_input_for_all_runs_and_two_neurons_that_are_one():
    """The loop for a single neuron has the bits of the general one; equal neurons fire together."""
    chunk, weights = problem(6, n=900)
    one = init_srm(weights)
    out = advance_srm(one, *chunk, SRM(threshold=5.0), RULES["reduced"])
    both = init_srm(np.broadcast_to(weights, (2, 2, N)))
    run, cell, t = advance_srm(both, *chunk, SRM(threshold=5.0), RULES["reduced"])
    assert out[0].size > 20
    for r in range(2):
        for m in range(2):
            np.testing.assert_array_equal(t[(run == r) & (cell == m)], out[2])
            np.testing.assert_array_equal(both["weights"][r, m], one["weights"][0, 0])
    inhibited = init_srm(np.broadcast_to(weights, (1, 2, N)))
    _, cell, _ = advance_srm(inhibited, *chunk, SRM(threshold=5.0, inhibition=2.0), RULES["reduced"])
    assert cell[0] == 0 and np.bincount(cell, minlength=2)[1] < out[0].size


# ---- other ways ----------------------------------------------------------------------------------------------------


def test_the_clock_driven_twin_comes_close():
    chunk, weights = problem(7, n=400, n_neurons=2)
    srm, rule = SRM(threshold=5.0, inhibition=0.2), RULES["reduced"]
    stop = 0.3
    exact, clock = init_srm(weights), init_srm(weights)
    a = advance_srm(exact, *chunk, srm, rule, stop=stop)
    b = advance_srm_clock(clock, *chunk, srm, rule, dt=1e-6, stop=stop)
    assert a[0].size == b[0].size > 10 and a[1].tolist() == b[1].tolist()
    np.testing.assert_allclose(a[2], b[2], atol=1e-5)
    np.testing.assert_allclose(exact["weights"], clock["weights"], atol=1e-4)


def test_a_rule_of_ones_own():
    @dataclass
    class Grow:
        step: float = 0.25
        tau_plus: float = 1.0
        pairing = "reduced"

        @staticmethod
        def on_post(w, pre_trace, p):
            return w + p.step

    state = init_srm([[[1e9, 0.0, 0.0]]])
    advance_srm(state, *chunk_of([(0.0, 1), (1e-3, 0)]), SRM(threshold=1.0), Grow(), stop=1.1e-3)
    assert state["weights"][0, 0, 1:].tolist() == [0.25, 0.0]


def test_weights_stay_without_a_rule_and_nothing_comes_of_nothing():
    chunk, weights = problem(8)
    state = init_srm(weights)
    assert advance_srm(state, *chunk, SRM(threshold=5.0))[0].size > 3
    np.testing.assert_array_equal(state["weights"], weights)
    assert advance_srm(init_srm(weights), *chunk_of([]), SRM(threshold=5.0), stop=1.0)[0].size == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (dict(tau_m=-0.01), "tau_m must be > 0 s, got -0.01"),
        (dict(tau_s=0.01), "tau_s must be > 0 s and < tau_m"),
        (dict(threshold=0.0), "threshold must be > 0"),
        (dict(threshold=[1.0, 2.0]), "one number or one for each of 1 neurons"),
        (dict(refractory=1e-4), "refractory must be longer"),
        (dict(inhibition=-1.0), "inhibition must be >= 0"),
        (dict(inhibition=[1.0, 2.0]), "one for each of 1 runs"),
    ],
)
def test_wrong_neurons_name_themselves(change, text):
    chunk, weights = problem(n=5)
    with pytest.raises(ValueError, match=text):
        advance_srm(init_srm(weights), *chunk, SRM(**change))


def test_wrong_input_and_rules_name_themselves():
    weights = problem(n=5)[1]
    for spikes, text in (([(0.2, 0), (0.1, 0)], "sorted"), ([(0.1, N)], "units of run 0"), ([(-1.0, 0)], "not before")):
        with pytest.raises(ValueError, match=text):
            advance_srm(init_srm(weights), *chunk_of(spikes), SRM())
    with pytest.raises(ValueError, match="weights must have shape"):
        init_srm([0.5])
    with pytest.raises(ValueError, match="this neuron pairs all spikes"):
        advance(init_state(weights), *chunk_of([(0.1, 0)]), LIF(), ReducedPair())

    class Odd(Pair):
        pairing = "some"

    with pytest.raises(ValueError, match="pairing of Odd must be one of"):
        pairing_of(Odd())
    check_rule(ReducedPair())
    assert reach_of(ReducedPair()) == 7 and pairing_of(Pair()) == "all"
