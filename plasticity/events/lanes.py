"""Many neurons or parameter points on one shared input: pair STDP at a fraction of a nanosecond a synaptic event.

    state = init_lanes(weights, rule)                   # weights (M, N): M neurons on N afferents
    neuron, time = advance_lanes(state, times, units, lif, rule)
    weights = lane_weights(state, rule)

The neuron is that of :class:`~firstspike.plasticity.events.lif.LIF` with a fixed threshold, the rule one of
``plasticity.rules.trace``. Input spikes with one time are a volley: all of them arrive (V += w, `on_pre`, trace), then
the threshold is tested once, then come `on_post`, reset and postsynaptic trace. With spikes on a grid of steps this is
a clock-driven simulation that skips empty steps; with times that are all different it is the exact one.

Two methods give the same neuron: ``"rows"`` walks one neuron after the other and runs any rule; ``"lanes"`` steps them
side by side and puts the changes at output spikes off, which only a rule allows whose `on_post` adds up, see
:func:`adds_up`. Results have the same bits for any number of threads and however the input is cut between volleys.

Reference: S. Song, K. D. Miller & L. F. Abbott (2000), Nat. Neurosci. 3:919 (the rule and its balance).
"""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from math import isclose

import numpy as np

from ...runtime.jit import specialise
from ...runtime.rng import uniforms
from . import lanes_loops as loops
from .engine import prepared, values_of
from .lif import LIF

__all__ = ["adds_up", "advance_lanes", "init_lanes", "lane_weights"]

BLOCK = 64  # lanes, at most
FEW = 4  # neurons, for which lanes are not worth it
_ROWS = 16  # neurons of a task of rows
_TABLE = 4096  # steps that a table of factors covers
_ADDS_UP: dict = {}


def adds_up(rule) -> bool:
    """Whether two output spikes act as one: on_post(on_post(w, a), b) = on_post(w, a + b), and on_post(w, 0) = w.

    True for a rule without `on_post`, and for pure potentiation by the trace up to a bound such as that of ``Pair``.
    Tried out at fixed points 0 <= w <= 1, a, b >= 0 for each set of parameters.

    Examples
    --------
    >>> from firstspike.plasticity.rules.trace import Additive, Pair
    >>> adds_up(Pair()), adds_up(Additive()), adds_up(Additive(w_out=0.0))
    (True, False, True)
    """
    if getattr(rule, "on_post", None) is None:
        return True
    key = values_of(rule)
    if key not in _ADDS_UP:
        names = list(rule.__dataclass_fields__)
        columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(getattr(rule, n), np.float64)) for n in names))
        points = np.unique(np.stack(columns, axis=1), axis=0)
        _ADDS_UP[key] = all(_adds_up(type(rule), dict(zip(names, p.tolist(), strict=True))) for p in points)
    return _ADDS_UP[key]


def _adds_up(kind, values):
    p, put = kind(**values), kind.on_post
    for w, a, b in uniforms(0, "adds up", (32, 3)).tolist():
        for scale in (1.0, 100.0):  # far from the bound, and beyond it
            x, y = scale * a, scale * b
            if not isclose(put(put(w, x, p), y, p), put(w, x + y, p), abs_tol=1e-12) or put(w, 0.0, p) != w:
                return False
    return True


def init_lanes(weights, rule=None, time=0.0, method="auto") -> dict:
    """State of neurons at rest with these weights; V and all traces are 0.

    Parameters
    ----------
    weights : array (M, N)
        Neurons x afferents; copied. float32 stays float32 in lanes, all else becomes float64.
    rule : trace rule or None
        What they will learn by; its parameters may be arrays of M values.
    time : float
        Start, s.
    method : str
        ``"lanes"``, ``"rows"``, or ``"auto"``: lanes for more than 4 neurons if the rule allows.

    Returns
    -------
    dict of arrays
        All that is needed to go on; :func:`advance_lanes` changes them in place. Weights are read by
        :func:`lane_weights`.

    Raises
    ------
    ValueError
        For weights that are no finite (M, N) array, or lanes for a rule that does not add up.
    """
    weights = np.asarray(weights)
    kind = np.float32 if weights.dtype == np.float32 else np.float64
    weights = np.ascontiguousarray(weights, kind)
    if weights.ndim != 2 or 0 in weights.shape or not np.isfinite(weights).all():
        raise ValueError(f"weights must be finite, of shape (neurons, afferents), got {weights.shape}")
    m, n = weights.shape
    if method not in ("auto", "lanes", "rows"):
        raise ValueError(f"method must be auto, lanes or rows, got {method!r}")
    if method == "auto":
        method = "lanes" if m > FEW and adds_up(rule) else "rows"
    before = np.array([np.nextafter(float(time), -np.inf)])  # a spike at the start itself is welcome
    if method == "rows":
        own = np.array(weights, np.float64)
        return loops.Rows(own, np.zeros((m, n)), np.zeros(m), np.zeros(m), np.ones(m), before)._asdict()
    _check_lanes(rule)
    b, wide = _blocks(m)
    lanes = np.zeros((b * wide, n), kind)
    lanes[:m] = weights
    state = loops.Lanes(
        weights=np.ascontiguousarray(lanes.reshape(b, wide, n).transpose(0, 2, 1)),
        v=np.zeros((b, wide), kind),
        post=np.zeros((b, wide), kind),
        total=np.zeros((b, wide), kind),
        rows=np.zeros((b, loops.LIST, wide), kind),
        left=np.zeros((b, loops.LIST), np.int64),
        seen=np.zeros((b, n), np.int64),
        trace=np.zeros((b, n), kind),
        growth=np.ones(b),
        place=np.zeros((b, 2), np.int64),
        time=before,
        count=np.array([m]),
    )
    return state._asdict()


