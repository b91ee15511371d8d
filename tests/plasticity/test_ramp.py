"""Neurons with piecewise-linear potentials: worked examples, the slow version, finite differences, threads, errors."""

import numpy as np
import pytest
from naive import stidi as naive

from firstspike.plasticity.waves import ramp
from firstspike.plasticity.waves.ramp import Kernel
from firstspike.runtime.threads import n_threads

RAMP = Kernel("ramp", 4.0)
KERNELS = [Kernel("relu", 8.0), Kernel("ramp", 4.0), Kernel("triangle", 3.0, 5.0)]
W1 = np.array([[1.2, 0.8, 0.3], [0.4, 1.1, 0.9], [0.2, -0.5, 0.6]])
W2 = np.array([[0.9, 0.7, 0.2], [0.3, 1, -0.4]])
T0 = np.array([[0, 1, 2.5]])


def over(d, slope):
    return np.where(slope > 0, d / np.where(slope > 0, slope, 1), 0.0)


def close(a, b, tolerance=1e-8):
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def test_triangle_as_worked_out_by_hand():
    assert Kernel("triangle", 4, 6).value([-1, 0, 2, 4, 7, 10, 12]).tolist() == [0, 0, 0.5, 1, 0.5, 0, 0]


@pytest.fixture(scope="module")
def small():
    """Times and slopes of the two-layer example."""
    a = ramp.dense_forward(T0, W1.T, 1, RAMP, 20.0)
    return a, ramp.dense_forward(a.times, W2.T, 1, RAMP, 20.0)


def test_exact_gradient_as_worked_out_by_hand(small):
    a, b = small
    close(a.times, [[2.4, 3.0625, 20]])
    close(a.slope, [[0.5, 0.6, 0]])
    close(b.times, [[5.18984375, 5.98653846]])
    close(b.slope, [[0.4, 0.325]])
    triangle = ramp.dense_forward(T0, W1.T, 1, Kernel("triangle", 4, 6), 20.0)
    close(triangle.times, a.times)
    d = [5.5, 9] - b.times
    g2, d1 = ramp.dense_backward(a.times, W2.T, b.times, over(d, b.slope), RAMP, 20.0)
    g1, _ = ramp.dense_backward(T0, W1.T, a.times, over(d1, a.slope), RAMP, 20.0, below=False)
    close(d1, [[0.86987709, 2.4537407, 0]])
    close(g2.T, [[0.54080467, 0.4123806, 0], [8.31376593, 6.77805957, 0]])
    close(g1.T, [[1.04385251, 0.60891396, 0], [3.13107537, 2.10868341, 0.57509548], [0, 0, 0]])


def test_displacement_as_worked_out_by_hand(small):
    a, b = small
    d = [5.5, 9] - b.times
    g2, d1 = ramp.dense_backward(a.times, W2.T, b.times, d, RAMP, 20.0, exact=False)
    d1 *= a.slope > 0
    close(g2.T, [[0.21632187, 0.16495224, 0], [2.70197393, 2.20286936, 0]])
    close(d1, [[1.18317909, 3.23057091, 0]])
    d1 /= np.linalg.norm(d1)
    close(d1, [[0.34390525, 0.93900435, 0]])
    g1, below = ramp.dense_backward(T0, W1.T, a.times, d1, RAMP, 20.0, exact=False, below=False)
    close(g1.T, [[0.20634315, 0.12036684, 0], [0.71892521, 0.48417412, 0.13204749], [0, 0, 0]])
    assert below is None


def stack():
    """Inputs, kernels, dense weights and targets of the example with a convolution."""
    rng = np.random.default_rng(12)
    X = rng.uniform(0, 6, (2, 6, 6))
    X[X > 5] = 40
    return X[None], rng.uniform(-0.1, 0.5, (2, 2, 3, 3)), rng.uniform(-0.3, 0.9, (3, 8)), rng.uniform(5, 12, 3)


def run(X, K, W):
    pooled = ramp.conv_forward(X, K, 1.0, RAMP, 40.0, pool=2)
    flat = pooled.times.reshape(1, -1)
    return pooled, flat, ramp.dense_forward(flat, W.T, 0.8, RAMP, 40.0)


