"""Layers with delays: worked networks, the slow oracle for each algorithm, adjoints, limits, errors."""

import itertools

import numba
import numpy as np
import pytest
from naive import delays as slow
from naive.delays_values import NETWORKS, TWO_COPIES

from firstspike.plasticity.layers import delays, delays_spectral
from firstspike.plasticity.layers.dcls import dcls_kernel, delay_params, rounded
from firstspike.plasticity.layers.delays import ALGORITHMS, delay_backward, delay_forward
from firstspike.plasticity.layers.pairs import EVAL, Mode, chain, named

TRAIN = Mode(train=True)
ALL = ("weight", "position", "width")


def random_layer(seed, n_in, n_out, k, count=1, dtype=np.float64):
    p = delay_params(seed, "d", n_in, n_out, k, count, dtype)
    return {**p, "width": np.asarray(1.3, dtype)}


def random_input(seed, shape, density=0.2, largest=1):
    random = np.random.default_rng(seed)
    return ((random.random(shape) < density) * random.integers(1, largest + 1, shape)).astype(np.uint8)


@pytest.mark.parametrize("algorithm", ["auto", "events", "spectral", "dense"])
@pytest.mark.parametrize("name", NETWORKS)
def test_worked_networks(name, algorithm):
    case = NETWORKS[name]
    gamma, beta = np.array([1, 1.1, 1.2]), np.array([0.3, 0.2, 0.1])
    settings = {"max_delay": 5, "version": case["version"], "algorithm": algorithm, "train": ALL}
    p1, p2 = slow.example(0), slow.example(1)
    z1, saved1 = delay_forward(p1, slow.example_input(), TRAIN, **settings)
    h, s, slope, norm = slow.spikes_and_surrogate(z1, gamma, beta, case["lam"])
    z2, saved2 = delay_forward(p2, s.astype(np.uint8), TRAIN, **settings)
    m, loss, dz2 = slow.readout(z2, case["lam"], [0, 1])
    ds, d2 = delay_backward(p2, saved2, dz2)
    dz1, dgamma, dbeta = slow.through_neurons(ds, h, s, slope, norm, gamma, case["lam"], case["detach"])
    _, d1 = delay_backward(p1, saved1, dz1)
    assert abs(loss - case["loss"]) < 1e-8 and s.sum((0, 1)).tolist() == case["counts"]
    np.testing.assert_allclose(m.ravel(), case["m"], atol=1e-8, rtol=0)
    if "H" in case:
        np.testing.assert_allclose(h[:, 0, 0], case["H"], atol=1e-8, rtol=0)
    names = {"W": "weight", "P": "position", "S": "width"}
    got = {(i, key): d[names[key]] for i, d in ((1, d1), (2, d2)) for key in names}
    got |= {(1, "gamma"): dgamma, (1, "beta"): dbeta}
    for key, value in case.items():
        if isinstance(key, tuple):
            np.testing.assert_allclose(got[key].ravel(), value, atol=1e-8, rtol=0, err_msg=str(key))


@pytest.mark.parametrize("algorithm", ["events", "spectral"])
def test_worked_network_with_two_copies_and_dropout(algorithm):
    gamma, beta, case = np.array([1, 1.1, 1.2]), np.array([0.3, 0.2, 0.1]), TWO_COPIES
    settings = {"max_delay": 5, "algorithm": algorithm, "train": ALL}
    p1, p2 = slow.example(0, 2), slow.example(1, 2)
    mask = np.ones((2, 3)) / 0.75
    mask[0, 1] = 0
    z1, saved1 = delay_forward(p1, slow.example_input(), TRAIN, **settings)
    h, s, slope, norm = slow.spikes_and_surrogate(z1, gamma, beta, 0.5)
    z2, saved2 = delay_forward(p2, s * mask, TRAIN, **settings)
    m, loss, dz2 = slow.readout(z2, 0.5, [0, 1])
    ds, d2 = delay_backward(p2, saved2, dz2)
    dz1, dgamma, dbeta = slow.through_neurons(ds * mask, h, s, slope, norm, gamma, 0.5, True)
    dx, d1 = delay_backward(p1, saved1, dz1)
    got = {(i, key[0].upper()): d[key] for i, d in ((1, d1), (2, d2)) for key in ("weight", "position")}
    got |= {(1, "S"): d1["width"], (1, "gamma"): dgamma, (1, "beta"): dbeta}
    got |= {"loss": loss, "m": m, "counts": s.sum((0, 1)), "dx": dx.sum((0, 1)), "dx_size": abs(dx).sum()}
    for key, value in case.items():
        np.testing.assert_allclose(np.ravel(got[key]), np.ravel(value), atol=1e-8, rtol=0, err_msg=str(key))


