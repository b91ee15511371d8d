"""Schedules of the step size: numbers as functions of the epoch or step, without memory (`plateau` has a small one).

    cosine        low + (rate - low) (1 + cos(pi e / E)) / 2
    one-cycle     from top/25 up to top, then down to top/(25 10^4), both halves of a cosine; beta1 the other way round
    step          rate f^floor(e / n)          multistep   rate f^(number of milestones <= e)
    exponential   rate f^e                     warm-up     rate min(1, (s + 1) / S)
    plateau       rate f each time that the loss has not improved for more than `patience` epochs

e = 0, 1, ... is the epoch out of E, s = 0, 1, ... the step out of S of the warm-up.

Smith & Topin 2018 (one-cycle); Loshchilov & Hutter 2017 (cosine).
"""

import math
from typing import NamedTuple

__all__ = ["Plateau", "cosine", "exponential", "multistep", "one_cycle", "plateau", "step", "warm_up"]


def _epoch(e, total=None):
    if e < 0 or (total is not None and (total < 1 or e > total)):
        raise ValueError(f"epoch must be >= 0{f' and <= {total}' if total is not None else ''}, got {e}")
    return e


def _wave(a, b, x):
    """Half a cosine from a (x = 0) to b (x = 1)."""
    return b + (a - b) * (1 + math.cos(math.pi * x)) / 2


def cosine(e, total, rate, low=0.0):
    """Half a cosine from `rate` at epoch 0 to `low` at epoch `total`.

    Examples
    --------
    >>> cosine(0, 10, 0.1), round(cosine(5, 10, 0.1), 12), cosine(10, 10, 0.1)
    (0.1, 0.05, 0.0)
    """
    return _wave(rate, low, _epoch(e, total) / total)


def one_cycle(e, total, top, betas=(0.95, 0.85), constant_beta=0.9):
    """Step size and beta1 of epoch `e` out of `total`.

    The rise ends at e = 0.3 total - 1, the fall at e = total - 1. Runs of fewer than 4 epochs, too short for that,
    get `top` and `constant_beta` all along.

    Examples
    --------
    >>> [round(one_cycle(e, 10, 1.0)[0], 12) for e in (0, 2)], one_cycle(1, 3, 1.0)
    ([0.04, 1.0], (1.0, 0.9))
    """
    if not 0 <= e < total:
        raise ValueError(f"epoch must be >= 0 and < {total}, got {e}")
    if total < 4:
        return top, constant_beta
    turn = 0.3 * total - 1
    if e <= turn:
        x = e / turn
        return _wave(top / 25, top, x), _wave(betas[0], betas[1], x)
    x = (e - turn) / (0.7 * total)
    return _wave(top, top / 25e4, x), _wave(betas[1], betas[0], x)


def step(e, rate, every, factor=0.1):
    """`rate` times `factor` for each `every` epochs that are over."""
    if every < 1:
        raise ValueError(f"every must be >= 1 epoch, got {every}")
    return rate * factor ** (_epoch(e) // every)


def multistep(e, rate, milestones, factor=0.1):
    """`rate` times `factor` for each milestone <= e."""
    return rate * factor ** sum(m <= _epoch(e) for m in milestones)


def exponential(e, rate, factor):
    """`rate` times `factor` to the power of e."""
    return rate * factor ** _epoch(e)


def warm_up(s, steps, rate):
    """Linear rise of the step size over the first `steps` steps, `rate` from the last of them on.

    Examples
    --------
    >>> [warm_up(s, 4, 1.0) for s in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    if s < 0:
        raise ValueError(f"step must be >= 0, got {s}")
    return rate * min(1.0, (s + 1) / steps) if steps > 0 else rate


class Plateau(NamedTuple):
    """Where :func:`plateau` stands: step size, lowest loss so far, epochs since then."""

    rate: float
    best: float = math.inf
    waited: int = 0


def plateau(state, loss, factor=0.1, patience=3, threshold=1e-4):
    """The :class:`Plateau` after an epoch of the given loss.

    A loss is an improvement if it is below ``best (1 - threshold)``. After more than `patience` epochs without one the
    step size is multiplied by `factor` and the count begins anew.

    Examples
    --------
    >>> state = Plateau(1.0)
    >>> for loss in (5, 4, 4, 4, 4, 4):
    ...     state = plateau(state, loss)
    >>> state
    Plateau(rate=0.1, best=4, waited=0)
    """
    if loss < state.best * (1 - threshold):
        return state._replace(best=loss, waited=0)
    if state.waited + 1 > patience:
        return state._replace(rate=state.rate * factor, waited=0)
    return state._replace(waited=state.waited + 1)
