"""Optimisers, clipping and schedules: published values, a slow oracle, facts, subsets, resuming, errors."""

import math

import numba
import numpy as np
import pytest
from naive import optimisers as naive

from firstspike.plasticity.layers import optimisers, schedules
from firstspike.plasticity.layers.optimisers import Fact, clip_norm, clip_value

S = naive.series
STEPS = {"sgd": optimisers.sgd, "adam": optimisers.adam, "adamw": optimisers.adamw, "radam": optimisers.radam}
KNOWN = {
    "sgd": (4, {"rate": 0.1, "momentum": 0.9}, [0.197919127, 0.79359668, 0.50919637, -0.265470425, -0.971248937]),
    "adam": (4, {"rate": 0.01}, [0.682102728, 0.978957498, 0.662025267, -0.0730975986, -0.775819205]),
    "adamw": (4, {"rate": 0.01}, [0.681902449, 0.978859191, 0.661995899, -0.0730955243, -0.775722446]),
    "radam": (8, {"rate": 0.01}, [0.693034255, 0.983352357, 0.66207346, -0.0712299607, -0.772886429]),
}


def go(kind, p0, gradients, state=None, dtype=np.float64, **settings):
    params, state = {"w": np.array(p0, dtype)}, {} if state is None else state
    for g in gradients:
        STEPS[kind](params, {"w": np.asarray(g, dtype)}, state, **settings)
    return params["w"], state


@pytest.mark.parametrize("kind", KNOWN)
def test_values_known_to_nine_digits(kind):
    steps, settings, expected = KNOWN[kind]
    gradients = [S(5, 0.3 + t, 0.2) for t in range(steps)]
    p, _ = go(kind, S(5, 0.8), gradients, decay=0.01, **settings)
    np.testing.assert_allclose(p, expected, rtol=1e-8)
    single, _ = go(kind, S(5, 0.8), gradients, dtype=np.float32, decay=0.01, **settings)
    np.testing.assert_allclose(single, expected, rtol=1e-4)
    assert single.dtype == np.float32


@pytest.mark.parametrize("kind", STEPS)
def test_oracle_with_decay_and_clamp(kind):
    gradients = [S(7, 0.7 + t, 0.1, 2.0) for t in range(9)]
    settings = {"momentum": 0.8} if kind == "sgd" else {"beta1": 0.8, "beta2": 0.99}
    facts = {"w": Fact(rate=0.5, clamp=(-0.05, 0.6))}
    p, _ = go(kind, S(7, 0.4), gradients, rate=0.2, decay=0.1, facts=facts, **settings)
    oracle = {"mu": 0.8} if kind == "sgd" else {"b1": 0.8, "b2": 0.99}
    expected = naive.run(kind, S(7, 0.4), gradients, 0.1, 0.1, clamp=(-0.05, 0.6), **oracle)
    np.testing.assert_allclose(p, expected, rtol=1e-12)
    assert abs(p - naive.run(kind, S(7, 0.4), gradients, 0.1, 0.1, **oracle)).max() > 1e-3  # the clamp was at work


def test_beta1_may_change_from_step_to_step():
    betas, params, state = [0.95, 0.9, 0.85, 0.9], {"w": S(4, 0.4)}, {}
    gradients = [S(4, 0.7 + t) for t in range(4)]
    for g, beta in zip(gradients, betas, strict=True):
        optimisers.adam(params, {"w": g}, state, 0.01, beta1=beta)
    np.testing.assert_allclose(params["w"], naive.run("adam", S(4, 0.4), gradients, 0.01, b1=betas), rtol=1e-12)


@pytest.mark.parametrize("kind", STEPS)
def test_stopping_and_going_on_gives_the_same_bits(kind):
    gradients = [S(6, 0.3 + t) for t in range(8)]
    whole, _ = go(kind, S(6, 0.8), gradients, rate=0.1)
    half, state = go(kind, S(6, 0.8), gradients[:3], rate=0.1)
    assert all(isinstance(a, np.ndarray) for a in state.values())
    kept = {key: value.copy() for key, value in state.items()}
    assert (go(kind, half, gradients[3:], kept, rate=0.1)[0] == whole).all()