SHAPES = [(20, 3, 7, 9, 5), (1, 1, 1, 1, 1), (1, 2, 3, 4, 7), (3, 2, 5, 4, 9), (40, 9, 20, 70, 13), (6, 5, 17, 3, 1)]


@pytest.mark.parametrize("algorithm", ["events", "spectral", "dense"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["spikes", "counts", "real", "silent", "all fire"])
def test_equals_the_slow_oracle(algorithm, shape, kind):
    T, N, n_in, n_out, k = shape
    p = random_layer(1, n_in, n_out, k, count=2)
    x = random_input(2, (T, N, n_in), *{"all fire": (1, 1), "silent": (0, 1), "counts": (0.4, 255)}.get(kind, (0.2, 1)))
    x = np.random.default_rng(3).normal(size=x.shape) if kind == "real" else x
    y, saved = delay_forward(p, x, TRAIN, max_delay=k, algorithm=algorithm)
    K, kernel_saved = dcls_kernel(*p.values(), k)
    np.testing.assert_allclose(y, slow.layer(K, x), atol=1e-10)
    dy = np.random.default_rng(4).normal(size=y.shape)
    dx, dp = delay_backward(p, saved, dy)
    dK, expected = slow.layer_gradients(K, x.astype(float), dy)
    np.testing.assert_allclose(dx, expected, atol=1e-10)
    from firstspike.plasticity.layers.dcls import dcls_kernel_backward

    for key, want in dcls_kernel_backward(kernel_saved, dK).items():
        if key in dp:
            np.testing.assert_allclose(dp[key], want, atol=1e-9)
    assert set(dp) == {"weight", "position"}


@pytest.mark.parametrize("version", ["triangle", "bilinear"])
@pytest.mark.parametrize("count", [1, 3])
def test_taps_of_whole_delays(version, count):
    p = rounded(random_layer(1, 11, 6, 9, count), 9)
    p["position"][0, 0, 0, 0] = 40  # outside of the window: no tap
    x = random_input(2, (15, 4, 11), largest=3)
    settings = {"max_delay": 9, "version": version, "train": ("weight",)}
    y, saved = delay_forward(p, x, TRAIN, algorithm="taps", **settings)
    want, dense = delay_forward(p, x, TRAIN, algorithm="dense", **settings)
    np.testing.assert_allclose(y, want, atol=1e-12)
    dy = np.random.default_rng(4).normal(size=y.shape)
    for got, expected in zip(delay_backward(p, saved, dy), delay_backward(p, dense, dy), strict=True):
        got, expected = (a if isinstance(a, np.ndarray) else a["weight"] for a in (got, expected))
        np.testing.assert_allclose(got, expected, atol=1e-12)
    assert saved.chosen[:2] == ("taps", "taps")
    assert delay_forward(p, x, EVAL, max_delay=9, version=version)[1].chosen[0] == "taps"


def test_whole_positions_of_a_triangle_do_not_move_and_those_of_bilinear_do():
    p, x = rounded(random_layer(1, 5, 6, 9), 9), random_input(2, (15, 4, 5))
    for version, moves in (("triangle", False), ("bilinear", True)):
        y, saved = delay_forward(p, x, TRAIN, max_delay=9, version=version, algorithm="taps", train=ALL)
        d = delay_backward(p, saved, np.ones_like(y) * np.arange(len(y))[:, None, None] ** 2)[1]
        assert d["position"].any() == moves and not d["width"].any() and d["width"].shape == ()


@pytest.mark.parametrize("algorithm", ["events", "spectral", "dense"])
def test_float32_beside_float64(algorithm):
    p, x = random_layer(5, 60, 50, 25), random_input(6, (50, 8, 60), 0.1)
    small = {key: value.astype(np.float32) for key, value in p.items()}
    y, saved = delay_forward(small, x, TRAIN, max_delay=25, algorithm=algorithm)
    y64, saved64 = delay_forward({k: v.astype(float) for k, v in small.items()}, x, TRAIN, max_delay=25)
    dy = np.random.default_rng(7).normal(size=y.shape)
    dx, dp = delay_backward(small, saved, dy.astype(np.float32))
    dx64, dp64 = delay_backward(p, saved64, dy.astype(np.float32).astype(float))
    for got, want in ((y, y64), (dx, dx64), *((dp[key], dp64[key]) for key in dp)):
        assert got.dtype == np.float32 and want.dtype == np.float64
        assert abs(got - want).max() < 5e-6 * abs(want).max()


def adjoint(forward, backward, shape_x, shape_y, seed=0):
    random = np.random.default_rng(seed)
    x, y = random.normal(size=shape_x), random.normal(size=shape_y)
    return (forward(x) * y).sum(), (x * backward(y)).sum()


@pytest.mark.parametrize("algorithm", ["spectral", "dense"])
def test_adjoint(algorithm):
    p = random_layer(1, 6, 5, 7)
    settings = {"max_delay": 7, "algorithm": algorithm}
    saved = delay_forward(p, np.ones((12, 3, 6)), TRAIN, **settings)[1]
    a, b = adjoint(
        lambda x: delay_forward(p, x, TRAIN, **settings)[0],
        lambda y: delay_backward(p, saved, y)[0],
        (12, 3, 6),
        (15, 3, 5),
    )
    assert abs(a - b) < 1e-11


def test_finite_differences_through_two_layers():
    pairs = [named(n, delay_forward, delay_backward, max_delay=5, train=ALL, algorithm="auto") for n in ("a", "b")]
    net = chain(*pairs)
    p = {
        f"{n}.{key}": v
        for n, q in (("a", random_layer(1, 3, 4, 5)), ("b", random_layer(2, 4, 2, 5)))
        for key, v in q.items()
    }
    x = random_input(3, (7, 2, 3), 0.4)
    y, saved = net.forward(p, x, TRAIN)
    dy = np.random.default_rng(4).normal(size=y.shape)
    _, dp = net.backward(p, saved, dy)
    for key in p:
        for index in itertools.islice(np.ndindex(p[key].shape), 5):
            sides = []
            for step in (1e-6, -1e-6):
                moved = np.array(p[key])
                moved[index] += step
                sides.append((net.forward({**p, key: moved}, x, TRAIN)[0] * dy).sum())
            assert abs((sides[0] - sides[1]) / 2e-6 - dp[key][index]) < 1e-6, key


@pytest.mark.parametrize("algorithm", ["events", "spectral", "dense", "taps"])
def test_same_bits_on_two_threads(algorithm):
    p, x = rounded(random_layer(5, 60, 50, 25, dtype=np.float32), 25), random_input(6, (60, 70, 60), 0.1)

    def run():
        settings = {"max_delay": 25, "algorithm": algorithm, "version": "triangle"}
        y, saved = delay_forward(p, x, TRAIN, **settings)
        dx, dp = delay_backward(p, saved, np.cos(np.arange(y.size)).reshape(y.shape))
        return y, dx, *dp.values()

    one = run()
    before = numba.get_num_threads()
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
    two = run()
    numba.set_num_threads(before)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_without_training_a_sample_does_not_depend_on_its_batch():
    p, x = random_layer(5, 30, 20, 9, dtype=np.float32), random_input(6, (25, 9, 30), 0.5)
    whole = delay_forward(p, x, max_delay=9)[0]
    for n in range(9):
        assert np.array_equal(delay_forward(p, x[:, n : n + 1], max_delay=9)[0][:, 0], whole[:, n])


@pytest.mark.parametrize("version", ["gauss", "triangle"])
def test_the_way_back_does_not_need_the_training_mode(version):
    p, x = rounded(random_layer(5, 9, 8, 9), 9), random_input(6, (25, 4, 9), 0.3)
    results = []
    for mode in (TRAIN, EVAL):
        y, saved = delay_forward(p, x, mode, max_delay=9, version=version)
        dx, dp = delay_backward(p, saved, np.cos(np.arange(y.size)).reshape(y.shape))
        results.append((y, dx, *dp.values()))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_direction_of_time():
    p = {"weight": np.ones((1, 1, 1)), "position": np.full((1, 1, 1, 1), 2.0), "width": np.zeros(())}
    x = np.zeros((6, 1, 1), np.uint8)
    x[1] = 1
    for position, delay in ((2.0, 0), (0.0, 2), (-2.0, 4)):
        p["position"][:] = position
        y = delay_forward(p, x, max_delay=5, version="v0")[0].ravel()
        assert len(y) == 8 and np.flatnonzero(y).tolist() == [1 + delay]


def test_the_first_layer_needs_no_input_gradient():
    p, x = random_layer(5, 3, 2, 5), random_input(6, (8, 2, 3))
    y, saved = delay_forward(p, x, TRAIN, max_delay=5, input_gradient=False)
    dx, dp = delay_backward(p, saved, np.ones_like(y))
    assert dx is None and set(dp) == {"weight", "position"}


def test_choice_follows_density():
    p = random_layer(0, 256, 256, 25, dtype=np.float32)
    chosen = {}
    for density in (0.0, 0.01, 0.5):
        x = random_input(1, (100, 8, 256), density)
        plan = delays_spectral.plan(100, 112, 25, 64, 256, 256)
        parts = delays.elements(*p.values(), 25, "gauss")
        x = np.repeat(x, 8, 1)
        chosen[density] = delays._choose("auto", x, parts, plan, None, True, True, ("weight",))
    assert chosen[0.01][:2] == ("events", "events") and chosen[0.5] == ("spectral",) * 3


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 31, 32])
def test_the_three_products_are_a_circular_convolution(size):
    k = min(size, 4)
    a, b, c = delays_spectral._matrices(k, size - k + 1, np.dtype(float))
    random = np.random.default_rng(size)
    h, x = random.normal(size=k), random.normal(size=size)
    want = [sum(h[d] * x[t - d] for d in range(k)) for t in range(k - 1, size)]
    np.testing.assert_allclose(c @ ((a @ h) * (b @ x)), want, atol=1e-12)
    assert len(a) == delays_spectral._rank(size)


