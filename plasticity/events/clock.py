"""Clock-driven twin of the events engine: the published step-by-step scheme, for cross-checks.

Steps k = 0, 1, ... of length dt (s) cover [k dt, (k + 1) dt). In each, in this order (forward Euler, q = 1 - dt / tau):

    V <- V q_m + sum of w over the step's input spikes      x <- x q_plus + number of them, each afferent its own
    (`on_pre` at each of them, by y)                        y <- y q_minus, Theta <- Theta q_threshold, before the input
    once, after the input: if V >= theta + Theta: `on_post` for all synapses, V <- 0, Theta += d_threshold theta, y += 1

An output spike carries the time (k + 1) dt, the end of its step. For dt -> 0 this is the exact engine.

Reference: T. Masquelier & S. R. Kheradpisheh (2018), Front. Comput. Neurosci. 12:74 (dt = 0.1 ms).
"""

import numpy as np

from . import loops
from .engine import checked_input, prepared, specialised
from .lif import LIF

__all__ = ["advance_clock"]

on_pre, on_post, has_pre, has_post = loops.on_pre, loops.on_post, loops.no, loops.no


def steps(state, spikes, theta, rows, q, d_threshold, dt, first, stop, out):
    """Step all runs and neurons through the steps [first, stop); return the number of output spikes.

    Plain Python: compiled by ``specialise``. q: factors a step of V, x, y, Theta; out: (room, 3) of run, neuron, step.
    """
    n = 0
    times, units, counts = spikes
    q_m, q_plus, q_minus, q_threshold = q
    trace = np.empty(state.trace.shape[1])
    for r in range(state.weights.shape[0]):
        for m in range(state.weights.shape[1]):
            w, v, bar, p = state.weights[r, m], state.v[r, m], state.adapt[r, m], rows[m]
            for i in range(trace.size):
                trace[i] = state.trace[r, i]  # x at step `first` times scale = 1
            y, scale, j = state.post[r, m], 1.0, 0
            for k in range(first, stop):
                v *= q_m
                bar *= q_threshold
                y *= q_minus
                scale *= q_plus  # x = trace * scale: the whole trace decays in one number
                if scale < 1e-100:
                    for i in range(trace.size):
                        trace[i] = trace[i] * scale if trace[i] * scale > 1e-200 else 0.0
                    scale = 1.0
                while j < counts[r] and times[r, j] < (k + 1) * dt:
                    i = units[r, j]
                    v += w[i]
                    if has_pre():
                        w[i] = on_pre(w[i], y, p)
                    trace[i] += 1.0 / scale
                    j += 1
                if v >= theta[m] + bar:
                    if has_post():
                        for i in range(w.size):
                            w[i] = on_post(w[i], trace[i] * scale, p)
                    v = 0.0
                    bar += d_threshold * theta[m]
                    y += 1.0
                    out[n, 0], out[n, 1], out[n, 2] = r, m, k
                    n += 1
            state.v[r, m], state.adapt[r, m], state.post[r, m] = v, bar, y
        # The trace belongs to the input: the last neuron's copy is the run's.
        for i in range(trace.size):
            state.trace[r, i] = trace[i] * scale
        state.time[r] = stop * dt
    return n


def advance_clock(state, times, units, counts, lif: LIF, rule=None, *, dt: float = 1e-4, stop: float):
    """Step all neurons from the state's time to `stop` on a grid of step `dt`; `state` is changed in place.

    Parameters
    ----------
    state : dict
        From ``init_state``; a state of this function is not one of ``advance``: its traces are not scaled, its time is
        the end of the last step.
    times, units, counts, lif, rule
        As in ``advance``; the spikes must lie in [state's time, `stop`).
    dt : float
        Step, s; smaller than every time constant.
    stop : float
        s; rounded to a whole number of steps.

    Returns
    -------
    run, neuron : int64 (n,);  time : float64 (n,)
        Output spikes, sorted by (run, time, neuron); time is the end of the step.
    """
    state = loops.State(**state)
    n_runs, n_neurons, n_afferents = state.weights.shape
    times, units, counts = checked_input(times, units, counts, n_runs)
    _, theta, rows, rates, constants = prepared(rule, lif, n_neurons)
    if not 0 < dt < min(1.0 / abs(rates).max(), lif.tau_threshold):
        raise ValueError(f"dt must be > 0 s and smaller than every time constant, got {dt}")
    first, last = int(round(state.time.min() / dt)), int(round(stop / dt))
    for r in range(n_runs):
        t, u = times[r, : counts[r]], units[r, : counts[r]]
        if t.size and not (first * dt <= t[0] + 1e-12 and t[-1] < last * dt and (np.diff(t) >= 0).all()):
            raise ValueError("times must be sorted and lie between the state's time and stop")
        if t.size and u.max() >= n_afferents:
            raise ValueError(f"units must lie in 0..{n_afferents - 1}")
    loop = specialised(steps, rule)
    out = np.empty((n_runs * n_neurons * max(last - first, 0), 3), np.int64)
    q_plus, q_minus = 1.0 - dt * abs(rates[constants.growth]), 1.0 - dt * abs(rates[constants.fade])
    q = 1.0 + dt * rates[0], q_plus, q_minus, 1.0 - dt / lif.tau_threshold
    spikes = times, units, counts
    n = loop(state, spikes, theta, rows, q, constants.d_threshold, float(dt), first, last, out)
    run, neuron, k = out[:n].T
    order = np.lexsort((neuron, k, run))
    return run[order], neuron[order], (k[order] + 1) * dt
