"""Readout against gradient descent, confusion against counting, and the advice of the health report."""

import numpy as np
import pytest
from naive import measures as naive
from scipy import sparse

from firstspike.sims.measures import health
from firstspike.sims.measures.confusion import accuracy, confusion, standard_error
from firstspike.sims.measures.readout import GRID, fit_readout


def blobs(n, n_classes=3, n_features=5, seed=0, noise=0.6):
    r = np.random.default_rng(seed)
    labels = r.integers(n_classes, size=n)
    return np.eye(n_classes, n_features)[labels] + noise * r.normal(size=(n, n_features)), labels


def test_readout_minimises_the_squared_hinge():
    x, labels = blobs(60)
    fitted = fit_readout(x, labels, c=0.3, max_iter=100_000)
    assert fitted.converged and fitted.c == 0.3
    for k in range(3):
        y = np.where(labels == k, 1.0, -1.0)
        w, b = naive.linear_machine(x, y, 0.3)
        ours = naive.squared_hinge(fitted.machine.coef_[k], fitted.machine.intercept_[k], x, y, 0.3)
        assert ours <= 1.001 * naive.squared_hinge(w, b, x, y, 0.3)


def test_dense_and_sparse_features_give_the_same_answers():
    x, labels = blobs(200)
    x[np.abs(x) < 0.4] = 0
    dense, thin = fit_readout(x, labels, c=0.1), fit_readout(sparse.csr_matrix(x), labels, c=0.1)
    np.testing.assert_array_equal(dense.predict(x), thin.predict(sparse.csr_matrix(x)))
    assert np.mean(dense.predict(x) == labels) > 0.7


@pytest.mark.parametrize("levels", [1, 5])
def test_columns_that_are_mostly_on_are_shifted(levels):
    r = np.random.default_rng(3)
    labels = r.integers(3, size=120)
    on = r.random((120, 8)) < np.where(np.eye(3, 8)[labels] > 0, 0.95, 0.6)
    x = (on * r.integers(1, levels + 1, size=on.shape) / levels).astype(np.float32)
    x[:, 5] = 1  # always the same
    x[:, 6] = r.random(120) < 0.2
    plain = fit_readout(x, labels, c=10.0, max_iter=100_000)
    thin = fit_readout(sparse.csr_matrix(x), labels, c=10.0, max_iter=100_000)
    wanted = np.where((x != 0).mean(0) > 0.5, np.sort(x, axis=0)[60], 0)
    assert plain.shift is None and wanted[5] == 1 and wanted[6] == 0
    np.testing.assert_array_equal(thin.shift, wanted)
    score = (x - wanted) @ thin.machine.coef_.T + thin.machine.intercept_
    np.testing.assert_array_equal(thin.predict(sparse.csr_matrix(x)), score.argmax(1))
    assert np.mean(thin.predict(sparse.csr_matrix(x)) == plain.predict(x)) > 0.95


def test_no_feature_no_answer():
    x, labels = blobs(50)
    fitted = fit_readout(x, labels, c=1.0)
    x[3] = 0
    for features in (x, sparse.csr_matrix(x)):
        predicted = fitted.predict(features)
        assert predicted[3] == -1 and (np.delete(predicted, 3) >= 0).all()


def test_c_is_chosen_on_the_end_of_the_training_part_and_the_rest_refitted():
    x, labels = blobs(300, noise=1.5, seed=2)
    fitted = fit_readout(x, labels, None, n_validation=100, max_iter=2000)
    assert set(fitted.tried) == set(GRID)
    for c, score in fitted.tried.items():
        part = fit_readout(x[:200], labels[:200], c, max_iter=2000)
        assert score == np.mean(part.predict(x[200:]) == labels[200:])
    best = max(fitted.tried.values())
    assert fitted.c == min(c for c, score in fitted.tried.items() if score == best)
    again = fit_readout(x, labels, fitted.c, max_iter=2000)
    np.testing.assert_array_equal(again.machine.coef_, fitted.machine.coef_)


@pytest.mark.parametrize(("c", "n_validation"), [(0.0, 0), (-1.0, 0), (None, 0), (None, 50)])
def test_wrong_arguments(c, n_validation):
    x, labels = blobs(50)
    with pytest.raises(ValueError, match="must be"):
        fit_readout(x, labels, c, n_validation)


def test_confusion_is_counting():
    r = np.random.default_rng(1)
    labels, predictions = r.integers(4, size=200), r.integers(-1, 4, size=200)
    table = confusion(labels, predictions, 4)
    np.testing.assert_array_equal(table, naive.confusion(labels, predictions, 4))
    assert table.sum() == 200 and table[:, -1].sum() == (predictions == -1).sum() > 0
    assert accuracy(table) == np.mean(labels == predictions)
    assert standard_error(0.9, 100) == pytest.approx(0.03)


@pytest.mark.parametrize(("labels", "said"), [([0, 4], [0, 0]), ([0, -1], [0, 0]), ([0, 1], [0, 4]), ([0, 1], [0])])
def test_confusion_refuses(labels, said):
    with pytest.raises(ValueError, match="must"):
        confusion(labels, said, 4)


GOOD = dict(dead_maps=0, win_share=0.05, saturation=1.0, without_winner=0.0, mean_step=2.0, convergence=1e-3)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, "healthy"),
        ({"convergence": 0.02}, "w(1-w) still 0.02: more passes"),
        ({"dead_maps": 10}, "10 of 32 maps dead"),
        ({"dead_maps": 3}, "healthy"),
        ({"win_share": 0.5}, "one map wins 50%"),
        ({"without_winner": 0.2}, "20% without winner: lower the threshold"),
        ({"mean_step": 0.1}, "raise the threshold"),
        ({"mean_step": float("nan")}, "healthy"),
    ],
)
def test_health_names_the_trouble(change, word):
    assert word in health.advice(GOOD | change, 32)


def test_health_of_an_untrained_layer():
    assert health.advice(GOOD | {"dead_maps": 32}, 32, 0) == "not trained"