GOOD = {"max_delay": 5, "version": "gauss"}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"max_delay": 4}, "max_delay must be odd and >= 1, got 4"),
        ({"max_delay": 0}, "max_delay must be odd"),
        ({"algorithm": "fft"}, "algorithm must be auto or of events"),
        ({"algorithm": ("events", "dense")}, "algorithm must be"),
        ({"algorithm": "taps"}, "algorithm taps is for whole delays"),
        ({"algorithm": ("taps", "dense", "dense")}, "algorithm taps is for whole delays"),
        ({"version": "box"}, "version must be one of"),
    ],
)
def test_errors(change, message):
    with pytest.raises(ValueError, match=message):
        delay_forward(random_layer(0, 3, 2, 5), np.ones((4, 1, 3), np.uint8), **{**GOOD, **change})


@pytest.mark.parametrize("shape", [(4, 1, 2), (4, 3), (0, 1, 3), (4, 0, 3)])
def test_errors_of_shapes(shape):
    with pytest.raises(ValueError, match="x must be"):
        delay_forward(random_layer(0, 3, 2, 5), np.ones(shape, np.uint8), **GOOD)
    p = random_layer(0, 3, 2, 5)
    saved = delay_forward(p, np.ones((4, 1, 3), np.uint8), **GOOD)[1]
    with pytest.raises(ValueError, match="dy must be"):
        delay_backward(p, saved, np.zeros((4, 1, 2)))


def test_names():
    assert set(ALGORITHMS) == {"events", "spectral", "dense", "taps"}
