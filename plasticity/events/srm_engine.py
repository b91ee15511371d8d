"""The spike-response neuron, public face: R runs x M neurons on N afferents, exact between and at all spikes.

    state = init_srm(weights)                             # weights (R, M, N)
    run, neuron, time = advance_srm(state, times, units, counts, SRM(), ReducedPair())

The neuron is :class:`~firstspike.plasticity.events.srm.SRM`, the rule one of ``plasticity.rules.trace`` with any
pairing. Order: an output spike happens in the interval before an input spike, at its own time, with all inputs up to
that interval in its traces (`on_post`); at an input spike of afferent i the PSPs start by the old weights, then
`on_pre`, then the trace of i. A run's result has the same bits however its input is cut into chunks, whatever the
number of threads, and whichever other runs are in the call.

Reference: T. Masquelier, R. Guyonneau & S. J. Thorpe (2008), PLoS ONE 3:e1377. Deviation: no time grid.
"""

from dataclasses import fields

import numpy as np

from ...runtime.jit import specialise
from ..rules.trace import check_rule, pairing_of, reach_of
from . import loops, srm_loops, srm_one
from .engine import _shared_out, checked_input, per_neuron, values_of
from .srm import SRM

__all__ = ["advance_srm", "init_srm", "record_srm"]

_ROOM = 256  # output spikes of a run before its list is emptied
_SERIAL = 200_000  # input spikes times neurons below which threads cost more than they bring


def init_srm(weights, time: float = 0.0) -> dict:
    """State of neurons at rest with these weights, before any spike.

    Parameters
    ----------
    weights : array (R, M, N)
        Runs x neurons x afferents; copied.
    time : float
        Start, s: no input spike may come before it.

    Returns
    -------
    dict of arrays
        All that is needed to go on (``events.srm_loops.State``); :func:`advance_srm` changes them in place.
    """
    weights = np.array(weights, np.float64, order="C")
    if weights.ndim != 3 or 0 in weights.shape:
        raise ValueError(f"weights must have shape (runs, neurons, afferents), got {weights.shape}")
    if not np.isfinite(weights).all():
        raise ValueError("weights must be finite")
    r, m, n = weights.shape
    cells = (r, m)
    state = srm_loops.State(
        weights=weights,
        a=np.zeros(cells),
        b=np.zeros(cells),
        time=np.full(r, float(time)),
        last=np.full((r, n), -np.inf),
        trace=np.zeros((r, n)),
        post=np.full(cells, -np.inf),
        post_trace=np.zeros(cells),
        wake=np.full(cells, -np.inf),
    )
    return state._asdict()