def advance_lanes(state, times, units, lif: LIF, rule=None, *, step=0.0, threads=1):
    """Step all neurons through a chunk of input spikes; `state` is changed in place.

    Parameters
    ----------
    state : dict
        From :func:`init_lanes`.
    times : float64 (K,)
        Seconds, sorted, all after those of earlier chunks. Equal times are a volley.
    units : int32 (K,)
        Afferents, 0..N-1.
    lif : LIF
        `threshold` may be one a neuron; without adaptation.
    rule : trace rule or None
        As given to `init_lanes`; fields one number each, or M.
    step : float
        s; > 0: all times are whole multiples of it (factors are then read from a table, which is faster).
    threads : int
        Blocks of neurons are shared out among them.

    Returns
    -------
    neuron : int64 (n,);  time : float64 (n,)
        Output spikes, sorted by (time, neuron).

    Raises
    ------
    ValueError
        If times are not sorted or an afferent does not exist, a parameter makes no sense, or the threshold adapts.
    """
    lanes = "own" not in state
    state = loops.Lanes(**state) if lanes else loops.Rows(**state)
    n_neurons = int(state.count[0]) if lanes else state.own.shape[0]
    n_afferents = (state.weights if lanes else state.own).shape[1]
    if lif.d_threshold != 0:
        raise ValueError(f"d_threshold must be 0 for neurons in lanes, got {lif.d_threshold}")
    _, theta, rows, rates, constants = prepared(rule, lif, n_neurons)
    rates = np.array([rates[0], *(rates[i] if i else 0.0 for i in (constants.growth, constants.fade)), 0.0])
    spikes, n_volleys = _checked(state.time[0], times, units, rates, float(step), n_afferents)
    if n_volleys == 0:
        return np.empty(0, np.int64), np.empty(0)
    if lanes:
        _check_lanes(rule)
        event, neuron, times = _advance_lanes(state, spikes, n_volleys, theta, rows, rule, threads)
    else:
        event, neuron, times = _advance_rows(state, spikes, theta, rows, rule, threads)
    state.time[0] = times[-1]
    order = np.lexsort((neuron, event))
    return neuron[order], times[event[order]]


def lane_weights(state, rule=None):
    """Weights (M, N) of all neurons, up to date; the state is not changed."""
    if "own" in state:
        return state["own"].copy()
    state = loops.Lanes(**state)
    m = int(state.count[0])
    _, _, rows, _, _ = prepared(rule, LIF(), m)
    out = np.empty_like(state.weights)
    _specialised(loops.current_weights, rule)(state, _columns(rows, state), out)
    return np.ascontiguousarray(out.transpose(0, 2, 1).reshape(-1, out.shape[1])[:m])


# ---- helpers -------------------------------------------------------------------------------------------------------


def _check_lanes(rule):
    if not adds_up(rule):
        raise ValueError(f"{type(rule).__name__}: two output spikes do not act as one; the method must be rows")


