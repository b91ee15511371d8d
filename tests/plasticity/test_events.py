"""The events engine against hand traces, the plain oracle, and itself cut, shared out and permuted."""

import numpy as np
import pytest
from naive.events import simulate

from firstspike.plasticity.events import LIF, advance, advance_clock, init_state, record, trajectory
from firstspike.plasticity.rules.trace import Additive, Pair, SoftBound
from firstspike.runtime import rng

# Three afferents, nine input spikes (s); values worked out by hand.
HAND = [(0, 0), (5, 1), (8, 0), (20, 2), (24, 1), (26, 0), (40, 0), (41, 2), (43, 1)]
HAND_WEIGHTS = [0.6, 0.5, 0.4]
HAND_CASES = {
    "additive": (
        LIF(tau_m=10e-3, threshold=1.0),
        Additive(a_plus=0.01, w_out=0.003, tau_plus=20e-3),
        [0.6, 0.863918396, 1.240006489, 0.397, 0.771724138, 1.245537485, 0.627494215, 0.969188428, 1.308659203],
        [
            [0.6137032, 0.50560708, 0.397],
            [0.627494215, 0.515154831, 0.401408182],
            [0.640278025, 0.527517928, 0.410622924],
        ],
    ),
    "soft_bound": (
        LIF(tau_m=10e-3, threshold=1.0, tau_threshold=80e-3, d_threshold=0.2),
        SoftBound(a_plus=0.1, w_out=0.03, tau_plus=20e-3),
        [0.6, 0.863918396, 1.240006489, 0.3928, 0.777333304, 1.269603099, 0.665565243, 1.005437929, 1.361120987],
        [
            [0.633176418, 0.51403159, 0.3928],
            [0.665565243, 0.537938034, 0.403209592],
            [0.694406526, 0.568798504, 0.425238398],
        ],
    ),
}


def as_chunk(spikes):
    times, units = zip(*spikes, strict=True) if spikes else ((), ())
    return np.array([times], float), np.array([units], np.int32), np.array([len(times)])


def cut(chunk, size):
    times, units, counts = chunk
    for k in range(0, times.shape[1], size):
        yield times[:, k : k + size], units[:, k : k + size], np.clip(counts - k, 0, times[:, k : k + size].shape[1])


def joined(parts):
    parts = list(parts)
    return [np.concatenate([p[i] for p in parts]) for i in range(3)]


def problem(seed, n_runs=3, n_neurons=5, n_afferents=20, rate=20.0, duration=3.0):
    """Random input, weights and thresholds such that every neuron fires now and then."""
    mean = n_afferents * rate * duration
    k = int(mean + 10 * np.sqrt(mean) + 20)
    times = np.cumsum(-np.log(1 - rng.uniforms(seed, "gaps", (n_runs, k))), axis=1) / (n_afferents * rate)
    units = (rng.uniforms(seed, "units", (n_runs, k)) * n_afferents).astype(np.int32)
    counts = (times < duration).sum(axis=1)
    weights = rng.uniforms(seed, "weights", (n_runs, n_neurons, n_afferents))
    return (times, units, counts), weights, 2.0 + rng.uniforms(seed, "theta", n_neurons)


RULES = {
    "additive": Additive(a_plus=0.02, w_out=0.012, tau_plus=20e-3),
    "soft_bound": SoftBound(a_plus=0.2, w_out=0.1, tau_plus=20e-3),
    "pair": Pair(a_plus=0.02, a_minus=0.03, tau_plus=17e-3, tau_minus=34e-3),
    "none": None,
}


@pytest.mark.parametrize("name", HAND_CASES)
@pytest.mark.parametrize("size", [1, 4, 9])
def test_hand_trace(name, size):
    lif, rule, potentials, weights = HAND_CASES[name]
    state = init_state([[HAND_WEIGHTS]])
    # A neuron that never fires, with the same weights between output spikes, shows V before each reset.
    times = as_chunk([(t * 1e-3, i) for t, i in HAND])
    seen, out, after = [], [], []
    for chunk in cut(times, 1 if size == 1 else size):
        (run, _, t), v = record(state, *chunk, lif, rule, grid=chunk[0][0])
        seen.extend(v[0, 0])
        out.extend(t)
        after += [state["weights"][0, 0].copy()] * run.size
    np.testing.assert_allclose(out, [0.008, 0.026, 0.043])
    expected = [0.0 if i in (2, 5, 8) else v for i, v in enumerate(potentials)]
    np.testing.assert_allclose(seen, expected, rtol=1e-9, atol=1e-9)
    if size == 1:
        np.testing.assert_allclose(after, weights, atol=1e-9)
    np.testing.assert_allclose(state["weights"][0, 0], weights[-1], atol=1e-9)


