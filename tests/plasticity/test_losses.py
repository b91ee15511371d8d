"""Losses: known values, oracle, central differences, both precisions, threads, errors."""

import numpy as np
import pytest
from gradients import numerical
from naive import dense as naive

from firstspike.plasticity.layers import losses
from firstspike.runtime.threads import n_threads

S, dot = naive.series, naive.dot
LABELS = np.array([0, 3, 1, 4])
Z, X = S((4, 5), 0.9, 0.1, 2), S((3, 4, 5), 0.9, 0.1, 2)


@pytest.mark.parametrize(
    "smoothing, value, total, first",
    [
        (0.0, 2.35688955, -0.112919692, [-0.156934042, 0.114774195, 0.0337960117, 0.00599361188]),
        (0.1, 2.36334547, -0.105651338, [-0.136934042, 0.109774195, 0.0287960117, 0.000993611878]),
    ],
)
def test_cross_entropy_known_to_nine_digits(smoothing, value, total, first):
    found, gradient = losses.cross_entropy(Z, LABELS, smoothing=smoothing)
    np.testing.assert_allclose([found, dot(gradient)], [value, total], rtol=1e-8)
    np.testing.assert_allclose(gradient.ravel()[:4], first, rtol=1e-7)
    assert abs(gradient.sum()) < 1e-15


def test_values_over_time_known_to_nine_digits():
    value, gradient = losses.tet(X, LABELS)
    np.testing.assert_allclose([value, dot(gradient)], [2.61108528, -0.15999011], rtol=1e-8)
    np.testing.assert_allclose(gradient[0, 0, 0], -0.0523113474, rtol=1e-8)
    assert losses.cross_entropy(X, LABELS)[0] == pytest.approx(2.30988262, rel=1e-8)
    value, gradient = losses.cross_entropy(X, LABELS, over="max")
    np.testing.assert_allclose([value, dot(gradient)], [2.31039555, -0.0666838894], rtol=1e-8)
    np.testing.assert_allclose(gradient.ravel()[:4], [-0.198642765, 0.0633366424, 0, 0], rtol=1e-8)
    value, gradient = losses.rate_squared((X > 0).astype(float), LABELS)
    np.testing.assert_allclose([value, gradient[0].sum()], [0.461111111, 0.255555556], rtol=1e-8)
    np.testing.assert_allclose(dot(gradient[0]), -0.013293073, rtol=1e-7)
    np.testing.assert_allclose(gradient[2, 0, :4], [-1 / 90, 1 / 30, 1 / 30, 1 / 45], rtol=1e-8)


ALL = {
    "cross-entropy": (losses.cross_entropy, {"target": LABELS}),
    "smoothed": (losses.cross_entropy, {"target": LABELS, "smoothing": 0.2}),
    "shares": (losses.cross_entropy, {"target": naive.softmax(S((4, 5), 0.3))}),
    "shares that do not sum to 1": (losses.cross_entropy, {"target": 0.5 + np.arange(20.0).reshape(4, 5) / 20}),
    "max": (losses.cross_entropy, {"target": LABELS, "over": "max"}),
    "last": (losses.cross_entropy, {"target": LABELS, "over": "last"}),
    "sum": (losses.cross_entropy, {"target": LABELS, "over": "sum"}),
    "summed softmax": (losses.summed_softmax_cross_entropy, {"target": LABELS}),
    "summed softmax, shares": (losses.summed_softmax_cross_entropy, {"target": naive.softmax(S((4, 5), 0.3))}),
    "tet": (losses.tet, {"target": LABELS, "smoothing": 0.1, "share": 0.3, "level": 0.7}),
    "rate squared": (losses.rate_squared, {"target": LABELS}),
    "rate penalty": (losses.rate_penalty, {"rate": 0.2, "strength": 3.0}),
    "spike penalty": (losses.spike_penalty, {"strength": 3.0}),
}


