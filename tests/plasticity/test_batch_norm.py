"""Batch norm through time and dropout: known values, oracle, gradients, running statistics, edges."""

import numpy as np
import pytest
from gradients import check_adjoint, check_gradients, check_threads
from naive import dense as naive

from firstspike.plasticity.layers.batch_norm import batch_norm_backward, batch_norm_forward, batch_norm_params
from firstspike.plasticity.layers.dropout import dropout_backward, dropout_forward
from firstspike.plasticity.layers.pairs import EVAL, Mode, named, statistics

S, dot, TRAIN = naive.series, naive.dot, Mode(True, 3, 5)
NORM, DROP = (batch_norm_forward, batch_norm_backward), (dropout_forward, dropout_backward)
SHAPES = [(3, 2, 2), (1, 4, 3), (5, 1, 2, 4), (3, 2, 2, 3, 3), (40, 30, 5, 7), (70, 40, 33)]


def params(c, time=None):
    p = {"scale": 1 + S(c, 0.9, 0.3, 0.4), "shift": S(c, 0.5, 0.1), "mean": S(c, 0.7), "var": 1.5 + S(c, 0.3)}
    return p if time is None else p | {"time": 1 + S(time, 0.6, 0.2, 0.3)}


def test_values_known_to_nine_digits():
    x, dy = S((3, 2, 2, 3, 3), 0.37, 0.2, 1.5), S((3, 2, 2, 3, 3), 0.7, 0.1)
    p = batch_norm_params(2, dtype=np.float64) | {"scale": np.array([1.2, 0.7]), "shift": np.array([0.1, -0.2])}
    y, saved = batch_norm_forward(p, x, TRAIN)
    dx, dp = batch_norm_backward(p, saved, dy)
    np.testing.assert_allclose([y.sum(), dot(y)], [-5.4, 12.1333473], rtol=1e-8)
    np.testing.assert_allclose(y.ravel()[:4], [0.889908336, 1.34260332, 1.61062346, 1.6576935], rtol=1e-8)
    np.testing.assert_allclose(dot(dx), -1.5282118, rtol=1e-8)
    np.testing.assert_allclose(
        dx.ravel()[:4], [0.499336171, 0.638876924, 0.321776462, -0.337734871], rtol=1e-8
    )  # fmt: skip
    np.testing.assert_allclose(dp["scale"], [22.3673106, -23.7275549], rtol=1e-8)
    np.testing.assert_allclose(dp["shift"], [0.0758218173, 0.0779259727], rtol=1e-8)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_oracle(shape, dtype):
    x, p = S(shape, 0.37, 0.2, 1.5) + 20, params(shape[2])
    expected, mean, var = naive.batch_norm(x, p["scale"], p["shift"])
    p = {k: v.astype(dtype) for k, v in p.items()}
    y, saved = batch_norm_forward(p, x.astype(dtype), TRAIN)
    assert y.dtype == dtype and saved.statistics["var"].dtype == dtype
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-10 if dtype == np.float64 else 3e-4)
    m = x.size // shape[2]
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(saved.statistics["mean"], 0.9 * S(shape[2], 0.7) + 0.1 * mean, rtol=rtol)
    new = 0.9 * (1.5 + S(shape[2], 0.3)) + 0.1 * var * m / (m - 1)
    np.testing.assert_allclose(saved.statistics["var"], new, rtol=rtol)


@pytest.mark.parametrize("mode", [TRAIN, EVAL], ids=["training", "evaluation"])
@pytest.mark.parametrize("shape", [(3, 2, 2), (4, 1, 3, 2), (2, 2, 2, 2, 3)], ids=str)
@pytest.mark.parametrize("time", [False, True], ids=["plain", "factors in time"])
def test_gradients(shape, mode, time):
    found = check_gradients(NORM, params(shape[2], shape[0] if time else None), S(shape, 0.37, 0.2, 1.5), mode)
    assert set(found) == {"x", "scale", "shift"} | ({"time"} if time else set())


def test_factors_in_time_multiply_the_output():
    x, p = S((3, 4, 2), 0.37), params(2, 3)
    expected = naive.batch_norm(x, p["scale"], p["shift"], time=p["time"])[0]
    np.testing.assert_allclose(batch_norm_forward(p, x, TRAIN)[0], expected, rtol=1e-12)
    with pytest.raises(ValueError, match="time must have one factor for each of the 2 steps"):
        batch_norm_forward(p, x[:2], TRAIN)


def test_evaluation_uses_the_running_statistics_and_changes_nothing():
    x, p = S((3, 4, 2), 0.37), params(2)
    y, saved = batch_norm_forward(p, x)
    np.testing.assert_allclose(y, p["scale"] * (x - p["mean"]) / np.sqrt(p["var"] + 1e-5) + p["shift"], rtol=1e-12)
    assert saved.statistics == {}


def test_new_statistics_are_found_by_name():
    pair = named("norm", *NORM)
    p = {f"norm.{k}": v for k, v in batch_norm_params(2, scale=0.5).items()}
    _, saved = pair.forward(p, np.ones((2, 2, 2), np.float32), TRAIN)
    assert statistics(saved)["norm.mean"].tolist() == [np.float32(0.1)] * 2 and p["norm.mean"].sum() == 0
    assert p["norm.scale"].tolist() == [0.5, 0.5] and "time" in batch_norm_params(2, steps=4)


