"""Accuracy, its standard error, and which class is taken for which.

With n test samples and k right answers: accuracy p = k / n, standard error sqrt(p (1 - p) / n) (binomial: it says how
much another test set of this size would differ, not how much another seed would).
"""

import numpy as np

__all__ = ["accuracy", "confusion", "scores", "standard_error"]


def confusion(labels, predictions, n_classes: int) -> np.ndarray:
    """Counts, shape (n_classes, n_classes + 1): row true class, column predicted class, last column no answer (-1).

    Raises
    ------
    ValueError
        A label outside 0..n_classes-1, a prediction outside -1..n_classes-1, or lengths that differ.
    """
    labels, predictions = np.asarray(labels, np.int64), np.asarray(predictions, np.int64)
    if labels.shape != predictions.shape or labels.ndim != 1:
        raise ValueError(f"labels and predictions must have one length, got {labels.shape} and {predictions.shape}")
    if labels.size and (labels.min() < 0 or labels.max() >= n_classes):
        raise ValueError(f"labels must be 0 to {n_classes - 1}, got {labels.min()} to {labels.max()}")
    if labels.size and (predictions.min() < -1 or predictions.max() >= n_classes):
        raise ValueError(f"predictions must be -1 to {n_classes - 1}, got {predictions.min()} to {predictions.max()}")
    column = np.where(predictions < 0, n_classes, predictions)
    flat = np.bincount(labels * (n_classes + 1) + column, minlength=n_classes * (n_classes + 1))
    return flat.reshape(n_classes, n_classes + 1)


def accuracy(table) -> float:
    """Fraction of right answers in a :func:`confusion` table."""
    table = np.asarray(table)
    return float(np.trace(table) / table.sum())


def standard_error(p, n):
    """Binomial standard error of a fraction `p` measured on `n` samples."""
    p = np.asarray(p, float)
    return np.sqrt(p * (1 - p) / n)


def scores(result, n_train: int) -> dict:
    """What every summary of a training says of its answers: accuracies, their spread, controls, sizes, speed.

    `result` holds what :func:`~firstspike.sims.training.add_scores` put in.
    """
    values, n_test = result["accuracy"], len(result["labels"])
    out = {
        "accuracy": float(values.mean()),
        "accuracy_per_seed": values.tolist(),
        "standard_error": float(standard_error(values.mean(), n_test)),
    }
    if values.size > 1:
        out |= {"n_seeds": values.size, "std_over_seeds": float(values.std(ddof=1))}
    out |= {"n_train": int(n_train), "n_test": n_test}
    if "control" in result:
        means = result["control_accuracy"].mean(axis=1).tolist()
        out["controls"] = dict(zip(map(str, result["control"]), means, strict=True))
    keys = ("train_seconds", "images_per_second")
    return out | {key: float(result.provenance[key]) for key in keys if key in result.provenance}