@pytest.mark.parametrize("name", ALL)
def test_gradients(name):
    loss, settings = ALL[name]
    x = X.copy()
    gradient = loss(x, **settings)[1]
    np.testing.assert_allclose(gradient, numerical(lambda: loss(x, **settings)[0], x), atol=1e-8)
    single = loss(X.astype(np.float32), **settings)
    assert single[1].dtype == np.float32 and isinstance(single[0], float)
    np.testing.assert_allclose(single[1], gradient, atol=2e-6)
    assert single[0] == pytest.approx(loss(X, **settings)[0], rel=1e-5)


def test_oracle_of_two_softmaxes():
    m = naive.softmax(X).sum(axis=0)
    np.testing.assert_allclose(losses.summed_softmax(X), m, rtol=1e-13)
    assert losses.summed_softmax(X.astype(np.float32)).dtype == np.float32
    expected = naive.cross_entropy(m, LABELS, 0.1)
    assert losses.summed_softmax_cross_entropy(X, LABELS, 0.1)[0] == pytest.approx(expected, rel=1e-13)
    shares = naive.softmax(S((4, 5), 0.3))
    assert losses.cross_entropy(Z, shares)[0] == pytest.approx(naive.cross_entropy(Z, shares), rel=1e-13)


def test_large_numbers_neither_overflow_nor_vanish():
    x = np.array([[[1e4, -1e4, 0.0]]])
    value, gradient = losses.cross_entropy(x, np.array([1]))
    assert value == pytest.approx(2e4) and gradient.ravel().tolist() == [1, -1, 0]
    assert losses.summed_softmax(x).ravel().tolist() == [1, 0, 0]
    assert np.isnan(losses.cross_entropy(x * np.nan, np.array([1]))[0])
    assert np.isnan(losses.summed_softmax_cross_entropy(x * np.nan, np.array([1]))[0])


def test_the_first_of_equal_steps_gets_the_gradient():
    gradient = losses.cross_entropy(np.ones((3, 1, 2)), np.array([0]), over="max")[1]
    assert gradient[0].tolist() == [[-0.5, 0.5]] and (gradient[1:] == 0).all()


def test_spikes_are_read():
    s = (X > 0).astype(np.uint8)
    assert losses.rate_squared(s, LABELS)[1].dtype == np.float32
    assert losses.spike_penalty(s)[0] == pytest.approx(s.mean() / 2)
    assert (losses.spike_penalty(s)[1] == s * np.float32(1 / s.size)).all()
    assert losses.rate_penalty(s, 0.5)[1].dtype == np.float32
    assert losses.read_out(s, "sum")[0].tolist() == s.sum(axis=0).tolist()


def test_same_bits_for_any_number_of_threads():
    x, labels = S((200, 100, 6), 0.37, 0.1, 3).astype(np.float32), np.arange(100) % 6
    with n_threads(1):
        one = losses.summed_softmax_cross_entropy(x, labels)
    with n_threads(2):
        two = losses.summed_softmax_cross_entropy(x, labels)
    assert one[0] == two[0] and (one[1] == two[1]).all()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: losses.cross_entropy(Z, LABELS + 1), r"labels in 0..4, got 1..5"),
        (lambda: losses.cross_entropy(Z, LABELS[:3]), r"integer labels \(4,\) or shares \(4, 5\), got int64 \(3,\)"),
        (lambda: losses.cross_entropy(Z, LABELS.astype(float)), "got float64"),
        (lambda: losses.cross_entropy(Z, -np.ones((4, 5))), "shares >= 0, got -1.0"),
        (lambda: losses.cross_entropy(Z, LABELS, smoothing=1.0), r"smoothing must be in \[0, 1\), got 1.0"),
        (lambda: losses.cross_entropy(X, LABELS, over="median"), "mean, max, last, sum, got 'median'"),
        (lambda: losses.cross_entropy(Z[:0], LABELS[:0]), "not empty"),
        (lambda: losses.tet(Z, LABELS), r"float array \(T, N, K\)"),
        (lambda: losses.tet(X, LABELS, share=2), "share must be in"),
        (lambda: losses.summed_softmax(X[:0]), r"got float64 \(0, 4, 5\)"),
        (lambda: losses.rate_penalty(X[:0], 0.1), "s must not be empty"),
        (lambda: losses.spike_penalty(X[:0]), "s must not be empty"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
