"""Readout against gradient descent, confusion against counting, and the advice of the health report."""

import numpy as np
import pytest
from naive import measures as naive
from scipy import sparse

from firstspike.sims.measures import health
from firstspike.sims.measures.confusion import accuracy, confusion, standard_error
from firstspike.sims.measures.readout import GRID, fit_readout, gather, validate


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
        ours = naive.squared_hinge(fitted.weight[k], fitted.bias[k], x, y, 0.3)
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
    score = (x - wanted) @ thin.weight.T + thin.bias
    np.testing.assert_array_equal(thin.predict(sparse.csr_matrix(x)), score.argmax(1))
    assert np.mean(thin.predict(sparse.csr_matrix(x)) == plain.predict(x)) > 0.95


@pytest.mark.parametrize("size", [7, 1000, 3000])
def test_rows_gathered_in_blocks_are_those_of_the_whole(size):
    r = np.random.default_rng(4)
    x = sparse.csr_matrix((r.random((4500, 6)) < [0.9, 0.1, 0.6, 0.3, 1.0, 0.02]).astype(np.float32))
    x = sparse.vstack([x, sparse.csr_matrix((3, 6), dtype=np.float32)], format="csr")
    whole = gather([x])
    parts = gather(x[i : i + size] for i in range(0, x.shape[0], size))
    np.testing.assert_array_equal(whole.shift, [1, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(parts.features.toarray(), x.toarray() - whole.shift)
    assert (whole.features != parts.features).nnz == 0 and parts.silent.sum() == whole.silent.sum() >= 3
    dense = gather([x[:100].toarray(), x[100:].toarray()])
    assert dense.shift is None
    np.testing.assert_array_equal(dense.features, x.toarray())


def test_silent_rows_are_errors_of_the_validation_too():
    x, labels = blobs(120, noise=0.1)
    assert validate(gather([x]), labels, 0.1, 40) == 1.0
    x[-10:] = 0
    assert validate(gather([sparse.csr_matrix(x)]), labels, 0.1, 40) == 0.75


def test_two_classes_and_rows_of_another_length():
    x, labels = blobs(200, n_classes=2, noise=0.2)
    fitted = fit_readout(x, labels + 3, c=1.0)
    assert fitted.weight.shape == (1, 5) and np.mean(fitted.predict(x) == labels + 3) > 0.98
    with pytest.raises(ValueError, match="features must have 5 columns, got 4"):
        fitted.predict(x[:, :4])


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
    np.testing.assert_array_equal(again.weight, fitted.weight)


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


def test_health_of_a_layer_that_decides():
    numbers = {"hits": 0.6, "misses": 0.2, "silence": 0.2}
    weights = np.array([0.2, 0.21, 0.5, 0.8])
    numbers |= health.of_wins([3, 1, 0], 5, weights, 0.2, 0.8)
    assert numbers["dead_maps"] == 1 and numbers["win_share"] == 0.75 and numbers["saturation"] == 0.75
    assert numbers["without_winner"] == pytest.approx(0.2)
    assert "without answer" in health.advice(numbers, 3) and "maps dead" in health.advice(numbers | GOOD_ANSWERS, 3)
    numbers |= GOOD_ANSWERS | {"dead_maps": 0}
    assert "60% right while learning" in health.advice(numbers, 3)
    assert health.advice(numbers | {"hits": 0.95}, 3) == "healthy"
    assert health.advice(numbers | {"hits": 0.95, "win_share": 0.2}, 20) == "healthy"
    assert "one map wins" in health.advice(GOOD | {"win_share": 0.3}, 20)


GOOD_ANSWERS = {"silence": 0.0, "without_winner": 0.0}


def test_health_as_a_table():
    found = health.lines({"layer1": GOOD, "layer3": {"hits": 0.5}}, {"layer1": "healthy", "layer3": "misses"})
    assert len(found) == 3 and found[0].endswith("advice") and "win share" in found[0] and "hits" in found[0]
    assert found[1].startswith("layer1") and found[1].endswith("healthy") and "0.05" in found[1]
    assert found[2].startswith("layer3") and "0.5" in found[2] and "0.05" not in found[2]
