"""Neurons over time steps: published values, a slow oracle, finite differences, states, buffers, threads, errors."""

import functools
import itertools
import types

import numba
import numpy as np
import pytest
from naive import neurons as naive

from firstspike.plasticity.layers import neurons as n
from firstspike.plasticity.layers import neurons_cpu
from firstspike.plasticity.layers.pairs import EVAL, Mode, chain, named
from firstspike.plasticity.layers.surrogates import SURROGATES, Surrogate

TRAIN = Mode(train=True)


def interpreted(loop, **functions):
    """`loop` with its functions, not compiled: seconds are saved for each of the many combinations."""
    return types.FunctionType(loop.__code__, loop.__globals__ | functions, loop.__name__)


@pytest.fixture
def slow_loops(monkeypatch):
    monkeypatch.setattr(neurons_cpu, "specialise", interpreted)
    monkeypatch.setattr(n, "loops", functools.cache(neurons_cpu.loops.__wrapped__))


def wave(shape, a, b=0.0, scale=1.0):
    return scale * np.sin(a * np.arange(1, 1 + np.prod(shape)) + b).reshape(shape)


X, DS = wave((6, 7), 1.1, 0.2, 3.0) + 1.0, wave((6, 7), 0.7, 0.1)
THIRD = {"w": np.array(-np.log(2.0))}
HARD = {"detach_reset": False}
#: forward, p, settings; spikes, (sum, dot, first 4) of h, dx, gradient of the first state; dw
PUBLISHED = {
    "if hard": (
        n.if_forward,
        {},
        {},
        18,
        (22.0319424, 5.35626996, [3.89067456, 3.02638954, -0.0523496831, -1.98107301]),
        (0.486903554, 0.204091778, [0.0115220025, 0.0276861564, 0.0371349964, 0.0365257676]),
        (0.0825223681, 0.0951520661, [0.0115220025, 0.0276861564, 0.0371349964, 0.0365257676]),
        None,
    ),
    "if soft detached": (
        n.if_forward,
        {},
        {"v_reset": None, "detach_reset": True},
        30,
        (93.9137217, 1.4371599, [3.89067456, 3.02638954, -0.0523496831, -1.98107301]),
        (1.11255572, 0.590684586, [0.0696572151, -0.0827525947, 0.841252583, -0.179993348]),
        (0.263493968, 0.337265666, [0.0696572151, -0.0827525947, 0.841252583, -0.179993348]),
        None,
    ),
    "lif hard": (
        n.lif_forward,
        {},
        {"tau": 2.5},
        14,
        (17.1686515, 1.63410432, [1.55626982, 1.21055582, -0.0209398732, -0.792429204]),
        (0.454698645, -0.139107534, [0.11368222, 0.282163851, 0.0057438331, 0.0897319781]),
        (0.230338757, 0.708416542, [0.170523331, 0.423245777, 0.00861574966, 0.134597967]),
        None,
    ),
    "lif hard to -0.2 detached": (
        n.lif_forward,
        {},
        {"tau": 2.5, "v_reset": -0.2, "detach_reset": True},
        11,
        (10.4576795, 1.56562962, [1.35626982, 1.01055582, -0.220939873, -0.992429204]),
        (-0.370225837, -0.249401062, [0.127375367, 0.398559689, -0.0124866425, 0.0301129963]),
        (0.497895578, 0.901948653, [0.191063051, 0.597839534, -0.0187299638, 0.0451694945]),
        None,
    ),
    "lif soft": (
        n.lif_forward,
        {},
        {"tau": 2.5, "v_reset": None},
        16,
        (20.6743194, 1.55514504, [1.55626982, 1.21055582, -0.0209398732, -0.792429204]),
        (0.506859164, -0.00994766604, [0.0112402911, 0.279108345, 0.0186626117, 0.00376711464]),
        (-0.100010478, 0.54010532, [0.0168604366, 0.418662518, 0.0279939175, 0.00565067196]),
        None,
    ),
    "lif hard, whole input, detached": (
        n.lif_forward,
        {},
        {"tau": 2.5, "decay_input": False, "detach_reset": True},
        19,
        (34.849227, 5.60860473, [3.89067456, 3.02638954, -0.0523496831, -1.98107301]),
        (0.102971881, 0.0906869377, [0.00859413659, 0.0240203334, 0.0536180531, 0.0188428512]),
        (0.0313352556, 0.0518642074, [0.00515648196, 0.0144122001, 0.0321708319, 0.0113057107]),
        None,
    ),
    "plif hard": (
        n.plif_forward,
        THIRD,
        {},
        11,
        None,
        (-0.00249268578, 0.191284823, [0.168504474, 0.32748018, -0.0334106444, 0.035027311]),
        None,
        0.0326601959,
    ),
    "plif soft, whole input": (
        n.plif_forward,
        THIRD,
        {"v_reset": None, "decay_input": False},
        23,
        (70.7413655, 3.88864917, [3.89067456, 3.02638954, -0.0523496831, -1.98107301]),
        (-1.7049728, 0.217541114, [-0.142946804, -0.0264054398, 0.0660635457, -0.0362656499]),
        None,
        0.493258066,
    ),
}