def _blocks(m):
    """Number of blocks and their width, a multiple of 8 lanes, all alike."""
    b = -(-m // BLOCK)
    return b, -(-m // b // 8) * 8


def _checked(start, times, units, rates, step, n_afferents):
    """Input as `Spikes`, and the number of volleys."""
    times, units = np.ascontiguousarray(times, np.float64), np.ascontiguousarray(units, np.int32)
    if times.ndim != 1 or units.shape != times.shape:
        raise ValueError(f"times and units must be of one shape (K,), got {times.shape} and {units.shape}")
    if not 0 <= step < np.inf:
        raise ValueError(f"step must be >= 0 s, got {step}")
    units = units.view(np.uint32)
    spikes = loops.Spikes(times, units, rates, np.empty((0, 4)), np.empty(0, np.int32), start)
    if times.size == 0:
        return spikes, 0
    if step > 0:
        gaps = np.empty(times.size, np.int32)
        on_grid, largest = loops.count_steps(start, times, step, gaps), loops.greatest(units)
        longest, n_volleys = loops.greatest(gaps.view(np.uint32)), 1 + np.count_nonzero(gaps[1:])
        right = times[0] > start and times[-1] < np.inf and longest < 2**31  # what is negative counts as more
    else:
        on_grid = True
        right, largest, n_volleys = loops.inspect(start, times, units)
    if not right:
        raise ValueError(f"times must be finite, sorted, and after {start:g} s, the last volley's time")
    if largest >= n_afferents:
        raise ValueError(f"units must lie in 0..{n_afferents - 1}")
    if not on_grid:
        raise ValueError(f"times must be whole multiples of step = {step:g} s")
    if step > 0:
        n = min(longest + 1, _TABLE)
        more = np.count_nonzero(gaps >= n) if longest >= n else 0
        table = np.empty((n + more, 4))
        loops.fill_table(step, rates, gaps, n, table)
        spikes = spikes._replace(table=table, gaps=gaps)
    return spikes, n_volleys


def _named(names):
    """Function giving the parameters of lane m as an object with these attributes."""
    from collections import namedtuple

    # names in the source: the compiled code is kept by its text
    arguments = ", ".join(f"{name}=columns[{i}, m]" for i, name in enumerate(names))
    return eval(f"lambda columns, m: P({arguments})", {"__name__": __name__, "P": namedtuple("P", names)})


def _specialised(loop, rule):
    names = ("none",) if rule is None else tuple(rule.__dataclass_fields__)
    return _compiled(loop, getattr(rule, "on_pre", None), getattr(rule, "on_post", None), names)


@lru_cache(maxsize=64)
def _compiled(loop, pre, post, names):
    more = {} if loop is loops.walk_rows else {"point": _named(names)}
    yes, no = loops.yes, loops.no
    return specialise(
        loop,
        on_pre=pre or loops.on_pre,
        on_post=post or loops.on_post,
        has_pre=yes if pre else no,
        has_post=yes if post else no,
        **more,
    )


def _columns(rows, state):
    """Parameters as (B, F, L), in the type of the weights; lanes without a neuron repeat the last one's."""
    b, wide = state.v.shape
    last = np.minimum(np.arange(b * wide), rows.size - 1)
    columns = np.stack([rows[name][last] for name in rows.dtype.names]).astype(state.weights.dtype)
    return np.ascontiguousarray(columns.reshape(-1, b, wide).transpose(1, 0, 2))


def _advance_lanes(state, spikes, n, theta, rows, rule, threads):
    kind, (b, wide) = state.weights.dtype, state.v.shape
    volleys = loops.Volleys(
        np.empty(n), np.empty(n + 1, np.int64), spikes.units, np.empty(n, kind), np.empty(n, kind), np.empty(n)
    )
    loops.fill_volleys(spikes, volleys)
    limit = np.full(b * wide, np.inf, kind)
    limit[: theta.size] = theta
    limit, columns = limit.reshape(b, wide), _columns(rows, state)
    loop = _specialised(loops.walk_lanes, rule)

    def one(block):
        out = np.empty(n * wide, np.int64)
        out = out[: loop(block, state, volleys, limit, columns, out)].copy()
        return out // wide, out % wide + block * wide

    event, neuron = map(np.concatenate, zip(*_spread(one, range(b), threads), strict=True))
    return event, neuron, volleys.times


def _advance_rows(state, spikes, theta, rows, rule, threads):
    loop = _specialised(loops.walk_rows, rule)

    def some(first):
        last = min(first + _ROWS, theta.size)
        out = np.empty(spikes.times.size * (last - first), np.int64)
        return out[: loop(first, last, state, spikes, theta, rows, out)].copy()

    out = np.concatenate(_spread(some, range(0, theta.size, _ROWS), threads))
    return out // theta.size, out % theta.size, spikes.times


def _spread(work, tasks, threads):
    """Results of the tasks in their order; the kernels in them release the interpreter's lock."""
    if threads <= 1 or len(tasks) == 1:
        return [work(task) for task in tasks]
    with ThreadPoolExecutor(min(threads, len(tasks))) as pool:
        return list(pool.map(work, tasks))
