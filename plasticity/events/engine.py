"""Events engine, public face: R runs x M neurons on N afferents, stepped exactly from spike to spike.

    state = init_state(weights)                       # weights (R, M, N)
    run, neuron, time = advance(state, times, units, counts, lif, rule)

The neuron is :class:`~firstspike.plasticity.events.lif.LIF`, the rule one of ``plasticity.rules.trace``. Order at an
input spike of afferent i at time t: V decays and jumps by w_i; `on_pre` (by the postsynaptic trace just before t); the
trace of i goes up by 1; if V >= theta + Theta: `on_post` for all synapses, V <- 0, Theta and the postsynaptic trace go
up. Each run has its own input, shared by its neurons. A run's result has the same bits however its input is cut into
chunks, whatever the number of threads, and whichever other runs are in the call.

References: T. Masquelier (2018), Neuroscience 389:133; T. Masquelier & S. R. Kheradpisheh (2018), Front. Comput.
Neurosci. 12:74.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import lru_cache

import numpy as np

from ...runtime.jit import specialise
from ..rules.trace import check_rule
from . import loops
from .lif import LIF

__all__ = ["advance", "init_state", "record", "trajectory"]

_ROOM = 256  # output spikes of a block before its list is emptied
_SERIAL = 1e-3  # s of estimated work below which threads cost more than they bring
_NS_EVENT = 2e-9  # s per input spike and neuron, for that estimate


def init_state(weights, time: float = 0.0) -> dict:
    """State of neurons at rest with these weights: V, traces and the adaptive part of the threshold are 0.

    Parameters
    ----------
    weights : array (R, M, N)
        Runs x neurons x afferents, in [0, 1]; copied. float32 stays float32, all else becomes float64.
    time : float
        Start, s: no input spike may come before it.

    Returns
    -------
    dict of arrays
        All that is needed to go on; :func:`advance` changes them in place. ``weights`` (R, M, N), ``v`` (R, M) just
        after the last input spike, ``time`` (R,) of that spike, and the traces in scaled form (see ``events.loops``).
    """
    weights = np.asarray(weights)
    weights = np.array(weights, dtype=np.float32 if weights.dtype == np.float32 else np.float64, order="C")
    if weights.ndim != 3 or 0 in weights.shape:
        raise ValueError(f"weights must have shape (runs, neurons, afferents), got {weights.shape}")
    if not np.isfinite(weights).all():
        raise ValueError("weights must be finite")
    r, m, n = weights.shape
    state = loops.State(
        weights=weights,
        v=np.zeros((r, m)),
        time=np.full(r, float(time)),
        trace=np.zeros((r, n)),
        epoch=np.zeros(r, np.int64),
        post=np.zeros((r, m)),
        post_epoch=np.zeros((r, m), np.int64),
        adapt=np.zeros((r, m)),
        adapt_time=np.full((r, m), float(time)),
    )
    return state._asdict()


def advance(state, times, units, counts, lif: LIF, rule=None, threads: int = 1):
    """Step all neurons through a chunk of input spikes; `state` is changed in place.

    Parameters
    ----------
    state : dict
        From :func:`init_state`.
    times : float64 (R, K)
        Seconds, sorted in each row, not before the last input spike of an earlier chunk.
    units : int32 (R, K)
        Afferents, 0..N-1.
    counts : int (R,)
        Number of spikes of each run: the first of its row.
    lif : LIF
        Neuron parameters.
    rule : trace rule or None
        None: the weights stay as they are.
    threads : int
        Runs (and blocks of neurons) are shared out among them.

    Returns
    -------
    run, neuron : int64 (n,);  time : float64 (n,)
        Output spikes, sorted by (run, time, neuron).

    Raises
    ------
    ValueError
        If shapes do not fit, times are not sorted, an afferent does not exist, or a parameter makes no sense.
    """
    return record(state, times, units, counts, lif, rule, grid=(), threads=threads)[0]


def record(state, times, units, counts, lif: LIF, rule=None, grid=(), threads: int = 1):
    """As :func:`advance`, and V at the points of time `grid`: ``((run, neuron, time), V)``, V of shape (R, M, T).

    `grid` (s, sorted, the same for all runs) must not lie before the start of the chunk nor after the next one; at the
    time of a spike V is read after it. Reading changes no bit of the run.
    """
    state = loops.State(**state)
    n_runs, n_neurons, n_afferents = state.weights.shape
    lif.check()
    theta = per_neuron("threshold", lif.threshold, n_neurons)
    if not (theta > 0).all():
        raise ValueError(f"threshold must be > 0, got {theta.min()}")
    times, units, counts = checked_input(times, units, counts, n_runs)
    loop, rows, constants = prepared(rule, lif, n_neurons)
    grid = np.ascontiguousarray(grid, np.float64)
    shape = times.shape
    tau_plus, tau_minus = hasattr(rule, "on_post"), hasattr(rule, "on_pre")
    chunk = loops.Chunk(
        times,
        units,
        counts,
        np.empty(shape),
        np.empty(shape if tau_plus else (n_runs, 0)),
        np.empty(shape if tau_minus else (n_runs, 0)),
        np.empty((n_runs, grid.size), np.int64),
        np.empty((n_runs, grid.size)),
    )
    threads = threads if counts.sum() * n_neurons * _NS_EVENT > _SERIAL else 1

    def prepare(first, last):
        return max(_factors(state, chunk, r, grid, constants) for r in range(first, last))

    wrong = max(_shared_out(prepare, n_runs, threads))
    if wrong:
        raise ValueError(
            "times must be finite, sorted, and not before the state's time"
            if wrong & 1
            else f"units must lie in 0..{n_afferents - 1}"
        )
    progress = _progress(state, n_neurons, constants.lanes, grid.size)
    run, neuron, event = [], [], []
    while True:
        _shared_out(
            lambda first, last: loop(first, last, state, chunk, progress, theta, rows, constants),
            progress.done.size,
            threads,
        )
        for r, b in zip(*np.nonzero(progress.n_out), strict=True):
            spikes = progress.out[r, b, : progress.n_out[r, b]]
            run.append(np.full(spikes.size, r))
            neuron.append(b * constants.lanes + spikes % loops.LANES)
            event.append(spikes // loops.LANES)
        if (progress.done == counts[:, None]).all() and (progress.marked == grid.size).all():
            break
        progress.n_out[:] = 0
    state.trace[:], state.epoch[:] = progress.trace[:, 0], progress.epoch[:, 0]
    some = counts > 0
    state.time[some] = times[some, counts[some] - 1]
    return _sorted_spikes(run, neuron, event, times), progress.record


def trajectory(weights, times, units, counts, lif: LIF, grid, threads: int = 1):
    """V without threshold and with frozen weights at the points of time `grid`, shape (R, M, T).

    Parameters
    ----------
    weights : array (R, M, N), or dict
        Weights, from V = 0 at time 0; or a state of :func:`init_state`, which goes on (its V is changed in place).
    times, units, counts, lif, threads
        As in :func:`advance`; only ``lif.tau_m`` matters.
    grid : float (T,)
        s, sorted; as in :func:`record`.
    """
    state = weights if isinstance(weights, dict) else init_state(weights)
    free = LIF(tau_m=lif.tau_m, threshold=np.inf)
    return record(state, times, units, counts, free, None, grid, threads)[1]


# ---- helpers -------------------------------------------------------------------------------------------------------


def per_neuron(name, value, n):
    array = np.asarray(value, np.float64)
    if array.shape not in ((), (1,), (n,)):
        raise ValueError(f"{name} must be one number or one for each of {n} neurons, got shape {array.shape}")
    return np.ascontiguousarray(np.broadcast_to(array, n))


def checked_input(times, units, counts, n_runs):
    times = np.ascontiguousarray(times, np.float64)
    units = np.ascontiguousarray(units, np.int32)
    counts = np.ascontiguousarray(counts, np.int64)
    if times.ndim != 2 or times.shape[0] != n_runs or units.shape != times.shape or counts.shape != (n_runs,):
        raise ValueError(
            f"times and units must have shape ({n_runs}, K), counts ({n_runs},), "
            f"got {times.shape}, {units.shape}, {counts.shape}"
        )
    if n_runs and not (0 <= counts.min() and counts.max() <= times.shape[1]):
        raise ValueError(f"counts must lie in 0..{times.shape[1]}, got {counts.min()}..{counts.max()}")
    return times, units.view(np.uint32), counts


def prepared(rule, lif, n_neurons):
    """The compiled loop of a rule, its parameters (one row a neuron), and the scalars of the call."""
    pre, post = getattr(rule, "on_pre", None), getattr(rule, "on_post", None)
    names = [field.name for field in fields(rule)] if rule is not None else []
    if rule is not None:
        check_rule(rule)
    rows = np.zeros(n_neurons, np.dtype([(name, np.float64) for name in names or ["none"]]))
    for name in names:
        rows[name] = per_neuron(name, getattr(rule, name), n_neurons)
    tau_plus, tau_minus = getattr(rule, "tau_plus", 1.0), getattr(rule, "tau_minus", 1.0)
    shortest = min(tau_plus if post else np.inf, tau_minus if pre else np.inf, 1.0 if rule is None else np.inf)
    constants = loops.Constants(
        float(lif.tau_m),
        float(tau_plus),
        float(tau_minus),
        float(lif.tau_threshold),
        float(lif.d_threshold),
        loops.EPOCH * shortest,
        1 if pre else loops.LANES,
    )
    loop = specialise(
        loops.blocks,
        on_pre=pre or loops.on_pre,
        on_post=post or loops.on_post,
        has_pre=loops.yes if pre else loops.no,
        has_post=loops.yes if post else loops.no,
    )
    return loop, rows, constants


def _factors(state, chunk, r, grid, constants):
    count, last = int(chunk.counts[r]), float(state.time[r])
    if grid.size:
        times = chunk.times[r, :count]
        chunk.marks[r] = np.searchsorted(times, grid, side="right")
        before = np.append(last, times)[chunk.marks[r]]
        if (grid < before).any() or (np.diff(grid) < 0).any():
            raise ValueError("grid must be sorted and not lie before the state's time")
        chunk.mark_decay[r] = np.exp((before - grid) / constants.tau_m)
    return loops.factors(
        chunk.times[r],
        chunk.units[r],
        count,
        last,
        state.weights.shape[2],
        constants,
        chunk.decay[r],
        chunk.growth[r],
        chunk.fade[r],
    )


def _progress(state, n_neurons, lanes, n_points):
    n_runs = state.time.size
    shape = (n_runs, -(-n_neurons // lanes))
    # One block works on the state's own trace, several blocks on copies.
    trace = state.trace[:, None] if shape[1] == 1 else np.repeat(state.trace[:, None], shape[1], axis=1)
    zero = [np.zeros(shape, np.int64) for _ in range(4)]
    record = np.empty((n_runs, n_neurons, n_points))
    epoch = np.repeat(state.epoch[:, None], shape[1], axis=1)
    return loops.Progress(trace, epoch, *zero, np.empty((*shape, _ROOM), np.int64), record)


@lru_cache(maxsize=4)
def _pool(threads):
    return ThreadPoolExecutor(threads, thread_name_prefix="firstspike")


def _shared_out(work, n_tasks, threads):
    """Call work(first, last) on parts of the tasks; the kernels in it release the interpreter's lock."""
    if threads <= 1 or n_tasks <= 1:
        return [work(0, n_tasks)]
    parts = min(n_tasks, 4 * threads)
    edges = [n_tasks * k // parts for k in range(parts + 1)]
    jobs = [_pool(threads).submit(work, a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    return [job.result() for job in jobs]


def _sorted_spikes(run, neuron, event, times):
    if not run:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    run, neuron, event = np.concatenate(run), np.concatenate(neuron), np.concatenate(event)
    order = np.lexsort((neuron, event, run))
    run, neuron, event = run[order], neuron[order], event[order]
    return run, neuron, times[run, event]