def assert_is(array, expected):
    if expected is not None:
        flat = array.ravel()
        got = [flat.sum(), flat @ np.cos(0.3 * np.arange(flat.size)), *flat[:4]]
        np.testing.assert_allclose(got, [*expected[:2], *expected[2]], rtol=1e-8)


@pytest.mark.parametrize("case", PUBLISHED)
@pytest.mark.parametrize("mode", [TRAIN, EVAL])
def test_published(case, mode, slow_loops):
    check_published(case, mode)


@pytest.mark.parametrize("case", ["lif hard", "lif hard, whole input, detached", "plif soft, whole input"])
def test_published_compiled(case):
    check_published(case, TRAIN)


def check_published(case, mode):
    forward, p, settings, n_spikes, h, dx, dv, dw = PUBLISHED[case]
    start = np.full(7, settings.get("v_reset", 0.0) or 0.0)
    s, saved = forward(p | {"state": start}, X, mode, **settings)
    assert s.dtype == np.uint8 and s.sum() == n_spikes
    if mode.train:
        assert_is(saved.h, h)
    gx, dp = n.lif_backward(p | {"state": start}, saved, DS)
    assert_is(gx, dx)
    assert_is(dp["state"], dv)
    if dw is not None:
        np.testing.assert_allclose(dp["w"], dw, rtol=1e-8)


CASES = [
    dict(zip(("v_reset", "decay_input", "detach_reset", "strict"), v, strict=True))
    for v in itertools.product((0.0, -0.3, None), (True, False), (True, False), (False, True))
]


@pytest.mark.parametrize("settings", CASES, ids=lambda c: "-".join(map(str, c.values())))
def test_oracle(settings, slow_loops):
    """All combinations, learnt rate, states in and out, potentials that are exactly at threshold."""
    check_oracle(settings)


@pytest.mark.parametrize("settings", [CASES[0], CASES[-1]], ids=["first", "last"])
def test_oracle_compiled(settings):
    check_oracle(settings)


