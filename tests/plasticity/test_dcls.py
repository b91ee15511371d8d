"""Kernels with learnable positions: worked examples, the slow oracle, finite differences, invariants."""

import numba
import numpy as np
import pytest
from naive import dcls as slow
from naive.dcls_values import CASES

from firstspike.plasticity.layers import dcls
from firstspike.plasticity.layers.dcls import dcls_kernel, dcls_kernel_backward

VERSIONS = ("v0", "v1", "max", "gauss")


def check(values, sums, gradients, tolerance=1e-8):
    K, dW, dP, dS, G = values
    np.testing.assert_allclose([K.sum(), (K**2).sum(), (K * G).sum()], sums, atol=tolerance, rtol=0)
    for name, got in (("gW", dW), ("gP", dP), ("gS", dS)):
        if name in gradients:
            expected = np.array(gradients[name])
            got = got.ravel() if got.size == expected.size else got.reshape(len(expected), -1).sum(1)
            np.testing.assert_allclose(got, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_worked_examples_of_the_slow_oracle(case):
    version, k, sums, gradients = CASES[case]
    W, P, S, G = slow.recipe(k)
    check((*slow.kernel_and_gradients(W, P, S, k, version, G), G), sums, gradients)


@pytest.mark.parametrize("case", [c for c in CASES if len(CASES[c][1]) == 1])
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-8), (np.float32, 5e-6)])
def test_worked_examples(case, dtype, tolerance):
    version, k, sums, gradients = CASES[case]
    W, P, S, G = (a.astype(dtype) for a in slow.recipe(k))
    K, saved = dcls_kernel(W, P, S, k[0], version)
    d = dcls_kernel_backward(saved, G)
    assert K.dtype == dtype and all(d[key].dtype == dtype for key in d)
    check((K, d["weight"], d["position"], d["width"], G), sums, gradients, tolerance)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("k", [1, 4, 9])