def test_convolution_and_pooling_as_worked_out():
    X, K, W, T = stack()
    close(T, [8.3942642968, 10.9766171243, 8.5293946202])
    first = ramp.conv_forward(X, K, 1.0, RAMP, 40.0)
    close(first.times[0, 0, 0], [3.5922432147, 4.0022116012, 3.4849918559, 3.1813366888])
    close(first.times[0, 0, 3], [3.3069443068, 4.6076235648, 5.4443575906, 4.1080038544])
    pooled, flat, out = run(X, K, W)
    expected = [3.3977030118, 3.1813366888, 3.3069443068, 4.1080038544]
    close(flat[0], [*expected, 3.1625189842, 4.0879616103, 4.4027065442, 4.2575460258])
    assert pooled.place.ravel().tolist() == [2, 1, 2, 3, 0, 0, 0, 1]
    close(out.times, [[4.6159084916, 5.9377316748, 6.7038997568]])
    d = T - out.times
    assert 0.5 * (d**2).sum() == pytest.approx(21.499385329815855, abs=1e-10)
    gw, dc = ramp.dense_backward(flat, W.T, out.times, d / out.slope, RAMP, 40.0)
    q = over(dc.reshape(pooled.times.shape), pooled.slope)
    gk, dx = ramp.conv_backward(X, K, pooled, q, 2, RAMP)
    close([gw.sum(), (gw**2).sum()], [106.93583548209135, 712.6792842856262], 1e-9)
    close([gk.sum(), (gk**2).sum()], [91.96063031580957, 404.7446317935917], 1e-9)
    close([gk[0, 0, 0, 0], gk[1, 1, 2, 2]], [1.5854525640258061, 4.8434850668208185], 1e-9)
    close([dx.sum(), (dx**2).sum()], [10.642736118006725, 5.2940834841621776], 1e-9)
    d = d / np.linalg.norm(d)
    close(d, [[0.5762020952, 0.7684337118, 0.2783893363]], 2e-7)
    gw, dc = ramp.dense_backward(flat, W.T, out.times, d, RAMP, 40.0, exact=False)
    dc /= np.linalg.norm(dc)
    assert np.count_nonzero(dc) == 8 and dc.sum() == pytest.approx(2.3389024960652893, abs=1e-12)
    gk, dx = ramp.conv_backward(X, K, pooled, dc.reshape(pooled.times.shape), 2, RAMP, exact=False)
    close([gw.sum(), (gw**2).sum()], [6.043458984331639, 2.016900075272906], 1e-12)
    close([gk.sum(), (gk**2).sum()], [11.42572438039496, 5.451735144171447], 1e-12)
    close([gk[0, 0, 0, 0], gk[1, 1, 2, 2]], [0.22046706740283312, 0.535956373520432], 1e-12)
    close([dx.sum(), (dx**2).sum()], [5.005840774856097, 1.0528376045685923], 1e-12)


def test_gradients_are_those_of_small_changes():
    X, K, W, T = stack()

    def loss():
        return 0.5 * float(((run(X, K, W)[2].times - T) ** 2).sum())

    pooled, flat, out = run(X, K, W)
    gw, dc = ramp.dense_backward(flat, W.T, out.times, (T - out.times) / out.slope, RAMP, 40.0)
    q = over(dc.reshape(pooled.times.shape), pooled.slope)
    gk, dx = ramp.conv_backward(X, K, pooled, q, 2, RAMP)
    for array, gradient in ((W, gw.T), (K, gk), (X, -dx)):
        flat_array, found = array.reshape(-1), gradient.reshape(-1)
        for i in range(0, len(flat_array), 3):
            kept = flat_array[i]
            if kept == 40:
                assert found[i] == 0
                continue
            values = []
            for change in (1e-6, -1e-6):
                flat_array[i] = kept + change
                values.append(loss())
            flat_array[i] = kept
            assert found[i] == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-7)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.kind)
@pytest.mark.parametrize("rounding", [None, "ge", "gt"])
def test_layers_beside_the_slow_version(kernel, rounding):
    rng = np.random.default_rng(3)
    times = rng.uniform(0, 24, (2, 2, 6, 7))  # some of them are silent
    times = np.floor(times) if rounding else times
    K, W = rng.normal(0.12, 0.3, (3, 2, 3, 3)), rng.normal(0.1, 0.25, (5, 18))
    conv, dense = (ramp.conv_forward(times, K, 1.0, kernel, 20.0, rounding, pool=p) for p in (1, 2))
    for n in range(2):
        t, s = naive.conv(times[n], K, 1.0, tuple(kernel), 20.0, rounding)
        close(conv.times[n], t)
        close(conv.slope[n], s)
        pooled, place = naive.pool(t, 2, 20.0)
        close(dense.times[n], pooled)
        np.testing.assert_array_equal(dense.place[n], place)
    inputs = times.reshape(2, -1)[:, :18]
    out = ramp.dense_forward(inputs, W.T, 1.0, kernel, 20.0, rounding)
    for n in range(2):
        t, s = naive.dense(inputs[n], W, 1.0, tuple(kernel), 20.0, rounding)
        close(out.times[n], t)
        close(out.slope[n], s)
    assert 0 < (out.times < 20).mean() < 1 and 0 < (conv.times < 20).mean() < 1
    for exact in (True, False):
        back_beside_the_slow_version(rng, times, K, dense, kernel, exact)
        q = np.where(out.times < 20, rng.normal(size=out.times.shape), 0)
        g, d = ramp.dense_backward(inputs, W.T, out.times, q, kernel, 20.0, exact)
        slow = [naive.dense_back(inputs[n], W, out.times[n], q[n], tuple(kernel), 20.0, exact) for n in range(2)]
        close(g.T, slow[0][0] + slow[1][0])
        close(d, [slow[0][1], slow[1][1]])


