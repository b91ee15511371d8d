"""Every learner under scikit-learn's searches: here, in processes of loky, on a Dask cluster."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

import firstspike

_FILE = Path(firstspike.__file__).parent / "examples" / "grid_search.py"
LEARNERS = [n for n in firstspike._LAZY if isinstance(getattr(firstspike, n), type) and n != "Result"]


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("grid_search", _FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_is_an_estimator_that_can_be_searched(name, example):
    kind = getattr(firstspike, name)
    assert issubclass(kind, BaseEstimator)
    copy = clone(kind(random_state=7))
    assert copy.get_params() == kind(random_state=7).get_params() and copy.get_params() != kind().get_params()
    estimator, grid, X, y = example.searches()[name]  # the example leaves none out
    ((key, values),) = grid.items()
    one = clone(estimator).set_params(**{key: values[0]})
    assert one.get_params()[key] == values[0]
    found = example.search(name, n_jobs=1)
    assert 0 <= found.best_score_ <= 1 and found.best_params_[key] in values
    assert found.best_estimator_.score(X, y) == np.mean(found.predict(X) == y)
    assert clone(found.best_estimator_).get_params()[key] == found.best_params_[key]
    learner = found.best_estimator_[0] if isinstance(estimator, Pipeline) else found.best_estimator_
    assert isinstance(learner, kind)


@pytest.mark.slow
def test_processes_of_loky_and_a_dask_cluster_find_the_same(example):
    distributed = pytest.importorskip("distributed")
    import joblib

    here = example.search("S4NN", n_jobs=1)
    there = [example.search("S4NN", n_jobs=2)]
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        there.append(example.search("S4NN", n_jobs=-1))
    for found in there:
        np.testing.assert_array_equal(found.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"])
        np.testing.assert_array_equal(found.best_estimator_.weights_[0], here.best_estimator_.weights_[0])
