"""Clock-driven twin of the spike-response neuron: the step-by-step scheme, for cross-checks.

Steps k = 0, 1, ... of length dt (s) cover [k dt, (k + 1) dt). In each, in this order:

    a <- a exp(-dt / tau_m),  b <- b exp(-dt / tau_s)      (V / K = a + b)
    the step's input spikes, all at its end: a += w, b -= w (not in the refractory time), then `on_pre`
    once: if V >= theta: `on_post`, after-potential, inhibition of the others (lowest neuron first)

Output spikes carry the time of the end of their step. For dt -> 0 this is the exact engine.
"""

import numpy as np

from . import srm_loops
from .engine import checked_input
from .srm import SRM
from .srm_engine import _prepared, specialised
from .srm_loops import exp, no, on_post, on_pre, reset

has_pre = has_post = nearest = reduced = no
__all__ = ["advance_srm_clock"]


def steps(state, spikes, neuron, theta, inhibition, rows, dt, first, stop, out):
    """Step all runs through the steps [first, stop); write (run, neuron, step) to `out`, return how many.

    Plain Python: compiled by ``specialise`` as ``srm_loops.walk``.
    """
    found, n = 0, theta.size
    times, units, counts = spikes
    e, f = exp(dt * neuron.rate_m), exp(dt * neuron.rate_s)
    for r in range(state.weights.shape[0]):
        q, j = r if times.shape[0] > 1 else 0, 0
        w, a, b, last, trace = state.weights[r], state.a[r], state.b[r], state.last[r], state.trace[r]
        post, post_trace, wake = state.post[r], state.post_trace[r], state.wake[r]
        for k in range(first, stop):
            t = (k + 1) * dt
            for m in range(n):
                a[m] *= e
                b[m] *= f
            while j < counts[q] and times[q, j] < t:
                i = units[q, j]
                for m in range(n):
                    x = w[m, i] if t > wake[m] - 1e-12 else 0.0
                    a[m] += x
                    b[m] -= x
                    if has_pre() and (not reduced() or last[i] <= post[m]):
                        lag = t - post[m]
                        if lag <= neuron.far_minus or not reduced():
                            y = post_trace[m] * exp(lag * neuron.rate_minus) if lag <= neuron.far_minus else 0.0
                            w[m, i] = on_pre(w[m, i], y, rows[m])
                lag = t - last[i]
                trace[i] = 1.0 + (trace[i] * exp(lag * neuron.rate_plus) if lag <= neuron.far_plus else 0.0)
                last[i] = t
                j += 1
            for m in range(n):
                if not (t > wake[m] - 1e-12 and a[m] > 0.0 and a[m] + b[m] >= theta[m]):
                    continue
                for i in range(last.size if has_post() else 0):
                    lag = t - last[i]
                    x = exp(lag * neuron.rate_plus) * (1.0 if nearest() else trace[i])
                    if not reduced() or (last[i] > post[m] and lag <= neuron.far_plus):
                        w[m, i] = on_post(w[m, i], x if lag <= neuron.far_plus else 0.0, rows[m])
                old = 0.0 if nearest() else post_trace[m] * exp((t - post[m]) * neuron.rate_minus)
                post[m], post_trace[m] = t, 1.0 + old
                reset(m, t, a, b, wake, theta, inhibition[r], neuron)
                out[found, 0], out[found, 1], out[found, 2] = r, m, k
                found += 1
        state.time[r] = stop * dt
    return found


def advance_srm_clock(state, times, units, counts, srm: SRM, rule=None, *, dt: float = 1e-4, stop: float):
    """Step all neurons from the state's time to `stop` on a grid of step `dt`; `state` is changed in place.

    Parameters
    ----------
    state : dict
        From ``init_srm``.
    times, units, counts, srm, rule
        As in ``advance_srm``; the spikes must lie in [state's time, `stop`).
    dt : float
        Step, s.
    stop : float
        s; rounded to a whole number of steps.

    Returns
    -------
    run, neuron : int64 (n,);  time : float64 (n,)
        Output spikes, sorted by (run, time, neuron); time is the end of the step.
    """
    state = srm_loops.State(**state)
    n_runs, n_neurons, n_afferents = state.weights.shape
    times, units, counts = checked_input(times, units, counts, 1 if np.shape(times)[0] == 1 else n_runs)
    if not 0 < dt < srm.tau_m:
        raise ValueError(f"dt must be > 0 s and < tau_m = {srm.tau_m} s, got {dt}")
    first, last = int(round(state.time.min() / dt)), int(round(stop / dt))
    for q, n in enumerate(counts):
        t, u = times[q, :n], units[q, :n]
        if n and not (first * dt <= t[0] + 1e-9 and t[-1] < last * dt + 1e-9 and (np.diff(t) >= 0).all()):
            raise ValueError("times must be sorted and lie between the state's time and stop")
        if n and u.max() >= n_afferents:
            raise ValueError(f"units must lie in 0..{n_afferents - 1}")
    _, neuron, theta, inhibition, rows = _prepared(rule, srm, n_runs, n_neurons)
    out = np.empty((n_runs * n_neurons * max(last - first, 0), 3), np.int64)
    loop = specialised(steps, rule)
    n = loop(state, (times, units, counts), neuron, theta, inhibition, rows, float(dt), first, last, out)
    run, cell, k = out[:n].T
    order = np.lexsort((cell, k, run))
    return run[order], cell[order], (k[order] + 1) * dt
