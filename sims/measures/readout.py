"""Linear readout of features: a support vector machine, its constant given or chosen on a validation part.

One-against-rest linear machines with squared hinge loss, minimising for each class

    (|w|^2 + b^2) / 2 + C sum_i max(0, 1 - y_i (w . x_i + b))^2 ,        y_i = +1 in the class, -1 outside

by dual coordinate descent (Hsieh et al. 2008, as in LIBLINEAR). The test part is never seen here. An input without any
feature (a silent image) has no answer: its prediction is -1, which is always an error.

Columns of sparse features that are mostly non-zero in the training part are shifted by their median there, so that most
of their entries are zero: less memory, and five times faster where a layer fires everywhere (untrained). These are the
same machines but for the small weight on b^2.
"""

import warnings
from dataclasses import dataclass, field

import numpy as np

__all__ = ["GRID", "Readout", "fit_readout"]

GRID = (0.001, 0.005, 0.02, 0.1, 0.5)  # values of C that are tried
_TOLERANCE = 1e-2  # measured: the accuracy of 1e-4 in half the time (binary features of 10 000 digits)
_CHUNK = 500  # rows or columns made dense at a time


@dataclass
class Readout:
    """A fitted readout: the machine, its C, and the validation accuracy of each C that was tried."""

    machine: object
    shift: np.ndarray | None  # subtracted from the features
    c: float
    tried: dict[float, float] = field(default_factory=dict)
    converged: bool = True

    def predict(self, features) -> np.ndarray:
        """Class of each row (int64); -1 for rows without any non-zero feature."""
        classes = self.machine.predict(_shifted(features, self.shift)).astype(np.int64)
        classes[_silent(features)] = -1
        return classes


def _silent(features):
    total = features.getnnz(axis=1) if hasattr(features, "getnnz") else np.count_nonzero(features, axis=1)
    return np.asarray(total).reshape(-1) == 0


def _medians(features):
    """Median of each column that is mostly non-zero, 0 for the others; None if there are none, or not sparse."""
    if not hasattr(features, "getnnz"):
        return None
    full = np.flatnonzero(features.getnnz(axis=0) > 0.5 * features.shape[0])
    shift = np.zeros(features.shape[1], features.dtype)
    columns = features.tocsc()
    for start in range(0, len(full), _CHUNK):
        some = full[start : start + _CHUNK]
        middle = features.shape[0] // 2  # an element, not the mean of two: entries must become exactly zero
        shift[some] = np.partition(columns[:, some].toarray(), middle, axis=0)[middle]
    return shift if len(full) else None


def _shifted(features, shift):
    if shift is None:
        return features
    from scipy import sparse

    rows = range(0, features.shape[0], _CHUNK)
    return sparse.vstack([sparse.csr_matrix(features[i : i + _CHUNK].toarray() - shift) for i in rows], format="csr")


def _machine(features, labels, c, seed, max_iter):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    machine = LinearSVC(C=c, dual=True, tol=_TOLERANCE, max_iter=max_iter, random_state=seed % 2**32)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        machine.fit(features, labels)
    for warning in caught:
        if not issubclass(warning.category, ConvergenceWarning):
            warnings.warn(warning.message, stacklevel=3)
    return machine, not any(issubclass(w.category, ConvergenceWarning) for w in caught)


def fit_readout(features, labels, c=None, n_validation: int = 0, seed: int = 0, max_iter: int = 300) -> Readout:
    """Fit a linear support vector machine.

    Parameters
    ----------
    features : array or sparse matrix, shape (N, D)
        One row a sample.
    labels : array of int, shape (N,)
        Classes.
    c : float or None
        The constant C > 0; None = the best of `GRID` on the last `n_validation` rows, after which the machine is
        fitted anew to all rows. Of equal ones the smallest is taken.
    n_validation : int
        Size of the validation part, cut off the end; needed where `c` is None.
    seed : int
        Order of the coordinate descent.
    max_iter : int
        Passes over the data; `converged` tells whether they sufficed (accuracies settle long before).

    Raises
    ------
    ValueError
        One class only, a `c` that is not positive, or no validation part where one is needed.
    """
    labels = np.asarray(labels)
    n = len(labels) - n_validation
    if c is not None and not c > 0:
        raise ValueError(f"c must be > 0, got {c}")
    if c is None and not 0 < n_validation < len(labels):
        raise ValueError(f"n_validation must be between 1 and {len(labels) - 1} to choose c, got {n_validation}")
    shift = _medians(features)
    rare, tried = _shifted(features, shift), {}
    for candidate in GRID if c is None else ():
        machine, _ = _machine(rare[:n], labels[:n], candidate, seed, max_iter)
        said = Readout(machine, shift, candidate).predict(features[n:])
        tried[candidate] = float(np.mean(said == labels[n:]))
    best = float(c) if c is not None else max(GRID, key=lambda g: (tried[g], -g))
    machine, converged = _machine(rare, labels, best, seed, max_iter)
    return Readout(machine, shift, best, tried, converged)
