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
from ..rules.trace import check_rule, pairing_of
from . import loops
from .lif import LIF

__all__ = ["advance", "init_state", "record", "trajectory"]

_ROOM = 256  # output spikes of a block before its list is emptied
_SERIAL = 1e-3  # s of estimated work below which threads cost more than they bring
_F8, _I4, _I8 = np.dtype(np.float64), np.dtype(np.int32), np.dtype(np.int64)
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
        growth=np.ones(r),
        post=np.zeros((r, m)),
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
    times, units, counts = checked_input(times, units, counts, n_runs)
    loop, theta, rows, rates, constants = prepared(rule, lif, n_neurons)
    grid = np.ascontiguousarray(grid, np.float64)
    marks, mark_decay = _marks(state.time, times, counts, grid, rates[0])
    n_blocks = -(-n_neurons // constants.lanes)
    shape = (n_runs, rates.size, times.shape[1] if n_blocks > 1 else 0)
    chunk = loops.Chunk(times, units, counts, rates, np.empty(shape), marks, mark_decay)
    if threads > 1 and counts.sum() * n_neurons * _NS_EVENT < _SERIAL:
        threads = 1
    wrong = _shared_out(lambda first, last: loops.prepare(first, last, state, chunk), n_runs, threads)
    if any(wrong):
        r = next(code for code in wrong if code)
        if r > 0:
            raise ValueError(f"times of run {r - 1} must be finite, sorted, and not before the state's time")
        raise ValueError(f"units of run {-r - 1} must lie in 0..{n_afferents - 1}")
    progress = _progress(state, n_blocks, grid.size)
    passes, unfinished = [], True
    while unfinished:  # more than one pass only where a list of output spikes was too short
        parts = _shared_out(
            lambda first, last: loop(first, last, state, chunk, progress, theta, rows, constants),
            n_runs * n_blocks,
            threads,
        )
        unfinished = any(left for left, _ in parts)
        n_out = sum(n for _, n in parts)
        spikes = np.empty(n_out, np.int64), np.empty(n_out, np.int64), np.empty(n_out, np.int64), np.empty(n_out)
        if n_out:
            loops.collect(progress, constants.lanes, times, *spikes)
        passes.append(spikes)
    run, neuron, event, time = spikes if len(passes) == 1 else map(np.concatenate, zip(*passes, strict=True))
    if n_blocks > 1 or len(passes) > 1:  # one list a run is in order as it stands
        order = np.lexsort((neuron, event, run))
        run, neuron, time = run[order], neuron[order], time[order]
    return (run, neuron, time), progress.record


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
    """One float64 for each of `n` neurons from one number or `n`."""
    array = np.asarray(value, np.float64)
    if array.shape not in ((), (1,), (n,)):
        raise ValueError(f"{name} must be one number or one for each of {n} neurons, got shape {array.shape}")
    out = np.empty(n)
    out[:] = array
    return out


def checked_input(times, units, counts, n_runs):
    """Input spikes as float64, uint32 and int64, with shapes that fit `n_runs` runs."""
    times, units, counts = (
        np.asarray(array, dtype, order="C") for array, dtype in ((times, _F8), (units, _I4), (counts, _I8))
    )
    if times.ndim != 2 or times.shape[0] != n_runs or units.shape != times.shape or counts.shape != (n_runs,):
        raise ValueError(
            f"times and units must have shape ({n_runs}, K), counts ({n_runs},), "
            f"got {times.shape}, {units.shape}, {counts.shape}"
        )
    if any(not 0 <= count <= times.shape[1] for count in counts.tolist()):
        raise ValueError(f"counts must lie in 0..{times.shape[1]}, got {counts.min()}..{counts.max()}")
    return times, units.view(np.uint32), counts


def specialised(loop, rule):
    """`loop` compiled for the two functions of a rule, either of which may be missing."""
    pre, post = getattr(rule, "on_pre", None), getattr(rule, "on_post", None)
    return specialise(
        loop,
        on_pre=pre or loops.on_pre,
        on_post=post or loops.on_post,
        has_pre=loops.yes if pre else loops.no,
        has_post=loops.yes if post else loops.no,
    )


def values_of(thing):
    """The fields of a dataclass by value: its hash changes when one of them does."""
    values = [] if thing is None else [getattr(thing, name) for name in thing.__dataclass_fields__]
    return type(thing), *(v if isinstance(v, (int, float)) else np.asarray(v, np.float64).tobytes() for v in values)


_PREPARED: dict = {}


def prepared(rule, lif, n_neurons):
    """Checked and kept: compiled loop, thresholds, the rule's parameters (one row a neuron), rates, scalars."""
    key = (values_of(rule), values_of(lif), n_neurons)
    if key not in _PREPARED:
        if len(_PREPARED) > 64:
            _PREPARED.clear()
        _PREPARED[key] = _prepare(rule, lif, n_neurons)
    return _PREPARED[key]


def _prepare(rule, lif, n_neurons):
    lif.check()
    theta = per_neuron("threshold", lif.threshold, n_neurons)
    if not (theta > 0).all():
        raise ValueError(f"threshold must be > 0, got {theta.min()}")
    names = ["none"]
    if rule is not None:
        check_rule(rule)
        if pairing_of(rule) != "all" or hasattr(rule, "reach"):
            raise ValueError(f"{type(rule).__name__}: this neuron pairs all spikes, however far apart")
        names = [field.name for field in fields(rule)]
    rows = np.zeros(n_neurons, np.dtype([(name, np.float64) for name in names]))
    for name in names:
        rows[name] = per_neuron(name, getattr(rule, name, 0.0), n_neurons)
    rates, growth, fade = [-1.0 / lif.tau_m], 0, 0
    if getattr(rule, "on_post", None):
        growth = len(rates)
        rates.append(1.0 / rule.tau_plus)
    if getattr(rule, "on_pre", None):
        fade = len(rates)
        rates.append(-1.0 / rule.tau_minus)
    rates += [0.0] * (len(rates) % 2)  # factors are made in pairs
    # A rule that changes weights at input spikes is walked neuron by neuron.
    lanes = 1 if fade or n_neurons == 1 else loops.LANES
    constants = loops.Constants(float(lif.tau_threshold), float(lif.d_threshold), growth, fade, lanes)
    return specialised(loops.blocks, rule), theta, rows, np.array(rates), constants


def _marks(start, times, counts, grid, rate):
    """For each run and point of the grid: spikes up to it, and the decay of V since the last of them."""
    marks, decay = np.empty((counts.size, grid.size), np.int64), np.empty((counts.size, grid.size))
    for r in range(counts.size) if grid.size else ():
        marks[r] = np.searchsorted(times[r, : counts[r]], grid, side="right")
        before = np.append(start[r], times[r, : counts[r]])[marks[r]]
        if (grid < before).any() or (np.diff(grid) < 0).any():
            raise ValueError("grid must be sorted and not lie before the state's time")
        decay[r] = np.exp((grid - before) * rate)
    return marks, decay


def _progress(state, n_blocks, n_points):
    n_runs, n_neurons = state.v.shape
    # One block works on the state's own trace, several blocks on copies.
    trace, growth = state.trace[:, None], state.growth[:, None]
    if n_blocks > 1:
        trace, growth = np.repeat(trace, n_blocks, axis=1), np.repeat(growth, n_blocks, axis=1)
    cursor = np.zeros((n_runs, n_blocks, 3), np.int64)
    out = np.empty((n_runs, n_blocks, _ROOM), np.int64)
    return loops.Progress(trace, growth, cursor, out, np.empty((n_runs, n_neurons, n_points)))


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