def test_one_value_and_silence():
    p = batch_norm_params(1, dtype=np.float64)
    y, saved = batch_norm_forward(p, np.full((1, 1, 1), 5.0), TRAIN)
    assert y.item() == 0 and saved.statistics["var"].item() == pytest.approx(0.9)  # biased: there is no other
    p["shift"][:] = 0.3
    y, saved = batch_norm_forward(p, np.zeros((4, 3, 1)), TRAIN)
    assert (y == 0.3).all() and np.isfinite(batch_norm_backward(p, saved, y)[0]).all()


def test_a_large_mean_costs_no_digits():
    x = S((50, 8, 2), 0.37) + 1e7
    p = batch_norm_params(2, dtype=np.float64)
    y, _ = batch_norm_forward(p, x, TRAIN)
    np.testing.assert_allclose(y, naive.batch_norm(x, p["scale"], p["shift"])[0], atol=1e-7)


def test_single_precision_far_from_zero_is_that_of_double_precision():
    x, p = (S((40, 8, 2), 0.37) + 12345).astype(np.float32), params(2)
    y, saved = batch_norm_forward(p, x.astype(float), TRAIN)
    dx, _ = batch_norm_backward(p, saved, S(x.shape, 0.31, 0.1))
    single = {k: v.astype(np.float32) for k, v in p.items()}
    found, kept = batch_norm_forward(single, x, TRAIN)
    np.testing.assert_allclose(found, y, atol=2e-6)  # the mean, rounded to float32, is off by 3e-4
    np.testing.assert_allclose(batch_norm_backward(single, kept, S(x.shape, 0.31, 0.1))[0], dx, atol=2e-6)


@pytest.mark.parametrize("shape", [(60, 20, 700), (60, 20, 10, 70)], ids=str)
def test_threads(shape):
    check_threads(
        NORM, {k: v.astype(np.float32) for k, v in params(shape[2]).items()}, S(shape, 0.3).astype("f4"), TRAIN
    )


def test_errors():
    p = batch_norm_params(2)
    for x, settings, message in [
        (np.zeros((2, 2), np.float32), {}, "x must be a C-contiguous float array"),
        (np.zeros((2, 2, 2), np.uint8), {}, r"got uint8 \(2, 2, 2\)"),
        (np.zeros((2, 2, 3), np.float32), {}, r"scale must have shape \(3,\), got \(2,\)"),
        (np.zeros((0, 2, 2), np.float32), {}, "must not be empty"),
        (np.zeros((2, 2, 2), np.float32), {"eps": 0.0}, "eps must be > 0"),
        (np.zeros((2, 2, 2), np.float32), {"momentum": 1.5}, "momentum in"),
    ]:
        with pytest.raises(ValueError, match=message):
            batch_norm_forward(p, x, TRAIN, **settings)


def test_dropout_keeps_its_mask_over_time_and_scales():
    x = np.ones((6, 40, 50))
    y, saved = dropout_forward({}, x, TRAIN, rate=0.4, stream="a")
    assert (y == y[0]).all() and set(np.unique(y)) == {0, 1 / 0.6}
    assert abs((y[0] == 0).mean() - 0.4) < 4 * np.sqrt(0.24 / 2000)
    assert len(np.unique(y[0], axis=0)) == 40  # each sample its own
    dx, dp = dropout_backward({}, saved, x)
    assert (dx == y).all() and dp == {}
    check_adjoint(DROP, {}, S((3, 2, 4, 2), 0.4), TRAIN, rate=0.3, stream="a")
    check_gradients(DROP, {}, S((2, 2, 4), 0.4), TRAIN, rate=0.3, stream="a")


def test_dropout_depends_on_seed_stream_and_step_only():
    x = np.ones((1, 4, 50), np.float32)
    masks = [
        dropout_forward({}, x, Mode(True, seed, step), rate=0.5, stream=name)[0]
        for seed, step, name in [(0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b"), (0, 0, "a")]
    ]
    assert (masks[0] == masks[4]).all()
    assert all((masks[0] != m).any() for m in masks[1:4])


def test_dropout_of_spikes_and_in_evaluation():
    spikes = (S((4, 3, 5), 0.9) > 0).astype(np.uint8)
    y, saved = dropout_forward({}, spikes, TRAIN, rate=0.5, stream="a")
    assert y.dtype == np.float32 and set(np.unique(y)) <= {0, 2} and (y[spikes == 0] == 0).all()
    assert dropout_backward({}, saved, S((4, 3, 5), 0.3))[0].dtype == np.float64
    y, saved = dropout_forward({}, spikes, EVAL, rate=0.5, stream="a")
    assert y is spikes and dropout_backward({}, saved, y)[0] is y
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\), got 1.0"):
        dropout_forward({}, spikes, TRAIN, rate=1.0, stream="a")
    with pytest.raises(ValueError, match="step must be >= 0, got -1"):
        dropout_forward({}, spikes, Mode(True, 0, -1), rate=0.1, stream="a")