def test_two_optimisers_share_the_parameters():
    params = {"w": S(3, 0.8), "position": S(3, 0.5), "frozen": S(3, 0.6)}
    before = {k: v.copy() for k, v in params.items()}
    gradients, weights, places = {k: S(3, 0.9) for k in params}, {}, {}
    facts = {"position": Fact(decay=False, clamp=(-0.1, 0.1)), "frozen": Fact(trained=False)}
    optimisers.adam(params, gradients, weights, 0.01, decay=0.1, facts=facts, names=["w", "frozen"])
    assert (params["position"] == before["position"]).all() and set(weights) == {"w:m", "w:v", "w:t"}
    optimisers.adam(params, gradients, places, 0.1, decay=0.1, facts=facts, names=["position"])
    assert (params["frozen"] == before["frozen"]).all() and set(places) == {f"position:{k}" for k in "mvt"}
    np.testing.assert_allclose(params["w"], naive.run("adam", before["w"], [S(3, 0.9)], 0.01, 0.1), rtol=1e-12)
    expected = naive.run("adam", before["position"], [S(3, 0.9)], 0.1, 0.0, clamp=(-0.1, 0.1))
    np.testing.assert_allclose(params["position"], expected, rtol=1e-12)
    np.testing.assert_allclose(places["position:m"], 0.1 * S(3, 0.9), rtol=1e-12)  # not touched by the clamp


def test_scalars_and_any_number_of_threads():
    params, state = {"k": np.array(2.0), "w": S(600_000, 0.1)}, {}
    optimisers.adam(params, {"k": np.array(1.0), "w": S(600_000, 0.2)}, state, 0.1)
    assert params["k"] == pytest.approx(1.9) and params["k"].shape == ()
    again, before = {"w": S(600_000, 0.1)}, numba.get_num_threads()
    numba.set_num_threads(1 if before > 1 else numba.config.NUMBA_NUM_THREADS)
    optimisers.adam(again, {"w": S(600_000, 0.2)}, {}, 0.1)
    numba.set_num_threads(before)
    assert (again["w"] == params["w"]).all()


def test_nan_is_not_hidden_by_a_clamp():
    p, _ = go("adam", np.ones(3), [np.array([np.nan, 1.0, 1.0])], rate=0.1, facts={"w": Fact(clamp=(0, 1))})
    assert np.isnan(p[0]) and np.isfinite(p[1:]).all()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p, g: g.update(x=np.ones(3)), "no parameter is called 'x'"),
        (lambda p, g: g.update(w=np.ones(4)), r"gradient of w must have shape \(3,\), got \(4,\)"),
        (lambda p, g: g.update(w=np.ones(1)), "gradient of w"),
        (lambda p, g: p.update(w=np.ones((3, 2))[:, 0]), "parameter of w must be a C-contiguous"),
        (lambda p, g: p.update(w=np.arange(3)), "got int64"),
        (lambda p, g: p.update(w=1.0), "got float"),
    ],
)
def test_errors_of_arrays(change, message):
    params, gradients = {"w": np.ones(3)}, {"w": np.ones(3)}
    change(params, gradients)
    with pytest.raises(ValueError, match=message):
        optimisers.adam(params, gradients, {}, 0.1)


def test_errors_of_numbers():
    for kind, settings, message in [
        ("sgd", {"rate": -1.0}, "rate must be >= 0, got -1.0"),
        ("adam", {"rate": math.nan}, "rate must be >= 0, got nan"),
        ("adam", {"rate": 1, "beta1": 1.0}, r"beta1 must be in \[0, 1\), got 1.0"),
        ("sgd", {"rate": 1, "momentum": 1.5}, "momentum must be in"),
        ("radam", {"rate": 1, "facts": {"w": Fact(clamp=(1, 0))}}, "clamp must be"),
    ]:
        with pytest.raises(ValueError, match=message):
            go(kind, np.ones(2), [np.ones(2)], **settings)
    with pytest.raises(ValueError, match="there is no gradient of 'b'"):
        optimisers.sgd({"w": np.ones(1), "b": np.ones(1)}, {"w": np.ones(1)}, {}, 0.1, names=["b"])
    with pytest.raises(ValueError, match="state w:m must be float64"):
        optimisers.sgd({"w": np.ones(2)}, {"w": np.ones(2)}, {"w:m": np.ones(3)}, 0.1)


