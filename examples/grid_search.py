"""Search parameters of every learner with scikit-learn: on this machine, or on a Dask cluster.

python grid_search.py                          # two processes here
python grid_search.py tcp://host:8786          # the workers of a Dask scheduler (they need firstspike, no common disk)

Each learner is a scikit-learn estimator, so GridSearchCV, RandomizedSearchCV, cross_val_score and pipelines take it as
it is. Sizes are tiny here; each search takes a second or two. A process computes on one thread.
"""

import sys

import joblib
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import firstspike as fs
from firstspike.datasets import relative_timing

SMALL = dict(maps=(4,), kernels=(3,), paddings=(1,), thetas=(4.0,), winners=(2,), radii=(1,), doubling=(0,))
SMALL |= dict(pool_sizes=(2,), pool_strides=(2,), pool_paddings=(0,), inhibit_inputs=(False,), stop_at=(0.0,))
SMALL |= dict(filter_sizes=(3,), filter_scales=(1.0,), filter_padding=1, filter_threshold=0.0, norm_radius=0)


def searches():
    """{name: (estimator, grid, X, y)}."""
    images, digits = load_digits(n_class=2, return_X_y=True)
    images, digits = (15 * images[:80]).reshape(-1, 8, 8).astype("uint8"), digits[:80]
    spikes, order = relative_timing(300, setting="b")
    features = make_pipeline(fs.SDNN(**SMALL, epochs=(1,), features="latency"), RidgeClassifier())  # it makes features
    decided = fs.RSTDP(**SMALL, feature_epochs=(1,), epochs=4, per_class=3, kernel=4, padding=0)
    decided.set_params(reward_after=-0.03, punish_before=-0.04, punish_after=0.005)
    binary = fs.BS4NN(hidden=(32,), n_steps=16, epochs=5, init_low=(-1.0, -1.0), init=(1.0, 1.0), gap=3)
    return {
        "SDNN": (features, {"sdnn__thetas": [(4.0,), (8.0,)]}, images, digits),
        "RSTDP": (decided, {"reward_before": [0.004, 0.04]}, images, digits),
        "DelaySNN": (
            fs.DelaySNN(hidden=(16,), max_delay=17, dropout=0, batch_size=32, epochs=4, refit_epochs=0),
            {"rate": [1e-4, 5e-3]}, spikes, order,
        ),
        "S4NN": (
            fs.S4NN(hidden=(16,), n_steps=16, gap=1, init=(10.0, 40.0), epochs=3),
            {"rates": [(0.0, 0.0), (0.6, 0.6)]}, images, digits,
        ),
        "BS4NN": (binary.set_params(scales=(25.0, 8.0)), {"rates": [(0.003, 0.003), (0.03, 0.03)]}, images, digits),
        "STiDi": (
            fs.STiDi(maps=(), kernels=(), pools=(), hidden=(16,), epochs=2),
            {"rate": [0.0, 1e-2]}, images, digits,
        ),
    }  # fmt: skip


def search(name, n_jobs=2):
    """The fitted search of one learner, by whichever joblib backend is set."""
    estimator, grid, X, y = searches()[name]
    return GridSearchCV(estimator, grid, cv=2, n_jobs=n_jobs).fit(X, y)


def main(address=None):
    """Search all learners, here or on the cluster at `address`."""
    if address:
        from distributed import Client

        with Client(address), joblib.parallel_config("dask"):
            found = {name: search(name, n_jobs=-1) for name in searches()}
    else:
        found = {name: search(name) for name in searches()}
    for name, one in found.items():
        print(f"{name:9} best {one.best_params_} with {one.best_score_:.3f} of {one.cv_results_['mean_test_score']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