@pytest.mark.parametrize("name", HAND_CASES)
def test_hand_trace_jumps_and_threshold(name):
    """The potential that fires and the threshold it meets, from runs whose threshold lies just beside them."""
    lif, rule, potentials, _ = HAND_CASES[name]
    first = potentials[2]
    for shift, spikes in ((-1e-8, True), (1e-8, False)):
        state = init_state([[HAND_WEIGHTS]])
        chunk = as_chunk([(t * 1e-3, i) for t, i in HAND[:3]])
        out = advance(state, *chunk, LIF(lif.tau_m, first + shift, lif.tau_threshold, lif.d_threshold), rule)
        assert (out[0].size == 1) is spikes
    if name == "soft_bound":  # V 1.005437929 at 41 ms stays below 1.298204463, and would fire at 1
        state = init_state([[HAND_WEIGHTS]])
        advance(state, *as_chunk([(t * 1e-3, i) for t, i in HAND[:8]]), lif, rule)
        left = state["adapt"][0, 0] * np.exp(-(41e-3 - state["adapt_time"][0, 0]) / lif.tau_threshold)
        np.testing.assert_allclose(1 + left, 1.298204463, rtol=1e-9)
        np.testing.assert_allclose(state["v"][0, 0], 1.005437929, rtol=1e-9)


@pytest.mark.parametrize("n_neurons", [1, 2, 4])
def test_threshold_is_met_by_equality(n_neurons):
    for first in range(n_neurons):
        weights = np.zeros((1, n_neurons, 2))
        weights[0, first] = 0.5, 0.25
        out = advance(init_state(weights), *as_chunk([(0.0, 0), (0.0, 1), (0.0, 1)]), LIF(threshold=1.0))
        assert out[1].tolist() == [first]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("n_neurons", [1, 2, 5])
@pytest.mark.parametrize("rate", [2.0, 40.0])
def test_equals_the_plain_oracle(name, n_neurons, rate):
    (times, units, counts), weights, theta = problem(3, n_neurons=n_neurons, rate=rate, duration=40.0 / rate)
    rule, d_threshold = RULES[name], 0.5 if name == "soft_bound" else 0.0
    neuron = {"tau_m": 12e-3, "tau_threshold": 60e-3, "d_threshold": d_threshold}
    theta = theta * (0.3 if rate < 10 else 1.0)
    grid = np.linspace(0.0, times[np.arange(3), counts - 1].min(), 50)
    state = init_state(weights)
    lif = LIF(12e-3, theta, 60e-3, d_threshold)
    (run, cell, t), v = record(state, times, units, counts, lif, rule, grid)
    assert run.size > 20
    for r in range(3):
        spikes = list(zip(times[r, : counts[r]], units[r, : counts[r]], strict=True))
        for m in range(n_neurons):
            told = {"name": name} | (vars(rule) if rule else {})
            out, w, read = simulate(weights[r, m], spikes, neuron | {"threshold": theta[m]}, told, grid)
            np.testing.assert_allclose(t[(run == r) & (cell == m)], out, atol=0)
            np.testing.assert_allclose(state["weights"][r, m], w, atol=1e-12)
            np.testing.assert_allclose(v[r, m], read, atol=1e-11)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("n_neurons", [1, 2, 3, 9])