def check_oracle(settings):
    rng = np.random.default_rng(0)
    x = rng.integers(-2, 6, (5, 3, 4)) / 2.0
    first, ds, dstate = rng.integers(-1, 2, (3, 4)) / 2.0, rng.normal(size=x.shape), rng.normal(size=(3, 4))
    p, k = {"w": np.zeros(1), "state": first}, 0.5
    args = (k, 1.0, settings["v_reset"], settings["decay_input"])
    h, s, v = naive.run(x, *args, settings["strict"], first)
    assert (h == 1.0).any() or settings["v_reset"] != 0.0
    _, derivative, slopes = SURROGATES["atan"]
    dx, dv, dk = naive.back(
        x, h, s, ds, lambda u: derivative(u, *slopes), *args, settings["detach_reset"], first, dstate
    )
    for mode in (TRAIN, EVAL):
        y, saved = n.plif_forward(p, x, mode, **settings)
        np.testing.assert_array_equal(y, s)
        np.testing.assert_allclose(saved.state, v, rtol=1e-13, atol=1e-15)
        gx, dp = n.plif_backward(p, saved, ds, dstate)
        np.testing.assert_allclose(gx, dx, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(dp["state"], dv, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(dp["w"], [dk * k * (1 - k)], rtol=1e-12, atol=1e-14)


def loss_and_gradients(p, x, c, settings):
    y, saved = n.lif_forward(p, x, TRAIN, soft=True, **settings)
    dx, dp = n.lif_backward(p, saved, c)
    return float((y * c).sum()), {"x": dx} | dp


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("v_reset", [-0.1, None])
@pytest.mark.parametrize("decay_input", [True, False])
def test_finite_differences(surrogate, v_reset, decay_input, slow_loops):
    rng = np.random.default_rng(3)
    values = {"x": rng.normal(0.8, 0.6, (4, 2)), "state": rng.normal(0, 0.3, 2), "w": np.array(0.4)}
    c, settings = rng.normal(size=(4, 2)), {"surrogate": surrogate, "v_reset": v_reset, "decay_input": decay_input}

    def loss(v):
        return loss_and_gradients({"state": v["state"], "w": v["w"]}, v["x"], c, settings)

    _, gradients = loss(values)
    for key, value in values.items():
        for j in np.ndindex(value.shape):
            up, down = (dict(values) for _ in range(2))
            up[key], down[key] = value.copy(), value.copy()
            up[key][j] += 1e-6
            down[key][j] -= 1e-6
            slope = (loss(up)[0] - loss(down)[0]) / 2e-6
            assert abs(slope - gradients[key][j]) < 1e-6 * max(1, abs(slope)), (key, j)


def test_a_surrogate_of_ones_own():
    def primitive(u, w):
        return 0.5 + 0.5 * u / w

    def derivative(u, w):
        return 0.5 / w if abs(u) < w else 0.0

    own = Surrogate(primitive, derivative, (2.0,))
    x = np.array([[0.5, 1.2, 4.0]], np.float32)
    s, saved = n.lif_forward({}, x, TRAIN, surrogate=own, decay_input=False)
    assert s.tolist() == [[0, 1, 1]]
    assert n.lif_backward({}, saved, np.ones_like(x))[0].tolist() == [[0.25, 0.25, 0.0]]


@pytest.mark.parametrize("surrogate", ["atan", "sigmoid", "erf", "piecewise_quadratic"])
def test_single_precision(surrogate):
    rng = np.random.default_rng(1)
    x, ds = rng.uniform(-1, 3, (20, 50)), rng.normal(size=(20, 50))
    results = {}
    for kind in (np.float32, np.float64):
        p = n.plif_params(3.0, kind)
        s, saved = n.plif_forward(p, x.astype(kind), TRAIN, surrogate=surrogate, v_reset=None)
        dx, dp = n.plif_backward(p, saved, ds.astype(kind))
        assert saved.h.dtype == dx.dtype == dp["w"].dtype == kind
        results[kind] = s, saved.h, dx, dp["w"]
    single, double = results[np.float32], results[np.float64]
    np.testing.assert_array_equal(single[0], double[0])
    for a, b in zip(single[1:], double[1:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_steps_one_by_one_and_halves_give_what_the_whole_gives():
    rng = np.random.default_rng(2)
    x, ds = rng.uniform(0, 2, (8, 5, 3)), rng.normal(size=(8, 5, 3))
    for forward, back, p in (
        (n.lif_forward, n.lif_backward, {}),
        (n.if_forward, n.if_backward, {}),
        (n.plif_forward, n.plif_backward, n.plif_params(2.7, float)),
        (n.leaky_forward, n.leaky_backward, n.plif_params(2.7, float)),
    ):
        start = p | {"state": np.zeros((5, 3))}
        whole, saved = forward(start, x, TRAIN)
        dx, dp = back(start, saved, ds)
        state, parts = start, []
        for t in range(8):
            y, one = forward(state, x[t : t + 1])
            state = state | {"state": one.state}
            parts.append(y)
        np.testing.assert_array_equal(np.concatenate(parts), whole)
        np.testing.assert_array_equal(state["state"], saved.state)
        _, left = forward(start, x[:3], TRAIN)
        middle = start | {"state": left.state}
        _, right = forward(middle, x[3:], TRAIN)
        b, db = back(middle, right, ds[3:])
        a, da = back(start, left, ds[:3], db["state"])
        np.testing.assert_allclose(np.concatenate([a, b]), dx, rtol=1e-13)
        np.testing.assert_allclose(da["state"], dp["state"], rtol=1e-13)
        if "w" in p:
            np.testing.assert_allclose(da["w"] + db["w"], dp["w"], rtol=1e-12)


@pytest.mark.parametrize("learnt", [True, False])
@pytest.mark.parametrize("decay_input", [True, False])
def test_leaky_integrator(learnt, decay_input):
    rng = np.random.default_rng(4)
    x, dy, dstate = rng.normal(size=(6, 2, 3)), rng.normal(size=(6, 2, 3)), rng.normal(size=(2, 3))
    p = {"state": rng.normal(size=(2, 3))} | (n.plif_params(3.0, float) if learnt else {})
    settings = {"decay_input": decay_input} | ({} if learnt else {"tau": 3.0})
    h, _, v = naive.run(x, 1 / 3, np.inf, 0.0, decay_input, first=p["state"], spike=lambda u: 0.0)
    y, saved = n.leaky_forward(p, x, **settings)
    np.testing.assert_allclose(y, h, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(saved.state, y[-1])
    dx, dp = n.leaky_backward(p, saved, dy, dstate)
    # y reaches later steps as the potential of a neuron that never fires does
    upstream, want, dk, lam = dstate.copy(), np.zeros_like(x), 0.0, 1 - 1 / 3
    for t in reversed(range(6)):
        a = dy[t] + upstream
        v = y[t - 1] if t else p["state"]
        dk += (a * (x[t] - v if decay_input else -v)).sum()
        want[t], upstream = a * (1 / 3 if decay_input else 1), lam * a
    np.testing.assert_allclose(dx, want, rtol=1e-12)
    np.testing.assert_allclose(dp["state"], upstream, rtol=1e-12)
    if learnt:
        np.testing.assert_allclose(dp["w"], dk / 3 * lam, rtol=1e-12)
    assert n.leaky_forward({}, np.ones((4, 1)), tau=np.inf)[0][:, 0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("learnt", [True, False])
def test_buffers_change_nothing(learnt):
    rng = np.random.default_rng(5)
    p = n.plif_params() if learnt else {}
    x, ds = rng.uniform(0, 2.2, (7, 70)).astype(np.float32), rng.normal(size=(7, 70)).astype(np.float32)
    s, saved = n.lif_forward(p, x, TRAIN)
    dx, dp = n.lif_backward(p, saved, ds)
    for in_place in (False, True):
        u = x.copy()
        h = u if in_place else np.empty_like(x)
        work = n.Work(np.empty(x.shape, np.uint8), h, h)
        y, kept = n.lif_forward(p, u, TRAIN, work=work)
        assert y is work.spikes and kept.h is h and (in_place or np.array_equal(u, x))
        np.testing.assert_array_equal(y, s)
        np.testing.assert_array_equal(h, saved.h)
        gx, dq = n.lif_backward(p, kept, ds)
        assert gx is h
        np.testing.assert_array_equal(gx, dx)
        assert dq == dp
    _, saved = n.lif_forward(p, x, TRAIN, input_gradient=False)
    assert n.lif_backward(p, saved, ds)[0] is None


def test_same_bits_for_any_number_of_threads():
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("one thread only")
    rng = np.random.default_rng(6)
    p = n.plif_params(1.7)
    x, ds = rng.uniform(0, 2.2, (3, 100_001)).astype(np.float32), rng.normal(size=(3, 100_001)).astype(np.float32)
    results = []
    for threads in (1, 2):
        numba.set_num_threads(threads)
        for mode in (TRAIN, EVAL):
            s, saved = n.plif_forward(p, x, mode)
            dx, dp = n.plif_backward(p, saved, ds)
            y, kept = n.leaky_forward(p, x)
            dz, dq = n.leaky_backward(p, kept, ds)
            if mode.train:
                results.append((s, dx, dp["w"], y, dz, dq["w"]))
            np.testing.assert_array_equal(results[-1][1], dx)  # h kept or computed again
    numba.set_num_threads(1)
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1), (0, 2), (2, 0), (2, 2, 2, 2)])
@pytest.mark.parametrize("level", [-5.0, 5.0])
def test_sizes_silent_and_always_firing(shape, level):
    x = np.full(shape, level, np.float32)
    p = n.plif_params() | {"state": np.zeros(shape[1:], np.float32)}
    for mode in (TRAIN, EVAL):
        s, saved = n.plif_forward(p, x, mode)
        assert s.shape == shape and (s == (level > 0)).all()
        dx, dp = n.plif_backward(p, saved, np.ones(shape, np.float32))
        assert dx.shape == shape and np.isfinite(dx).all() and np.isfinite(dp["w"])
        assert dp["state"].shape == shape[1:]
    y, saved = n.leaky_forward(p, x)
    assert y.shape == shape and n.leaky_backward(p, saved, y)[0].shape == shape


def test_in_a_network():
    net = chain(
        named("a", n.plif_forward, n.plif_backward, v_reset=None), named("out", n.leaky_forward, n.leaky_backward)
    )
    p = {"a.w": np.zeros(()), "out.w": np.ones(())}
    # spikes are uint8: a readout takes floats, as a linear layer between the two gives them
    x = np.full((3, 2), 3.0)
    with pytest.raises(ValueError, match="x must be float32 or float64, got uint8"):
        net.forward(p, x, TRAIN)


@pytest.mark.parametrize(
    "p, change, message",
    [
        ({}, {"tau": 0.9}, "tau must be >= 1 step, got 0.9"),
        ({}, {"tau": np.nan}, "tau must be >= 1"),
        ({}, {"threshold": np.inf}, "threshold must be finite"),
        ({}, {"v_reset": 1.0}, "threshold must be finite and > v_reset = 1.0, got 1.0"),
        ({}, {"surrogate": "x"}, "surrogate must be"),
        ({}, {"keep": "v"}, "keep must be h or x, got 'v'"),
        ({}, {"soft": True, "detach_reset": True}, "soft must not be used with detach_reset"),
        ({}, {"work": n.Work(h=np.empty((2, 2), np.float32))}, r"work.h must be contiguous float64 \(3, 2\)"),
        ({"w": np.zeros(2)}, {}, "w must be one finite number"),
        ({"w": np.array(np.nan)}, {}, "w must be one finite number"),
        ({"state": np.zeros(3)}, {}, r"state must have shape \(2,\), got \(3,\)"),
    ],
)
def test_errors(p, change, message):
    with pytest.raises(ValueError, match=message):
        n.lif_forward(p, np.ones((3, 2)), TRAIN, **change)


def test_errors_of_arrays():
    with pytest.raises(ValueError, match="got int64"):
        n.lif_forward({}, np.ones((3, 2), int))
    with pytest.raises(ValueError, match=r"x must be \(T, N, ...\)"):
        n.lif_forward({}, np.ones(3))
    with pytest.raises(ValueError, match="p must hold w"):
        n.plif_forward({}, np.ones((3, 2)))
    with pytest.raises(ValueError, match="tau must be > 1 step, got 1"):
        n.plif_params(1)
    _, saved = n.lif_forward({}, np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"dy must have shape \(3, 2\), got \(2, 2\)"):
        n.lif_backward({}, saved, np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"dstate must have shape \(2,\)"):
        n.lif_backward({}, saved, np.ones((3, 2)), np.ones(3))