def back_beside_the_slow_version(rng, times, K, fired, kernel, exact):
    q = np.where(fired.times < 20, rng.normal(size=fired.times.shape), 0)
    g, d = ramp.conv_backward(times, K, fired, q, 2, kernel, exact)
    shape, total = (3, 4, 5), 0
    for n in range(2):
        wide = naive.unpool(q[n], fired.place[n], 2, shape)
        t = naive.unpool(fired.times[n], fired.place[n], 2, shape)
        gn, dn = naive.conv_back(times[n], K, t, wide, tuple(kernel), 20.0, exact)
        total = total + gn
        close(d[n], dn)
    close(g, total)


def test_edges():
    silent = np.full((1, 4), 20.0)
    out = ramp.dense_forward(silent, np.ones((4, 2)), 1.0, RAMP, 20.0)
    assert out.times.tolist() == [[20, 20]] and out.slope.tolist() == [[0, 0]]
    relu = Kernel("relu", 10.0)
    late = ramp.dense_forward([[0.0]], np.array([[0.5]]), 1.0, relu, 20.0)  # would cross at 20 exactly
    assert late.times.tolist() == [[20.0]] and late.slope.tolist() == [[0.0]]
    cancel = ramp.dense_forward([[0.0, 0.0]], np.array([[2.0], [-2.0]]), 1.0, relu, 20.0)
    assert cancel.times.tolist() == [[20.0]]
    # reaches 1 at step 5 and turns back there: at the threshold (ge) it fires, above it (gt) it does not
    turned, w = [[0.0, 5.0]], np.array([[2.0], [-4.0]])
    assert ramp.dense_forward(turned, w, 1.0, relu, 20.0, "ge").times.tolist() == [[5.0]]
    assert ramp.dense_forward(turned, w, 1.0, relu, 20.0, "gt").times.tolist() == [[20.0]]
    none = ramp.dense_forward(np.empty((0, 4)), np.ones((4, 2)), 1.0, RAMP, 20.0)
    assert none.times.shape == (0, 2)
    ties = ramp.conv_forward(np.zeros((1, 1, 4, 4)), np.ones((1, 1, 1, 1)), 0.5, RAMP, 20.0, pool=2)
    assert ties.place.tolist() == [[[[0, 0], [0, 0]]]] and ties.times[0, 0, 0, 0] == 2.0


def test_float32_and_threads():
    rng = np.random.default_rng(5)
    times = np.floor(rng.uniform(0, 24, (40, 1, 9, 9)))
    K, W = rng.normal(0.12, 0.3, (3, 1, 3, 3)), rng.normal(0.1, 0.25, (27, 5))
    found = []
    for kind, n in ((np.float64, 1), (np.float32, 1), (np.float32, 2)):
        with n_threads(n):
            a = ramp.conv_forward(times, K.astype(kind), 1.0, RAMP, 20.0, "ge", pool=2)
            flat = a.times.reshape(40, -1)
            b = ramp.dense_forward(flat, W.astype(kind), 1.0, RAMP, 20.0)
            q = np.where(b.times < 20, 1.0, 0.0) * (1 + np.arange(5))
            g, d = ramp.dense_backward(flat, W.astype(kind), b.times, q, RAMP, 20.0)
            gk, dx = ramp.conv_backward(times, K.astype(kind), a, d.reshape(a.times.shape), 2, RAMP)
        assert {x.dtype.type for x in (a.times, b.times, g, d, gk, dx)} == {kind}
        found.append((a.times, b.times, g, d, gk, dx))
    for one, two in zip(found[1], found[2], strict=True):
        np.testing.assert_array_equal(one, two)
    assert (found[0][0] == found[1][0]).mean() > 0.999
    close(found[1][1], found[0][1], 1e-3)
    close(found[1][4], found[0][4], 1e-2)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: Kernel("alpha").check(), "kind must be one of"),
        (lambda: Kernel("ramp", 0).check(), "rise must be > 0"),
        (lambda: ramp.dense_forward(T0, W1.T, 0, RAMP, 20.0), "theta must be > 0, got 0"),
        (lambda: ramp.dense_forward(T0, W1.T, 1, RAMP, 0.0), "t_max must be > 0"),
        (lambda: ramp.dense_forward(T0, W1.T, 1, RAMP, 20.0, "up"), "rounding must be"),
        (lambda: ramp.dense_forward(T0, W2, 1, RAMP, 20.0), "do not fit"),
        (lambda: ramp.dense_forward(T0, W1.T.astype(int), 1, RAMP, 20.0), "float32 or float64"),
        (lambda: ramp.dense_forward(T0, np.full((3, 1), np.nan), 1, RAMP, 20.0), "must be finite"),
        (
            lambda: ramp.conv_forward(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), 1, RAMP, 9.0, pool=3),
            "leave nothing",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
