"""Linear readout of features: a support vector machine, its constant given or chosen on a validation part.

One-against-rest linear machines with squared hinge loss, minimising for each class

    (|w|^2 + b^2) / 2 + C sum_i max(0, 1 - y_i (w . x_i + b))^2 ,        y_i = +1 in the class, -1 outside

by dual coordinate descent (Hsieh et al. 2008, as in LIBLINEAR). The test part is never seen here. An input without any
feature (a silent image) has no answer: its prediction is -1, which is always an error.

Columns of sparse features that are mostly non-zero in the first rows of the training part are shifted by their median
there, so that most of their entries are zero: less memory, and five times faster where a layer fires everywhere
(untrained). These are the same machines but for the small weight on b^2.
"""

import warnings
from dataclasses import dataclass, field

import numpy as np

__all__ = ["GRID", "Readout", "Rows", "best_c", "fit_readout", "gather", "validate"]

GRID = (0.001, 0.005, 0.02, 0.1, 0.5)  # values of C that are tried
_TOLERANCE = 1e-2  # measured: the accuracy of 1e-4 in half the time (binary features of 10 000 digits)
_CHUNK = 500  # rows or columns made dense at a time
_MEDIAN_ROWS = 2000  # rows that the medians are taken of


@dataclass
class Readout:
    """A fitted readout: the machine, its C, and the validation accuracy of each C that was tried."""

    weight: np.ndarray  # (K, D) float64; K = 1 for two classes: the score of the second one
    bias: np.ndarray  # (K,)
    classes: np.ndarray  # labels of the scores' columns
    shift: np.ndarray | None  # (D,), subtracted from the features
    c: float
    tried: dict[float, float] = field(default_factory=dict)
    converged: bool = True

    def scores(self, features) -> np.ndarray:
        """Value of w . (x - shift) + b for each row, shape (N, K)."""
        return np.asarray(_shifted(features, self.shift) @ self.weight.T + self.bias)

    def predict(self, features) -> np.ndarray:
        """Class of each row (int64); -1 for rows without any non-zero feature.

        Raises ValueError for rows of another length than the machine was fitted to.
        """
        if features.shape[1] != self.weight.shape[1]:
            raise ValueError(f"features must have {self.weight.shape[1]} columns, got {features.shape[1]}")
        scores = self.scores(features)
        best = scores.argmax(axis=1) if scores.shape[1] > 1 else (scores[:, 0] > 0).astype(np.int64)
        classes = self.classes[best].astype(np.int64)
        classes[_silent(features)] = -1
        return classes


@dataclass
class Rows:
    """Training features in the form that the machine takes: shifted, with a note of rows that had no feature."""

    features: object  # array or sparse matrix (N, D)
    shift: np.ndarray | None
    silent: np.ndarray  # (N,) bool


def gather(blocks) -> Rows:
    """One `Rows` from blocks of rows (arrays or sparse matrices), each shifted as it comes: the whole is never held
    twice.
    """
    from scipy import sparse

    waiting, done, silent, shift, started = [], [], [], None, False
    for block in blocks:
        silent.append(_silent(block))
        waiting.append(block)
        if not started and sum(len(s) for s in silent) >= _MEDIAN_ROWS:
            shift, started = _medians(_stacked(waiting, sparse)), True
        if started:
            done += [_shifted(b, shift) for b in waiting]
            waiting = []
    if not started:
        shift = _medians(_stacked(waiting, sparse))
        done = [_shifted(b, shift) for b in waiting]
    return Rows(_stacked(done, sparse), shift, np.concatenate(silent))


def _stacked(blocks, sparse):
    if len(blocks) == 1:
        return blocks[0]
    return sparse.vstack(blocks, format="csr") if hasattr(blocks[0], "getnnz") else np.concatenate(blocks)


def _silent(features):
    total = features.getnnz(axis=1) if hasattr(features, "getnnz") else np.count_nonzero(features, axis=1)
    return np.asarray(total).reshape(-1) == 0


def _medians(features):
    """Median of each column that is mostly non-zero in the first rows, 0 for the others; None if there are none, or
    if the features are not sparse.
    """
    if not hasattr(features, "getnnz"):
        return None
    features = features[:_MEDIAN_ROWS]
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


def _machine(rows, labels, c, seed, max_iter, n=None):
    """Readout fitted to the first `n` rows."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    machine = LinearSVC(C=c, dual=True, tol=_TOLERANCE, max_iter=max_iter, random_state=seed % 2**32)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        machine.fit(rows.features if n is None else rows.features[:n], labels[:n])
    for warning in caught:
        if not issubclass(warning.category, ConvergenceWarning):
            warnings.warn(warning.message, stacklevel=3)
    converged = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
    bias = np.atleast_1d(machine.intercept_)
    return Readout(machine.coef_, bias, machine.classes_, rows.shift, float(c), converged=converged)


def validate(rows: Rows, labels, c: float, n_validation: int, seed: int = 0, max_iter: int = 300) -> float:
    """Accuracy on the last `n_validation` rows of a machine with constant `c` fitted to the others."""
    n = len(labels) - n_validation
    machine = _machine(rows, labels, c, seed, max_iter, n)
    machine.shift = None  # the rows are shifted already
    scores = machine.scores(rows.features[n:])
    best = scores.argmax(axis=1) if scores.shape[1] > 1 else (scores[:, 0] > 0).astype(np.int64)
    return float(np.mean((machine.classes[best] == labels[n:]) & ~rows.silent[n:]))


def best_c(tried: dict[float, float]) -> float:
    """The C with the best validation accuracy; of equal ones the smallest."""
    return max(sorted(tried), key=lambda c: (tried[c], -c))


def fit_readout(features, labels, c=None, n_validation: int = 0, seed: int = 0, max_iter: int = 300) -> Readout:
    """Fit a linear support vector machine.

    Parameters
    ----------
    features : Rows, array or sparse matrix, shape (N, D)
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
    if c is not None and not c > 0:
        raise ValueError(f"c must be > 0, got {c}")
    if c is None and not 0 < n_validation < len(labels):
        raise ValueError(f"n_validation must be between 1 and {len(labels) - 1} to choose c, got {n_validation}")
    rows = features if isinstance(features, Rows) else gather([features])
    tried = {}
    for candidate in GRID if c is None else ():
        tried[candidate] = validate(rows, labels, candidate, n_validation, seed, max_iter)
    machine = _machine(rows, labels, best_c(tried) if c is None else c, seed, max_iter)
    machine.tried = tried
    return machine