def test_clipping():
    g = {"a": np.array([3.0, -6.0]), "b": np.array([[4.0]], np.float32)}
    assert clip_value(g, 5)["a"].tolist() == [3, -5] and g["a"][1] == -6
    clipped, norm = clip_norm(g, 2.0)
    assert norm == pytest.approx(math.sqrt(61)) and clipped["b"].dtype == np.float32
    total = math.sqrt(sum((x.astype(float) ** 2).sum() for x in clipped.values()))
    assert total == pytest.approx(2.0, rel=1e-5)
    assert clip_norm(g, 100.0)[0] is g
    for clip in (clip_norm, clip_value):
        with pytest.raises(ValueError, match="limit must be > 0, got 0"):
            clip(g, 0)


def test_schedules():
    assert schedules.cosine(3, 10, 2.0) == pytest.approx(1 + math.cos(0.3 * math.pi))
    assert schedules.cosine(10, 10, 2.0, 0.5) == 0.5
    assert [schedules.step(e, 1.0, 3, 0.5) for e in (0, 2, 3, 6)] == [1, 1, 0.5, 0.25]
    assert [schedules.multistep(e, 1.0, (2, 4), 0.5) for e in range(5)] == [1, 1, 0.5, 0.5, 0.25]
    assert schedules.exponential(3, 2.0, 0.5) == 0.25
    assert schedules.warm_up(0, 0, 1.0) == 1.0
    with pytest.raises(ValueError, match="epoch must be >= 0 and <= 10, got 11"):
        schedules.cosine(11, 10, 1.0)
    with pytest.raises(ValueError, match="every must be >= 1"):
        schedules.step(0, 1.0, 0)


@pytest.mark.parametrize("total", [4, 10, 60, 150])
def test_one_cycle_starts_turns_and_ends_where_it_should(total):
    rates, betas = zip(*(schedules.one_cycle(e, total, 5e-3) for e in range(total)), strict=True)
    assert rates[0] == pytest.approx(2e-4) and betas[0] == pytest.approx(0.95)
    assert rates[-1] == pytest.approx(2e-8) and betas[-1] == pytest.approx(0.95)
    turn = 0.3 * total - 1
    if turn == int(turn):
        assert rates[int(turn)] == pytest.approx(5e-3) and betas[int(turn)] == pytest.approx(0.85)
    up = int(turn)
    assert all(np.diff(rates[: up + 1]) > 0) and all(np.diff(rates[up + 1 :]) < 0)


def test_one_cycle_of_a_short_run_is_constant():
    assert {schedules.one_cycle(e, 3, 5e-3) for e in range(3)} == {(5e-3, 0.9)}


def test_one_cycle_in_numbers():
    # 20 epochs: the top is at step 5; step 2 is 2/5 up, step 9 is 4/14 down
    half = (1 + math.cos(0.4 * math.pi)) / 2
    assert schedules.one_cycle(2, 20, 1.0)[0] == pytest.approx(1 + (0.04 - 1) * half)
    assert schedules.one_cycle(9, 20, 1.0)[1] == pytest.approx(0.95 - 0.1 * (1 + math.cos(math.pi * 4 / 14)) / 2)


def test_plateau_waits_and_counts_anew():
    state, seen = schedules.Plateau(1.0), []
    for loss in [1.0, 0.99995, 1.0, 1.0, 1.0, 0.5, 0.6, 0.6, 0.6, 0.6]:
        state = schedules.plateau(state, loss)
        seen.append(state.rate)
    assert seen[:4] == [1, 1, 1, 1] and seen[4] == pytest.approx(0.1) and seen[8] == pytest.approx(0.1)
    assert seen[9] == pytest.approx(0.01) and state.best == 0.5