def advance_srm(state, times, units, counts, srm: SRM, rule=None, *, stop: float = -np.inf, threads: int = 1):
    """Step all neurons through a chunk of input spikes; `state` is changed in place.

    Parameters
    ----------
    state : dict
        From :func:`init_srm`.
    times : float64 (R or 1, K)
        Seconds, sorted in each row, not before the last input spike of an earlier chunk. One row: all runs get it.
    units : int32 (R or 1, K)
        Afferents, 0..N-1.
    counts : int (R or 1,)
        Number of spikes: the first of each row.
    srm : SRM
        Neuron parameters.
    rule : trace rule or None
        None: the weights stay as they are.
    stop : float
        s; also look for output spikes between the last input and here. Default: up to the last input.
    threads : int
        Runs are shared out among them.

    Returns
    -------
    run, neuron : int64 (n,);  time : float64 (n,)
        Output spikes, sorted by (run, time, neuron).

    Raises
    ------
    ValueError
        If shapes do not fit, times are not sorted, an afferent does not exist, or a parameter makes no sense.
    """
    state = srm_loops.State(**state)
    n_runs, n_neurons, n_afferents = state.weights.shape
    rows = 1 if np.ndim(times) == 2 and np.shape(times)[0] == 1 else n_runs
    times, units, counts = checked_input(times, units, counts, rows)
    for r in range(n_runs):
        q = r if rows > 1 else 0
        wrong = srm_loops.check(times[q, : counts[q]], units[q, : counts[q]], state.time[r], n_afferents)
        if wrong == 1:
            raise ValueError(f"times of run {r} must be finite, sorted, and not before the state's time")
        if wrong == 2:
            raise ValueError(f"units of run {r} must lie in 0..{n_afferents - 1}")
    loop, neuron, theta, inhibition, rule_rows = _prepared(rule, srm, n_runs, n_neurons)
    chunk = srm_loops.Chunk(times, units, counts, float(stop))
    cursor, out = np.zeros((n_runs, 2), np.int64), np.empty((n_runs, max(_ROOM, n_neurons), 2))
    if counts.sum() * n_neurons * (n_runs // rows) < _SERIAL:
        threads = 1
    passes, unfinished = [], True
    while unfinished:
        left = _shared_out(
            lambda a, b: loop(a, b, state, chunk, neuron, theta, inhibition, rule_rows, out, cursor), n_runs, threads
        )
        unfinished = any(left)
        for r in range(n_runs):
            n = cursor[r, srm_loops.N_OUT]
            if n:
                passes.append((np.full(n, r), out[r, :n, 1].astype(np.int64), out[r, :n, 0].copy()))
    if not passes:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    run, cell, time = (np.concatenate(column) for column in zip(*passes, strict=True))
    order = np.argsort(run, kind="stable")  # within a run they come in order of time
    return run[order], cell[order], time[order]


def record_srm(state, times, units, counts, srm: SRM, rule=None, *, grid):
    """V at the times `grid` (s, sorted, not before the state's time), shape (R, M, T); `state` is not changed.

    A copy of the state is taken through the input, stopped at each point: the potentials of a run agree with those that
    :func:`advance_srm` goes through up to rounding.
    """
    state = {name: array.copy() for name, array in state.items()}
    times, units = np.atleast_2d(times), np.atleast_2d(units)
    grid, v = np.asarray(grid, float), []
    done = np.zeros(len(counts), np.int64)
    for t in grid:
        upto = np.array([np.searchsorted(times[q, :n], t, side="right") for q, n in enumerate(counts)])
        most = int((upto - done).max())
        at = np.minimum(done[:, None] + np.arange(most), times.shape[1] - 1)
        part = np.take_along_axis(times, at, 1), np.take_along_axis(units, at, 1), upto - done
        advance_srm(state, *part, srm, rule, stop=t)
        v.append(srm.norm * (state["a"] + state["b"]))
        done = upto
    return np.stack(v, axis=-1) if v else np.zeros((*state["a"].shape, 0))


# ---- helpers -------------------------------------------------------------------------------------------------------

_PREPARED: dict = {}


def _prepared(rule, srm, n_runs, n_neurons):
    """Checked and kept: compiled loop, scalars, thresholds (in K), inhibition of each run, the rule's parameters."""
    key = (values_of(rule), values_of(srm), n_runs, n_neurons)
    if key not in _PREPARED:
        if len(_PREPARED) > 64:
            _PREPARED.clear()
        _PREPARED[key] = _prepare(rule, srm, n_runs, n_neurons)
    return _PREPARED[key]


def _prepare(rule, srm, n_runs, n_neurons):
    srm.check()
    theta = per_neuron("threshold", srm.threshold, n_neurons)
    if not (theta > 0).all():
        raise ValueError(f"threshold must be > 0, got {theta.min()}")
    inhibition = np.empty(n_runs)
    if np.shape(srm.inhibition) not in ((), (1,), (n_runs,)):
        raise ValueError(f"inhibition must be one number or one for each of {n_runs} runs, got {srm.inhibition}")
    inhibition[:] = srm.inhibition
    if not ((inhibition >= 0) & (inhibition < np.inf)).all():
        raise ValueError(f"inhibition must be >= 0, got {srm.inhibition}")
    names, far = ["none"], 0.0
    if rule is not None:
        check_rule(rule)
        names, far = [field.name for field in fields(rule)], reach_of(rule)
    rows = np.zeros(n_neurons, np.dtype([(name, np.float64) for name in names]))
    for name in names:
        rows[name] = per_neuron(name, getattr(rule, name, 0.0), n_neurons)
    tau_plus, tau_minus = (float(getattr(rule, f"tau_{sign}", 1.0)) for sign in ("plus", "minus"))
    neuron = srm_loops.Neuron(
        -1.0 / srm.tau_m, -1.0 / srm.tau_s, -1.0 / tau_plus, -1.0 / tau_minus, far * tau_plus, far * tau_minus,
        float(srm.refractory), float(srm.pulse - srm.after), float(srm.after), srm.norm,
    )  # fmt: skip
    loop = specialised(srm_one.walk_one if n_neurons == 1 else srm_loops.walk, rule)
    return loop, neuron, theta / srm.norm, inhibition, rows


def specialised(loop, rule):
    """`loop` compiled for the functions and the pairing of a rule."""
    pre, post, pairing = getattr(rule, "on_pre", None), getattr(rule, "on_post", None), pairing_of(rule)
    flag = {True: loops.yes, False: loops.no}
    return specialise(
        loop,
        on_pre=pre or loops.on_pre,
        on_post=post or loops.on_post,
        has_pre=flag[pre is not None],
        has_post=flag[post is not None],
        nearest=flag[pairing != "all"],
        reduced=flag[pairing == "reduced"],
    )
