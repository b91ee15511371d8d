"""Confusion and a linear support vector machine, the slow way."""

import numpy as np


def confusion(labels, predictions, n_classes):
    table = np.zeros((n_classes, n_classes + 1), int)
    for true, said in zip(labels, predictions, strict=True):
        table[true, n_classes if said == -1 else said] += 1
    return table


def squared_hinge(w, b, x, y, c):
    """Objective of one machine; y is +-1. The bias counts as one more weight, as in LIBLINEAR."""
    loss = np.maximum(0, 1 - y * (x @ w + b)) ** 2
    return 0.5 * (w @ w + b * b) + c * loss.sum()


def linear_machine(x, y, c, steps=20_000):
    """Minimum of :func:`squared_hinge` by plain gradient descent."""
    x = np.column_stack([np.asarray(x, float), np.ones(len(x))])
    w = np.zeros(x.shape[1])
    rate = 1 / (1 + 2 * c * np.linalg.norm(x, 2) ** 2)
    for _ in range(steps):
        gap = np.maximum(0, 1 - y * (x @ w))
        w = w - rate * (w - 2 * c * (gap * y) @ x)
    return w[:-1], w[-1]
