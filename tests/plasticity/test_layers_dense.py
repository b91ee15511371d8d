"""Linear layers, convolutions, pooling: known values, oracle, gradients, adjoints, spikes, threads, errors."""

import numpy as np
import pytest
from gradients import check_adjoint, check_gradients, check_threads
from naive import dense as naive

from firstspike.plasticity.layers import conv, linear, pool
from firstspike.plasticity.layers.conv import conv_backward, conv_forward, conv_params
from firstspike.plasticity.layers.linear import linear_backward, linear_forward, linear_params

S, dot = naive.series, naive.dot
LINEAR, CONV = (linear_forward, linear_backward), (conv_forward, conv_backward)


def close(array, total, product, first):
    np.testing.assert_allclose([array.sum(), dot(array)], [total, product], rtol=1e-8)
    np.testing.assert_allclose(array.ravel()[:4], first, rtol=1e-7)


# shape of x without time, of w; settings; then of y, dx, dw: sum, sum with cosines, first four
KNOWN = {
    "1-d dilated": (
        (2, 3, 11), (4, 3, 3), {"padding": 4, "dilation": 4},
        (-0.302661534, 0.451042554, [-0.0883718958, -0.00977420697, 0.069755285, 0.142634806]),
        (-0.390696675, 1.95082872, [0.850951629, 0.707961893, 0.232006616, -0.353064997]),
        (0.0588460661, -0.267339561, [1.65874953, -2.81226055, 1.20583175, -0.848842634]),
    ),
    "2-d": (
        (2, 3, 7, 8), (4, 3, 5, 5), {"stride": 2, "padding": 2},
        (-15.6210061, 10.5919531, [-2.22204249, -2.02296166, -2.04198754, -2.29296384]),
        (-2.40821554, 17.9327112, [-0.528101745, -0.00726738977, 0.554339106, 0.480839871]),
        (5.81662435, -11.0382674, [0.293998018, 0.270946907, -0.121992111, -0.145438489]),
    ),
    "depthwise": (
        (2, 4, 6, 5), (4, 1, 3, 3), {"padding": 1, "groups": 4},
        (4.76781219, -18.0982235, [-0.836162455, -0.808067756, -0.393082132, 0.0593771354]),
        (3.27910899, 2.61007056, [-0.287564462, -0.732552015, -0.605255145, -0.193297322]),
        (9.47005973, 1.8365393, [0.271004374, 0.665217831, 0.666423171, 0.35933116]),
    ),
    "time by frequency": (
        (1, 3, 9, 8), (2, 3, 4, 3), {"padding": (6, 3), "dilation": (4, 3)},
        (-1.41911336, 4.33695142, [-0.0595114438, -0.292299566, -0.497221935, -0.529782342]),
        (-14.7460327, -0.964671496, [-0.0295827425, -0.353164831, -0.510647981, -0.183129544]),
        (-0.297574281, -6.92967541, [1.73544688, -2.18248733, -1.48446164, -0.559787269]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_convolutions_known_to_nine_digits(name):
    shape, wshape, settings, y_known, dx_known, dw_known = KNOWN[name]
    p = {"weight": S(wshape, 0.53, 0.2, 0.5)}
    y, saved = conv_forward(p, S(shape, 0.31, 0.1)[None], **settings)
    close(y, *y_known)
    dx, dp = conv_backward(p, saved, S(y.shape, 0.7, 0.1))
    close(dx, *dx_known)
    close(dp["weight"], *dw_known)
    assert set(dp) == {"weight"}


def test_kernel_of_a_gaussian_known_to_nine_digits():
    # a kernel with learnable positions, made here by its equation, as a plain convolution with bias
    n = np.arange(16).reshape(2, 2, 2, 2)
    weight = np.sin(0.7 * np.arange(8) + 0.2).reshape(2, 2, 2)
    centre = np.array([1, 2])
    at = centre[:, None, None, None] * (1 + 0.9 * np.sin(1.3 * n + 0.5))
    width = abs(0.6 * np.cos(0.9 * n)) + 0.27
    cells = np.stack(np.meshgrid(np.arange(3), np.arange(5), indexing="ij"))
    u = (cells[:, None, None, None] - at[..., None, None]) / width[..., None, None]
    bump = np.exp(-0.5 * (u**2).sum(axis=0))
    w = (weight[..., None, None] * bump / (bump.sum(axis=(3, 4), keepdims=True) + 1e-7)).sum(axis=2)
    p = {"weight": w, "bias": np.array([0.1, -0.2])}
    x = np.sin(0.61 * np.arange(168) + 0.3).reshape(1, 2, 2, 6, 7)
    y, saved = conv_forward(p, x, stride=(2, 1), padding=(1, 2))
    assert y.shape == (1, 2, 2, 3, 7)
    dx, dp = conv_backward(p, saved, np.cos(0.23 * np.arange(84) + 0.4).reshape(y.shape))
    found = [y.sum(), (y**2).sum(), y[0, 1, 1, 2, 3], dx.sum(), abs(dx).sum(), *dp["bias"]]
    expected = [-3.102279387, 13.748495227, 0.038809055, -2.055416183, 68.379727235, 0.432527727, 1.329852369]
    np.testing.assert_allclose(found, expected, atol=2e-9)


CASES = {
    "1-d": ((2, 2, 3, 8), (4, 3, 3), {}),
    "1-d, one sample": ((1, 1, 1, 1), (2, 1, 1), {}),
    "1-d strided groups": ((1, 3, 4, 9), (6, 2, 3), {"stride": 2, "padding": 1, "groups": 2}),
    "1-d depthwise": ((2, 2, 3, 9), (6, 1, 4), {"stride": 3, "padding": 2, "dilation": 2, "groups": 3}),
    "2-d": ((2, 1, 2, 5, 6), (3, 2, 3, 2), {"stride": (1, 2), "padding": (1, 0), "dilation": (1, 2)}),
    "2-d groups": ((1, 2, 4, 5, 4), (4, 2, 3, 3), {"padding": 1, "groups": 2}),
    "2-d depthwise": ((2, 1, 2, 5, 6), (2, 1, 3, 3), {"stride": 2, "padding": 1, "groups": 2}),
    "2-d depthwise, two each": ((2, 1, 2, 4, 6), (4, 1, 3, 3), {"padding": (0, 3), "groups": 2}),
    "one cell": ((2, 2, 3, 4, 2), (5, 3, 1, 1), {}),
    "one cell, strided": ((2, 2, 3, 4, 3), (5, 3, 1, 1), {"stride": 2}),
    "kernel as large as the map": ((1, 2, 2, 3, 3), (2, 2, 3, 3), {}),
    "padding beyond the kernel": ((1, 1, 1, 3, 3), (2, 1, 2, 2), {"padding": 4}),
}


def case(name):
    shape, wshape, settings = CASES[name]
    return {"weight": S(wshape, 0.53, 0.2, 0.5), "bias": S(wshape[0], 0.9)}, S(shape, 0.31, 0.1), settings


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("blocks", [1 << 19, 40], ids=["usual blocks", "tiny blocks"])
def test_convolution_is_that_of_the_oracle(name, blocks, monkeypatch):
    monkeypatch.setattr(conv, "_COLUMNS", blocks)
    p, x, settings = case(name)
    dims = x.ndim - 3
    full = [settings.get(k, d) for k, d in (("stride", 1), ("padding", 0), ("dilation", 1))]
    full = [(v,) * dims if np.ndim(v) == 0 else v for v in full]
    flat = x.reshape(-1, *x.shape[2:])
    expected = naive.conv(flat, p["weight"], p["bias"], *full, settings.get("groups", 1))
    y, _ = conv_forward(p, x, **settings)
    assert y.shape == (*x.shape[:2], *expected.shape[1:])
    np.testing.assert_allclose(y.reshape(expected.shape), expected, rtol=1e-12, atol=1e-13)
    check_gradients(CONV, p, x, **settings)
    check_adjoint(CONV, p, x, **settings)


@pytest.mark.parametrize("name", CASES)
def test_convolution_in_single_precision_and_of_spikes(name):
    p, x, settings = case(name)
    single = {k: v.astype(np.float32) for k, v in p.items()}
    spikes = (x > 0.2).astype(np.uint8)
    for active in (x, spikes):
        exact, saved = conv_forward(p, active.astype(float), **settings)
        y, kept = conv_forward(single, active if active.dtype == np.uint8 else active.astype(np.float32), **settings)
        assert y.dtype == np.float32 and kept.x.dtype == (np.uint8 if active is spikes else np.float32)
        np.testing.assert_allclose(y, exact, atol=2e-6)
        dy = S(y.shape, 0.7)
        dx, dp = conv_backward(p, saved, dy)
        found, dq = conv_backward(single, kept, dy.astype(np.float32))
        assert found.dtype == dq["weight"].dtype == np.float32
        np.testing.assert_allclose(found, dx, atol=3e-6)
        np.testing.assert_allclose(dq["weight"], dp["weight"], atol=2e-5)
        np.testing.assert_allclose(dq["bias"], dp["bias"], atol=2e-5)
    assert conv_backward(single, conv_forward(single, spikes, **settings, input_gradient=False)[1], dy)[0] is None


@pytest.mark.parametrize(
    "shape, wshape, settings",
    [
        ((4, 10, 16, 12, 12), (32, 16, 3, 3), {"padding": 1}),
        ((4, 10, 16, 12, 12), (32, 16, 1, 1), {}),
        ((4, 10, 16, 12, 12), (16, 1, 3, 3), {"padding": 1, "groups": 16}),
        ((4, 40, 16, 30), (32, 8, 3), {"padding": 1, "groups": 2}),
    ],
    ids=["columns", "product", "depthwise", "1-d"],
)
def test_convolution_gives_the_same_bits_for_any_number_of_threads(shape, wshape, settings, monkeypatch):
    monkeypatch.setattr(conv, "_COLUMNS", 1 << 15)
    p = {"weight": S(wshape, 0.53).astype(np.float32), "bias": S(wshape[0], 0.9).astype(np.float32)}
    check_threads(CONV, p, S(shape, 0.31).astype(np.float32), **settings)


def test_linear():
    p, x = {"weight": S((3, 5), 0.53), "bias": S(3, 0.9)}, S((4, 2, 5), 0.31)
    y, saved = linear_forward(p, x)
    np.testing.assert_allclose(y, np.einsum("tni,oi->tno", x, p["weight"]) + p["bias"], rtol=1e-12)
    check_gradients(LINEAR, p, x)
    check_adjoint(LINEAR, p, x)
    del p["bias"]
    assert set(check_gradients(LINEAR, p, S((1, 1, 5), 0.4))) == {"x", "weight"}
    assert linear_backward(p, linear_forward(p, x, input_gradient=False)[1], y)[0] is None
    single, spikes = {"weight": p["weight"].astype(np.float32)}, (x > 0).astype(np.uint8)
    y, saved = linear_forward(single, spikes)
    assert y.dtype == np.float32 and saved.x is spikes
    dw = linear_backward(single, saved, y)[1]["weight"]
    np.testing.assert_allclose(
        dw, linear_backward(single, linear_forward(single, spikes.astype("f4"))[1], y)[1]["weight"]
    )
    assert linear_forward(p, x[:0])[0].shape == (0, 2, 3)


def test_linear_in_tiny_blocks(monkeypatch):
    p, x = {"weight": S((3, 5), 0.53), "bias": S(3, 0.9)}, S((40, 4, 5), 0.31)
    y, saved = linear_forward(p, x)
    dx, dp = linear_backward(p, saved, np.cos(y))
    monkeypatch.setattr(linear, "_WORK", 60)
    monkeypatch.setattr(linear, "_ROWS", 50)
    again, saved = linear_forward(p, x)
    found, dq = linear_backward(p, saved, np.cos(y))
    np.testing.assert_allclose(again, y, rtol=1e-12)
    np.testing.assert_allclose(found, dx, rtol=1e-12)
    np.testing.assert_allclose(dq["weight"], dp["weight"], rtol=1e-10)


def test_linear_gives_the_same_bits_for_any_number_of_threads():
    p = {"weight": S((256, 256), 0.53).astype(np.float32), "bias": S(256, 0.9).astype(np.float32)}
    check_threads(LINEAR, p, S((40, 64, 256), 0.31).astype(np.float32))


def test_first_parameters():
    p = linear_params(3, "a", 16, 200)
    assert p["weight"].dtype == np.float32 and abs(p["weight"]).max() <= 0.25 and abs(p["weight"]).max() > 0.24
    assert (
        abs(p["weight"].std() - 0.25 / np.sqrt(3)) < 0.005
        and (p["weight"] != linear_params(3, "b", 16, 200)["weight"]).any()
    )
    q = conv_params(3, "a", 8, 8, (3,), groups=4, bias=False, dtype=np.float64)
    assert set(q) == {"weight"} and q["weight"].shape == (8, 2, 3) and abs(q["weight"]).max() <= 1 / np.sqrt(6)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda p, x: linear_forward({"weight": np.ones((2, 4))}, x), r"4 features in its last axis, got shape"),
        (lambda p, x: linear_forward({"weight": np.ones((2, 5), np.float32)}, x), "uint8 or float32 .* got float64"),
        (lambda p, x: linear_forward({"weight": np.ones((2, 5), int)}, x), "weight must be float32 or float64"),
        (
            lambda p, x: linear_forward({"weight": np.ones((2, 5)), "bias": np.ones(3)}, x),
            r"bias must have shape \(2,\)",
        ),
        (lambda p, x: conv_forward(p, x[0]), "x must be .* 1 dimension"),
        (lambda p, x: conv_forward(p, x, groups=2), "groups=2 and 3 channels"),
        (lambda p, x: conv_forward(p, x, stride=0), r"stride must be 1 whole number\(s\) >= 1, got 0"),
        (lambda p, x: conv_forward(p, x, padding=(1, 1)), r"padding must be 1 whole number\(s\) >= 0, got \(1, 1\)"),
        (lambda p, x: conv_forward(p, x, dilation=9), "kernel of 3 cells, dilation 9, does not fit into 5 cells"),
        (lambda p, x: pool.max_pool_forward({}, x, size=6), "window of 6 cells does not fit into 5"),
        (
            lambda p, x: pool.max_pool_forward({}, x, size=2, padding=2),
            "padding must be at most half the size 2, got 2",
        ),
        (lambda p, x: pool.average_pool_forward({}, x, size=(2, 2)), r"size must be 1 whole number\(s\)"),
        (lambda p, x: pool.max_pool_forward({}, x[0], size=2), r"x must be uint8 or float"),
        (lambda p, x: pool.nearest_forward({}, x, size=(0,)), r"size must be 1 number\(s\) >= 1, got \(0,\)"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call({"weight": np.ones((2, 3, 3))}, np.ones((2, 2, 3, 5)))


# ---- pooling -------------------------------------------------------------------------------------------------------
MAP = S((2, 3, 7, 8), 0.63, 0.2)[None]
MAX = (pool.max_pool_forward, pool.max_pool_backward)
AVERAGE = (pool.average_pool_forward, pool.average_pool_backward)
GLOBAL = (pool.global_average_forward, pool.global_average_backward)
NEAREST = (pool.nearest_forward, pool.nearest_backward)


def test_pooling_known_to_nine_digits():
    y, saved = pool.max_pool_forward({}, MAP, size=3, stride=2, padding=1)
    close(y, 73.9770845, -0.196643601, [0.993868363, 0.995586976, 0.995586976, 0.393814674])
    dx, dp = pool.max_pool_backward({}, saved, S(y.shape, 0.7, 0.1))
    close(dx, 1.15907156, 1.49478091, [0, 0.717356091, 0, 0])
    y, saved = pool.nearest_forward({}, MAP, size=(17, 19))
    close(y, 6.22240431, 105.278027, [0.737931371, 0.737931371, 0.737931371, 0.993868363])
    dx, _ = pool.nearest_backward({}, saved, S(y.shape, 0.7, 0.1))
    close(dx, -0.135019629, -2.63341484, [4.95615563, -3.48354026, -3.28402901, 4.35301808])
    assert dp == {}


@pytest.mark.parametrize(
    "size, stride, padding", [((2, 2), (2, 2), (0, 0)), ((3, 2), (1, 2), (1, 1)), ((7, 8), (1, 1), (0, 0))]
)
def test_max_pool_is_that_of_the_oracle(size, stride, padding):
    x = np.round(2 * MAP) / 2  # many ties
    y, saved = pool.max_pool_forward({}, x, size=size, stride=stride, padding=padding)
    expected, where = naive.max_pool(x[0], size, stride, padding)
    assert (y[0] == expected).all() and (saved.where.reshape(where.shape) == where).all()
    check_adjoint_of_choice(x, size, stride, padding)


def check_adjoint_of_choice(x, size, stride, padding):
    check_gradients(MAX, {}, MAP.copy(), size=size, stride=stride, padding=padding)
    y, saved = pool.max_pool_forward({}, x, size=size, stride=stride, padding=padding)
    dx, _ = pool.max_pool_backward({}, saved, np.ones_like(y))
    assert dx.sum() == y.size


def test_linear_pooling():
    for settings in ({"size": 2}, {"size": (3, 2), "stride": (2, 1), "padding": (1, 0)}):
        check_gradients(AVERAGE, {}, MAP.copy(), **settings)
        check_adjoint(AVERAGE, {}, MAP, **settings)
    y, _ = pool.average_pool_forward({}, MAP, size=(7, 8))
    np.testing.assert_allclose(y[..., 0, 0], pool.global_average_forward({}, MAP)[0], rtol=1e-12)
    check_gradients(GLOBAL, {}, MAP.copy())
    check_adjoint(NEAREST, {}, MAP, size=(9, 3))
    flat = MAP.reshape(1, 2, 3, 56)
    for pair, settings in (
        (MAX, {"size": 5, "stride": 3}),
        (AVERAGE, {"size": 5, "padding": 2}),
        (NEAREST, {"size": 20}),
    ):
        check_gradients(pair, {}, flat.copy(), **settings)
    check_gradients(GLOBAL, {}, flat.copy())


def test_pooling_of_spikes_is_or():
    spikes = (MAP > 0.9).astype(np.uint8)
    y, saved = pool.max_pool_forward({}, spikes, size=2)
    assert y.dtype == np.uint8 and (y == pool.max_pool_forward({}, spikes.astype("f4"), size=2)[0]).all()
    assert pool.max_pool_backward({}, saved, np.ones(y.shape, np.float32))[0].dtype == np.float32
    assert pool.average_pool_forward({}, spikes, size=2)[0].dtype == np.float32
    assert pool.global_average_forward({}, spikes)[0].dtype == np.float32


def test_nan_is_seen_by_the_maximum():
    x = MAP.copy()
    x[0, 0, 0, 1, 1] = np.nan
    assert np.isnan(pool.max_pool_forward({}, x, size=2)[0][0, 0, 0, 0, 0])


def test_pooling_gives_the_same_bits_for_any_number_of_threads():
    x = S((4, 40, 8, 6, 6), 0.31).astype(np.float32)
    check_threads(MAX, {}, x, size=2)
    check_threads(AVERAGE, {}, x, size=3, stride=1, padding=1)