def test_bits_do_not_depend_on_cuts_threads_or_company(name, n_neurons):
    chunk, weights, theta = problem(5, n_neurons=n_neurons, duration=8.0)
    lif, rule = LIF(12e-3, theta, d_threshold=0.2), RULES[name]
    whole = init_state(weights)
    spikes = advance(whole, *chunk, lif, rule)
    assert spikes[0].size > 40

    for size in (1, 7, 1500):
        if size == 1 and n_neurons > 2:
            continue
        state = init_state(weights)
        parts = joined(advance(state, *part, lif, rule) for part in cut(chunk, size))
        order = np.lexsort((parts[1], parts[2], parts[0]))
        for a, b in zip(parts, spikes, strict=True):
            np.testing.assert_array_equal(a[order], b)
        for key in state:
            np.testing.assert_array_equal(state[key], whole[key], err_msg=key)

    for r in range(3):  # a run alone, and read off on the way
        state = init_state(weights[r : r + 1])
        alone = [x[r : r + 1] for x in chunk]
        (_, cell, t), _ = record(state, *alone, lif, rule, grid=np.linspace(0, alone[0][0, alone[2][0] - 1], 33))
        np.testing.assert_array_equal(cell, spikes[1][spikes[0] == r])
        np.testing.assert_array_equal(t, spikes[2][spikes[0] == r])
        np.testing.assert_array_equal(state["weights"][0], whole["weights"][r])


def test_bits_do_not_depend_on_threads(monkeypatch):
    from firstspike.plasticity.events import engine

    monkeypatch.setattr(engine, "_SERIAL", 0.0)
    monkeypatch.setattr(engine, "_ROOM", 12)  # lists of output spikes that fill up
    chunk, weights, theta = problem(6, n_runs=4, n_neurons=11, duration=6.0)
    lif, results = LIF(12e-3, theta, d_threshold=0.2), []
    for threads in (1, 2, 3):
        state = init_state(weights)
        spikes = advance(state, *chunk, lif, RULES["additive"], threads=threads)
        results.append([*spikes, *state.values()])
    monkeypatch.undo()
    state = init_state(weights)
    results.append([*advance(state, *chunk, lif, RULES["additive"]), *state.values()])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_rule_that_does_nothing_at_input_spikes_gives_the_bits_of_the_fast_loop():
    class Slow(Additive):
        tau_minus = 20e-3

        @staticmethod
        def on_pre(w, post_trace, p):
            return w

    chunk, weights, theta = problem(7, n_neurons=6)
    fast, slow = init_state(weights), init_state(weights)
    rule = RULES["additive"]
    a = advance(fast, *chunk, LIF(12e-3, theta), rule)
    b = advance(slow, *chunk, LIF(12e-3, theta), Slow(rule.a_plus, rule.w_out, rule.tau_plus))
    assert a[0].size > 40
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(fast["weights"], slow["weights"])


@pytest.mark.parametrize("name", ["additive", "pair"])
def test_time_shift_and_permutation(name):
    (times, units, counts), weights, theta = problem(8, n_neurons=6)
    rule = RULES[name]
    state, moved = init_state(weights), init_state(weights, time=1000.0)
    a = advance(state, times, units, counts, LIF(12e-3, theta), rule)
    b = advance(moved, times + 1000.0, units, counts, LIF(12e-3, theta), rule)
    np.testing.assert_array_equal(a[1], b[1])
    np.testing.assert_allclose(a[2] + 1000.0, b[2], atol=1e-9)
    np.testing.assert_allclose(state["weights"], moved["weights"], atol=1e-8)

    order = np.array([3, 0, 5, 1, 4, 2])
    permuted = init_state(weights[:, order])
    c = advance(permuted, times, units, counts, LIF(12e-3, theta[order]), rule)
    np.testing.assert_array_equal(permuted["weights"], state["weights"][:, order])
    np.testing.assert_array_equal(np.sort(c[0] * 1e6 + c[2]), np.sort(a[0] * 1e6 + a[2]))


def test_parameters_are_an_axis_over_neurons():
    chunk, weights, theta = problem(9, n_neurons=1)
    a_plus, w_out, thetas = [0.02, 0.0, 0.05], [0.012, 0.01, 0.0], [2.0, 2.5, 3.0]
    together = init_state(np.repeat(weights, 3, axis=1))
    run, cell, t = advance(together, *chunk, LIF(12e-3, thetas), Additive(a_plus, w_out))
    for m in range(3):
        state = init_state(weights)
        one = advance(state, *chunk, LIF(12e-3, thetas[m]), Additive(a_plus[m], w_out[m]))
        np.testing.assert_array_equal(t[cell == m], one[2])
        np.testing.assert_array_equal(together["weights"][:, m], state["weights"][:, 0])