def test_equals_the_slow_oracle(version, k):
    random = np.random.default_rng(k)
    W = random.normal(size=(67, 18, 3))
    P = random.uniform(-k // 2 - 1, k // 2 + 1, (1, *W.shape))  # also outside of the window
    S = random.normal(size=P.shape)
    G = random.normal(size=(67, 18, k))
    W, P, S, G = W[-3:], P[:, -3:], S[:, -3:], G[-3:]
    K, saved = dcls_kernel(W, P, S, k, version, sigma_min=0.3)
    d = dcls_kernel_backward(saved, G)
    expected = slow.kernel_and_gradients(W, P, S, (k,), version, G, floor=0.3)
    for got, want in zip((K, d["weight"], d["position"], d["width"]), expected, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-11, rtol=1e-11)


def test_more_outputs_than_a_block():
    random = np.random.default_rng(0)
    W, P = random.normal(size=(131, 2, 1)), random.uniform(-3, 3, (1, 131, 2, 1))
    G = random.normal(size=(131, 2, 7))
    K, saved = dcls_kernel(W, P, 0.2, 7)
    d = dcls_kernel_backward(saved, G)
    for o in range(131):
        k1, s1 = dcls_kernel(W[o : o + 1], P[:, o : o + 1], 0.2, 7)
        assert np.array_equal(k1[0], K[o])
        assert np.array_equal(dcls_kernel_backward(s1, G[o : o + 1])["position"][0, 0], d["position"][0, o])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shape", [(), (1, 1, 1, 1), (1, 3, 1, 1), (4, 1), (1, 3, 4, 2)])
def test_finite_differences(version, shape):
    random = np.random.default_rng(1)
    p = {
        "weight": random.normal(size=(3, 4, 2)),
        "position": random.uniform(-3, 3, (1, 3, 4, 2)),
        "width": random.uniform(0.3, 2, shape) * random.choice([-1, 1], shape),
    }
    G = random.normal(size=(3, 4, 9))
    saved = dcls_kernel(*p.values(), 9, version)[1]
    d = dcls_kernel_backward(saved, G)
    for key, value in p.items():
        assert d[key].shape == value.shape
        for index in np.ndindex(value.shape):
            sides = []
            for step in (1e-6, -1e-6):
                moved = np.array(value)
                moved[index] += step
                sides.append((dcls_kernel(*{**p, key: moved}.values(), 9, version)[0] * G).sum())
            assert abs((sides[0] - sides[1]) / 2e-6 - d[key][index]) < 1e-7


def one(version, k, position, width=0.0, g=None):
    K, saved = dcls_kernel(np.ones((1, 1, 1)), np.full((1, 1, 1, 1), position), width, k, version)
    return K[0, 0], None if g is None else dcls_kernel_backward(saved, np.array(g, float)[None, None])


def test_values_by_hand():
    g = (1, 2, 4, 8, 16)
    K, d = one("v0", 5, 0.25, g=g)
    assert K.tolist() == [0, 0, 0.75, 0.25, 0] and d["position"].item() == 4
    K, _ = one("gauss", 5, 0.0, 0.23)
    half = [2.638650620e-4, 0.1064507636]
    np.testing.assert_allclose(K, [*half, 0.7865706640, *half[::-1]], atol=1e-10)
    assert abs(K.sum() - 0.9999999213) < 1e-10
    K, d = one("max", 5, 1.0, g=g)
    np.testing.assert_allclose(K, [0, 0, 0, 1 / (1 + 1e-7), 0], atol=1e-15)
    assert d["position"].item() == 0
    assert one("v1", 5, 0.0, g=g)[1]["position"].item() == 0 and one("v0", 5, 0.0, g=g)[1]["position"].item() == 4
    np.testing.assert_allclose(one("gauss", 5, 2.0, 0.23)[0][2:], [2.953872e-4, 0.1191676989, 0.8805368124], atol=1e-10)
    np.testing.assert_allclose(one("v0", 4, 1.6)[0], [0, 0, 0, 0.4], atol=1e-12)
    np.testing.assert_allclose(one("v1", 4, 1.6)[0], [0, 0, 0, 0.99999975], atol=1e-8)
    assert not one("v0", 4, 2.0)[0].any() and not one("v1", 4, 2.0)[0].any()
    assert one("v0", 5, 2.0, g=g)[1]["position"].item() == -16  # loss of mass at the upper border


def test_far_outside_nothing_is_left():
    for version in VERSIONS:
        K, d = one(version, 5, 1e6, 0.1, g=(1, 2, 4, 8, 16))
        assert not K.any() and all(np.isfinite(x).all() for x in d.values())


def test_other_names_are_the_same():
    W, P, S, _ = slow.recipe((7,))
    for a, b in (("max", "triangle"), ("v0", "bilinear")):
        assert np.array_equal(dcls_kernel(W, P, S, 7, a)[0], dcls_kernel(W, P, S, 7, b)[0])


def test_same_bits_on_two_threads():
    p = dcls.delay_params(3, "d", 70, 50, 9)
    run = lambda: (lambda K, s: (K, *dcls_kernel_backward(s, K).values()))(*dcls_kernel(*p.values(), 9))  # noqa: E731
    a = run()
    before = numba.get_num_threads()
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
    b = run()
    numba.set_num_threads(before)
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_start():
    p = dcls.delay_params(0, "l1", 30, 40, 25, count=2)
    q = dcls.delay_params(0, "l2", 30, 40, 25, count=2)
    assert p["weight"].shape == (40, 30, 2) and p["position"].shape == (1, 40, 30, 2) and p["width"] == 12
    bound = (6 / 60) ** 0.5
    assert 0.99 * bound < abs(p["weight"]).max() <= bound and abs(p["weight"].mean()) < 0.02
    assert p["position"].min() == -12 and 11.9 < p["position"].max() < 12  # -13..12, then clamped
    assert 0.02 < (p["position"] == -12).mean() < 0.06
    assert not np.array_equal(p["weight"], q["weight"])


def test_rounding_leaves_the_original():
    p = {"weight": np.ones((1, 5, 1)), "position": np.array([0.5, 1.5, -0.5, 2.6, -9.0]).reshape(1, 1, 5, 1)}
    p["width"] = np.asarray(0.23)
    before = {key: value.copy() for key, value in p.items()}
    r = dcls.rounded(p, 5)
    assert r["position"].ravel().tolist() == [0, 2, 0, 2, -2] and r["width"] == 0
    assert all(np.array_equal(p[key], before[key]) for key in p)
    K, _ = dcls_kernel(*r.values(), 5, "triangle")
    assert ((K > 0.9).sum(-1) == 1).all() and ((K == 0).sum(-1) == 4).all()


def test_schedule():
    widths = [dcls.sigma_schedule(e, 40, 25) for e in range(40)]
    assert widths[0] == 12 and abs(widths[9] / widths[8] - (0.23 / 12) ** 0.1) < 1e-12
    assert widths[10:] == [0.23] * 30
    assert dcls.sigma_schedule(0, 3, 25) == 0.23


@pytest.mark.parametrize(
    "change, message",
    [
        ({"weight": np.ones((2, 0, 1))}, "weight must be"),
        ({"weight": np.ones((2, 3))}, "weight must be"),
        ({"position": np.zeros((2, 3, 1))}, "position must be"),
        ({"position": np.full((1, 2, 3, 1), np.nan)}, "position must be finite"),
        ({"width": np.full((1, 2, 3, 1), np.inf)}, "width must be finite"),
        ({"width": np.zeros((1, 4, 1, 1))}, "width must go with"),
        ({"k": 0}, "length of the kernel must be >= 1, got 0"),
        ({"k": 2.5}, "length of the kernel"),
        ({"version": "sinc"}, "version must be one of gauss"),
        ({"sigma_min": 0}, "sigma_min must be > 0"),
    ],
)
def test_errors(change, message):
    good = {"weight": np.ones((2, 3, 1)), "position": np.zeros((1, 2, 3, 1)), "width": 0.2, "k": 5}
    with pytest.raises(ValueError, match=message):
        dcls_kernel(**{**good, **change})
