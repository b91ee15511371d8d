"""Loops over steps and neurons on the CPU: plain functions, compiled for the scalars of a neuron.

Arrays are (T, N), N contiguous. A call does a block of neurons, all steps: the potential of the block stays in cache,
each step's rows are read and written once, and the loop over a row is the innermost one, on slices, so that it is
vectorised. ``source`` and ``target`` say which of two rows is meant where they may be the same one: were they two
arguments, a test at run time would find that they overlap and take the scalar path.
"""

from functools import cache

import numpy as np

from ...runtime.jit import specialise
from ...runtime.vmath import exp
from .exp32 import exp32
from .neurons_scalars import charge, derivative, reset, scalars, spike, through, toward

__all__ = ["BLOCK", "loops"]

BLOCK = 32768  # neurons: 128 KiB of potentials, second-level cache; smaller ones were slower (rows get too short)


# Functions that loops call: :func:`loops` binds those of a neuron to these names.


def source(row, h_row):
    """Row that is read: x and h are two arrays."""
    return row


def target(row, h_row):
    """Row that is written: dx and h are two arrays."""
    return row


def _same(row, h_row):
    return h_row


def keep(row, i, value):
    """Store h."""
    row[i] = value


def _drop(row, i, value):
    pass


def _fire(x, h, s, v, lo, at, c, slopes):
    """Potentials h and spikes s of neurons lo, lo + 1, ... (columns at, ... of h); v is carried from step to step."""
    for t in range(x.shape[0]):
        ht = h[t, at : at + v.size]
        xt = source(x[t, lo : lo + v.size], ht)
        st = s[t, lo : lo + v.size]
        for i in range(v.size):
            y = charge(v[i], xt[i], c.k, c.v_r)
            z = spike(y - c.theta, *slopes)
            keep(ht, i, y)
            st[i] = z
            v[i] = reset(y, z, c.theta, c.v_r)


def _charge_only(x, h, v, lo, c, slopes):
    """As :func:`_fire` without the spikes; h has the columns of v."""
    for t in range(x.shape[0]):
        xt = x[t, lo : lo + v.size]
        ht = h[t]
        for i in range(v.size):
            y = charge(v[i], xt[i], c.k, c.v_r)
            ht[i] = y
            v[i] = reset(y, spike(y - c.theta, *slopes), c.theta, c.v_r)


def _back(h, ds, dx, g, lo, at, c, slopes):
    """Gradient of the inputs, dx, from that of the spikes, ds; g is dL/dv, carried from the last step to the first."""
    for t in range(h.shape[0] - 1, -1, -1):
        ht = h[t, at : at + g.size]
        dt = ds[t, lo : lo + g.size]
        xt = target(dx[t, lo : lo + g.size], ht)
        for i in range(g.size):
            u = ht[i] - c.theta
            d = derivative(u, *slopes)
            a = dt[i] * d + g[i] * through(ht[i], spike(u, *slopes), d, c.theta, c.v_r)
            xt[i] = c.gain * a
            g[i] = c.keep * a


def _back_learnt(h, ds, dx, g, lo, at, c, slopes, first, dk):
    """As :func:`_back`, and dk, the gradient of k for each neuron; `first` is v before the first step."""
    before = np.empty_like(g)
    for t in range(h.shape[0] - 1, -1, -1):
        ht = h[t, at : at + g.size]
        dt = ds[t, lo : lo + g.size]
        xt = target(dx[t, lo : lo + g.size], ht)
        if t == 0:
            before[:] = first
        else:
            hp = h[t - 1, at : at + g.size]
            for i in range(g.size):
                before[i] = reset(hp[i], spike(hp[i] - c.theta, *slopes), c.theta, c.v_r)
        for i in range(g.size):
            y = ht[i]
            u = y - c.theta
            d = derivative(u, *slopes)
            a = dt[i] * d + g[i] * through(y, spike(u, *slopes), d, c.theta, c.v_r)
            dk[i] += a * toward(y, before[i], c.k, c.v_r)
            xt[i] = c.gain * a
            g[i] = c.keep * a


def _leak(x, y, v, lo, c):
    """Y = charge(v, x), v <- y: a neuron without spikes."""
    for t in range(x.shape[0]):
        xt = x[t, lo : lo + v.size]
        yt = y[t, lo : lo + v.size]
        for i in range(v.size):
            yt[i] = charge(v[i], xt[i], c.k, c.v_r)
            v[i] = yt[i]


def _leak_back(y, dy, dx, g, lo, c, first, dk):
    """Gradients dx and, for each neuron, dk; g is dL/dv, carried from the last step to the first."""
    for t in range(y.shape[0] - 1, -1, -1):
        yt = y[t, lo : lo + g.size]
        before = first if t == 0 else y[t - 1, lo : lo + g.size]
        dt = dy[t, lo : lo + g.size]
        xt = dx[t, lo : lo + g.size]
        for i in range(g.size):
            a = dt[i] + g[i]
            dk[i] += a * toward(yt[i], before[i], c.k, c.v_r)
            xt[i] = c.gain * a
            g[i] = c.keep * a


_LOOPS = {"fire": _fire, "charge_only": _charge_only, "back": _back, "back_learnt": _back_learnt}
_LEAKS = {"leak": _leak, "leak_back": _leak_back}


@cache
def loops(name, neuron, kind, in_place=False, stored=True):
    """Loop `name` compiled for a neuron and a dtype.

    `in_place`: h is x (forwards), or dx is h (backwards). Not `stored`: h is not written.
    """
    choice = _same if in_place else source
    vector_exp = exp32 if kind == np.float32 else exp  # math.exp is a call into the C library
    functions = scalars(neuron, kind, exp=vector_exp) | {
        "source": choice,
        "target": choice,
        "keep": keep if stored else _drop,
    }
    loop = (_LOOPS | _LEAKS)[name]
    return specialise(loop, **{k: f for k, f in functions.items() if k in loop.__code__.co_names or k == "real"})