def test_without_learning_rates_weights_keep_their_bits():
    chunk, weights, theta = problem(10)
    for rule in (Additive(0.0, 0.0), SoftBound(0.0, 0.0), Pair(0.0, 0.0), None):
        state = init_state(weights)
        assert advance(state, *chunk, LIF(12e-3, theta), rule)[0].size > 0
        np.testing.assert_array_equal(state["weights"], weights)


def test_weights_stay_within_bounds():
    chunk, weights, theta = problem(11, duration=10.0)
    for rule in (Additive(0.5, 0.4), SoftBound(3.0, 2.0), Pair(0.5, 0.5)):
        state = init_state(weights)
        advance(state, *chunk, LIF(12e-3, theta), rule)
        assert state["weights"].min() >= 0 and state["weights"].max() <= 1


def test_empty_input_decays_and_says_nothing():
    state = init_state(np.full((1, 2, 3), 0.5))
    advance(state, *as_chunk([(0.1, 0)]), LIF(10e-3), RULES["additive"])
    empty = np.zeros((1, 0)), np.zeros((1, 0), np.int32), np.zeros(1, np.int64)
    (run, cell, t), v = record(state, *empty, LIF(10e-3), RULES["additive"], grid=[0.1, 0.11, 50.0])
    assert run.size == cell.size == t.size == 0
    np.testing.assert_allclose(v[0, 0], [0.5, 0.5 * np.exp(-1), 0.0], atol=1e-15)
    assert all(np.isfinite(x).all() for x in state.values())


def test_long_silence_leaves_no_trace():
    """A gap of 10^4 time constants: the scaled traces start again without overflow."""
    spikes = [(0.0, 0), (0.001, 1), (200.0, 2), (200.001, 1)]
    state = init_state([[[0.5, 0.5, 0.5]]])
    out = advance(state, *as_chunk(spikes), LIF(10e-3, threshold=0.93), Additive(0.1, 0.0))
    assert out[0].size == 2
    out_times, w, _ = simulate(
        [0.5] * 3,
        spikes,
        {"tau_m": 10e-3, "threshold": 0.93, "tau_threshold": 1.0, "d_threshold": 0.0},
        {"name": "additive", "a_plus": 0.1, "w_out": 0.0, "tau_plus": 20e-3},
    )
    np.testing.assert_allclose(out[2], out_times)
    np.testing.assert_allclose(state["weights"][0, 0], w, atol=1e-12)


def test_trajectory_has_no_threshold_and_goes_on():
    chunk, weights, _ = problem(12)
    stop = chunk[0][np.arange(3), chunk[2] - 1].min()
    grid = np.linspace(0, stop, 60)
    whole = trajectory(weights, *chunk, LIF(15e-3, 0.1), grid)
    assert whole.shape == (3, 5, 60) and whole.max() > 1
    for r in range(3):
        k = np.arange(chunk[2][r])
        t, u = chunk[0][r, k], chunk[1][r, k]
        kernel = np.where(t <= grid[:, None], np.exp(-np.maximum(grid[:, None] - t, 0) / 15e-3), 0.0)
        np.testing.assert_allclose(whole[r], (kernel @ weights[r][:, u].T).T, atol=1e-12)
    state, parts, done = init_state(weights), [], 0
    for first in (stop / 3, stop / 2, stop):
        stops = np.array([np.searchsorted(chunk[0][r, : chunk[2][r]], first, side="right") for r in range(3)])
        starts = np.array([np.searchsorted(chunk[0][r, : chunk[2][r]], done, side="right") for r in range(3)]) * (
            done > 0
        )
        size = (stops - starts).max()
        part = [np.array([np.resize(x[r, starts[r] : stops[r]], size) for r in range(3)]) for x in chunk[:2]]
        points = grid[(grid > done) & (grid <= first)] if done else grid[grid <= first]
        parts.append(trajectory(state, *part, stops - starts, LIF(15e-3), points))
        done = first
    np.testing.assert_array_equal(np.concatenate(parts, axis=2), whole)


