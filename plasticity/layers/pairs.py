"""Pairs: a function of arrays and the one that carries its gradient back, and how pairs make up a network.

    y, saved = forward(p, x, mode)         p: dict of arrays, x: (T, N, ...), mode: Mode
    dx, dp   = backward(p, saved, dy)      dp has the keys of p that are trained; gradients of a loss L, dL/dy -> dL/dx

There is no tape and no hidden state: `saved` is what the backward function needs, nothing else remembers. The
parameters of a network are one flat dict; :func:`named` gives a primitive the entries ``name.*`` of it, and
:func:`chain`, :func:`add` and :func:`concat` make pairs of pairs. Two places that use one name share its arrays: their
gradients add.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["EVAL", "Mode", "Pair", "add", "chain", "concat", "merge", "named", "statistics"]


class Mode(NamedTuple):
    """How a network is run: training or not, and the key of its random masks (a seed and the number of the step)."""

    train: bool = False
    seed: int = 0
    step: int = 0


EVAL = Mode()


class Pair(NamedTuple):
    """A forward function and its backward function (see the head of this file)."""

    forward: object
    backward: object


class _Named(NamedTuple):
    name: str
    saved: object


def named(name, forward, backward, **settings):
    """A primitive as a part of a network: it reads ``name.*`` of the parameters; `settings` go to its forward function.

    Examples
    --------
    >>> def scale(p, x, mode, by=1.0):
    ...     return by * p["a"] * x, (x, by)
    >>> def scale_backward(p, saved, dy):
    ...     x, by = saved
    ...     return by * p["a"] * dy, {"a": (by * x * dy).sum()}
    >>> net = chain(named("one", scale, scale_backward, by=2.0), named("one", scale, scale_backward))
    >>> y, saved = net.forward({"one.a": np.float64(3.0)}, np.ones(2), EVAL)
    >>> y.tolist(), net.backward({"one.a": np.float64(3.0)}, saved, np.ones(2))[1]["one.a"].item()
    ([18.0, 18.0], 24.0)
    """
    head = f"{name}."

    def mine(p):
        return {key[len(head) :]: value for key, value in p.items() if key.startswith(head)}

    def run(p, x, mode=EVAL):
        y, saved = forward(mine(p), x, mode, **settings)
        return y, _Named(name, saved)

    def back(p, saved, dy):
        dx, dp = backward(mine(p), saved.saved, dy)
        return dx, {head + key: value for key, value in dp.items()}

    return Pair(run, back)


def merge(*gradients):
    """One dict of gradients of several; what stands in more than one is added."""
    out = {}
    for dp in gradients:
        for key, value in dp.items():
            out[key] = out[key] + value if key in out else value
    return out


def chain(*pairs):
    """The pair that runs `pairs` one after the other. A pair whose dx is None ends the way back."""

    def run(p, x, mode=EVAL):
        kept = []
        for pair in pairs:
            x, saved = pair.forward(p, x, mode)
            kept.append(saved)
        return x, tuple(kept)

    def back(p, saved, dy):
        gradients = []
        for pair, kept in zip(reversed(pairs), reversed(saved), strict=True):
            dy, dp = pair.backward(p, kept, dy)
            gradients.append(dp)
            if dy is None:
                break
        return dy, merge(*gradients)

    return Pair(run, back)


def add(branch, shortcut=None):
    """Y = branch(x) + shortcut(x); without a shortcut, + x."""

    def run(p, x, mode=EVAL):
        y, a = branch.forward(p, x, mode)
        z, b = shortcut.forward(p, x, mode) if shortcut else (x, None)
        return y + z, (a, b)

    def back(p, saved, dy):
        dx, dp = branch.backward(p, saved[0], dy)
        dz, dq = shortcut.backward(p, saved[1], dy) if shortcut else (dy, {})
        return dx + dz, merge(dp, dq)

    return Pair(run, back)


def concat(a, b, axis=2):
    """Y = (a(x), b(x)) side by side along `axis` (2: features or channels)."""

    def run(p, x, mode=EVAL):
        y, s = a.forward(p, x, mode)
        z, t = b.forward(p, x, mode)
        return np.concatenate([y, z], axis=axis), (s, t, y.shape[axis])

    def back(p, saved, dy):
        s, t, n = saved
        left, right = np.split(dy, [n], axis=axis)
        dx, dp = a.backward(p, s, np.ascontiguousarray(left))
        dz, dq = b.backward(p, t, np.ascontiguousarray(right))
        return dx + dz, merge(dp, dq)

    return Pair(run, back)


def statistics(saved):
    """What primitives want to have folded into running averages: ``{name.key: array}`` of everything in `saved`.

    A primitive whose `saved` has a field ``statistics`` (a dict) asks for it; batch normalisation does.
    """
    if isinstance(saved, _Named):
        found = getattr(saved.saved, "statistics", None) or {}
        return {f"{saved.name}.{key}": value for key, value in found.items()}
    out = {}
    for part in saved if isinstance(saved, tuple) else ():
        out |= statistics(part)
    return out