def test_float32_weights_stay_float32_and_agree():
    chunk, weights, theta = problem(13)
    a, b = init_state(weights), init_state(weights.astype(np.float32))
    n, n32 = (advance(s, *chunk, LIF(12e-3, theta), RULES["additive"])[0].size for s in (a, b))
    assert b["weights"].dtype == np.float32
    assert abs(n - n32) <= 2 and np.abs(a["weights"] - b["weights"]).max() < 0.05


def test_clock_driven_twin_converges_to_the_exact_engine():
    chunk, weights, theta = problem(14, n_afferents=50, duration=4.0)
    for name in ("additive", "soft_bound", "pair"):
        exact = init_state(weights[..., :50] * 0.6)
        n = advance(exact, *chunk, LIF(12e-3, theta, d_threshold=0.1), RULES[name])[0].size
        errors = []
        for dt in (1e-3, 1e-4, 1e-5):
            state = init_state(weights[..., :50] * 0.6)
            out = advance_clock(state, *chunk, LIF(12e-3, theta, d_threshold=0.1), RULES[name], dt=dt, stop=4.0)
            errors.append(np.abs(state["weights"] - exact["weights"]).mean())
            assert abs(out[0].size - n) <= max(3, 0.3 * n)
        assert errors[2] < 0.2 * errors[0], (name, errors)


def test_clock_driven_step_by_hand():
    state = init_state([[[0.6, 0.5]]])
    chunk = as_chunk([(0.0, 0), (0.0005, 1), (0.0021, 0)])
    lif, rule = LIF(10e-3, 1.0), Additive(0.1, 0.02, 20e-3)
    run, cell, t = advance_clock(state, *chunk, lif, rule, dt=1e-3, stop=4e-3)
    np.testing.assert_allclose(t, [1e-3])  # both spikes of the first step, tested once
    np.testing.assert_allclose(state["weights"][0, 0], [0.68, 0.58], atol=1e-15)
    np.testing.assert_allclose(state["v"][0, 0], 0.68 * 0.9, atol=1e-15)


BAD = [
    (dict(times=[[0.2, 0.1]]), "sorted"),
    (dict(times=[[0.1, np.nan]]), "times"),
    (dict(times=[[0.1, np.inf]]), "times"),
    (dict(times=[[-0.1, 0.1]]), "before"),
    (dict(units=[[0, 3]]), "units"),
    (dict(units=[[0, -1]]), "units"),
    (dict(counts=[3]), "counts"),
    (dict(units=[[0]]), "shape"),
    (dict(lif=LIF(tau_m=0.0)), "tau_m"),
    (dict(lif=LIF(threshold=[1.0, 2.0])), "threshold"),
    (dict(lif=LIF(threshold=-1.0)), "threshold"),
    (dict(lif=LIF(d_threshold=-1.0)), "d_threshold"),
    (dict(rule=Additive(tau_plus=-1.0)), "tau_plus"),
    (dict(rule=Pair(tau_minus=0.0)), "tau_minus"),
    (dict(rule=Additive(a_plus=[1.0, 2.0])), "a_plus"),
    (dict(rule=Additive(w_out=np.nan)), "w_out"),
]


@pytest.mark.parametrize("change, word", BAD)
def test_nonsense_is_refused_by_name_and_leaves_the_state_alone(change, word):
    given = dict(times=[[0.1, 0.2]], units=[[0, 1]], counts=[2], lif=LIF(), rule=Additive()) | change
    state = init_state(np.full((1, 1, 3), 0.5))
    with pytest.raises(ValueError, match=word):
        advance(state, *given.values())
    assert (state["v"] == 0).all() and (state["time"] == 0).all()


def test_rules_of_ones_own_and_their_cost_in_lines():
    from dataclasses import dataclass

    @dataclass
    class Hebb:
        a_plus: float = 0.01
        tau_plus: float = 20e-3

        @staticmethod
        def on_post(w, pre_trace, p):
            return min(1.0, w + p.a_plus * pre_trace)

    chunk, weights, theta = problem(15)
    a, b = init_state(weights), init_state(weights)
    advance(a, *chunk, LIF(12e-3, theta), Hebb(0.03))
    advance(b, *chunk, LIF(12e-3, theta), Additive(0.03, 0.0))
    np.testing.assert_array_equal(a["weights"], b["weights"])
