"""Neurons on one shared input on a graphics processor: one launch a chunk, one thread a neuron.

    state = init_lanes_cuda(weights, rule)              # weights (M, N)
    neuron, time = advance_lanes_cuda(state, times, units, lif, rule, device="cuda")
    weights = lane_weights_cuda(state, rule)

As :mod:`~firstspike.plasticity.events.lanes` with the method ``"lanes"`` (the same rules are allowed): weights (N, M),
so that the threads of a warp read neighbours; every thread walks the same spikes and puts the changes at output spikes
off. What the traces are depends on the input alone and is made on the CPU: X of the afferent before each spike, and all
of them whenever G has become large. P at the last spike of an afferent is kept for each synapse; at those turns all
synapses are brought up to date. The result does not depend on where the input is cut.
"""

from typing import NamedTuple

import numpy as np
from numba import cuda

from ...runtime.device import on_device
from ...runtime.jit import kernel, specialise_cuda
from . import lanes_loops as loops
from .engine import prepared
from .lanes import _check_lanes, _checked, _named, _specialised
from .lif import LIF

__all__ = ["CudaLanes", "Held", "advance_lanes_cuda", "compiled", "init_lanes_cuda", "lane_weights_cuda", "walk"]

THREADS = 128  # a block
_ROOM = 256  # output spikes of a neuron in a chunk, at first
_LARGE = 1e4  # of G
_FORGET = 1e-32  # a scaled trace below this is 0

has_pre = has_post = loops.yes
on_pre, on_post, point = loops.on_pre, loops.on_post, loops.point


class CudaLanes(NamedTuple):
    """State of M neurons with N afferents; arrays without a type are of the weights' type."""

    weights: np.ndarray  # (N, M), not up to date
    seen: np.ndarray  # (N, M), P at the last spike of the afferent
    v: np.ndarray  # (M,)
    post: np.ndarray  # (M,)
    total: np.ndarray  # (M,), P
    trace: np.ndarray  # (N,) float64, X
    growth: np.ndarray  # (1,) float64, G
    time: np.ndarray  # (1,) float64, s, of the last volley


class Held(NamedTuple):
    """What the input alone decides, of the weights' type."""

    x: np.ndarray  # (K,) X of the afferent before each spike
    unit: np.ndarray  # (V,) 1 / G
    turn: np.ndarray  # (V,) int32, which turn comes before the volley; -1 = none
    traces: np.ndarray  # (T, N) X before each turn


@kernel
def count_turns(g, growth):
    """Number of times that G becomes large."""
    n = 0
    for k in range(growth.size):
        g *= growth[k]
        if g > _LARGE:
            n, g = n + 1, 1.0
    return n


@kernel
def hold(trace, g, volleys, held):
    """Fill `held`, and bring `trace` to the end of the chunk; return G."""
    n = 0
    for k in range(volleys.growth.size):
        g *= volleys.growth[k]
        held.turn[k] = -1
        if g > _LARGE:
            held.turn[k] = n
            for j in range(trace.size):
                held.traces[n, j] = trace[j]
                x = trace[j] / g
                trace[j] = x if x > _FORGET else 0.0
            n, g = n + 1, 1.0
        held.unit[k] = 1.0 / g
        for e in range(volleys.starts[k], volleys.starts[k + 1]):
            j = volleys.units[e]
            held.x[e] = trace[j]
            trace[j] += g
    return g


def walk(weights, seen, lanes, volleys, held, theta, columns, out, n_out):
    """One thread a neuron; compiled by ``specialise_cuda`` for a rule. lanes: V, y and P; out (R, M): volleys."""
    m = cuda.grid(1)
    if m < theta.size:
        p = point(columns, m)
        v, y, total, n = lanes[0, m], lanes[1, m], lanes[2, m], 0
        for k in range(volleys.growth.size):
            t = held.turn[k]
            if has_post() and t >= 0:
                for j in range(weights.shape[0]):
                    weights[j, m] = on_post(weights[j, m], held.traces[t, j] * (total - seen[j, m]), p)
                    seen[j, m] = 0.0
                total -= total  # 0 of its type
            v *= volleys.decay[k]
            y *= volleys.fade[k]
            for e in range(volleys.starts[k], volleys.starts[k + 1]):
                j = volleys.units[e]
                if has_post():
                    weights[j, m] = on_post(weights[j, m], held.x[e] * (total - seen[j, m]), p)
                    seen[j, m] = total
                v += weights[j, m]
                if has_pre():
                    weights[j, m] = on_pre(weights[j, m], y, p)
            if v >= theta[m]:
                v -= v
                y += volleys.decay.dtype.type(1.0)
                total += held.unit[k]
                if n < out.shape[0]:
                    out[n, m] = k
                n += 1
        lanes[0, m], lanes[1, m], lanes[2, m], n_out[m] = v, y, total, n


def compiled(rule):
    """The kernel for a rule."""
    pre, post = getattr(rule, "on_pre", None), getattr(rule, "on_post", None)
    return specialise_cuda(
        walk,
        on_pre=pre or loops.on_pre,
        on_post=post or loops.on_post,
        has_pre=loops.yes if pre else loops.no,
        has_post=loops.yes if post else loops.no,
        point=_named([*rule.__dataclass_fields__] if rule is not None else ["none"]),
    )


def init_lanes_cuda(weights, rule=None, time=0.0) -> dict:
    """State of neurons at rest; as :func:`~firstspike.plasticity.events.lanes.init_lanes`, arrays on the host."""
    weights = np.asarray(weights)
    kind = np.float32 if weights.dtype == np.float32 else np.float64
    if weights.ndim != 2 or 0 in weights.shape or not np.isfinite(weights).all():
        raise ValueError(f"weights must be finite, of shape (neurons, afferents), got {weights.shape}")
    _check_lanes(rule)
    m, n = weights.shape
    zeros = [np.zeros(m, kind) for _ in range(3)]
    before = np.array([np.nextafter(float(time), -np.inf)])
    whole = np.array(weights.T, kind, order="C")
    return CudaLanes(whole, np.zeros((n, m), kind), *zeros, np.zeros(n), np.ones(1), before)._asdict()


def advance_lanes_cuda(state, times, units, lif: LIF, rule=None, *, step=0.0, device="cuda"):
    """Step all neurons through a chunk; arguments, errors and result as of `advance_lanes`, and the device.

    The state goes to the device and comes back in each call, so chunks should be long.
    """
    state = CudaLanes(**state)
    n, m = state.weights.shape
    kind = state.weights.dtype
    if lif.d_threshold != 0:
        raise ValueError(f"d_threshold must be 0 for neurons in lanes, got {lif.d_threshold}")
    _, theta, rows, rates, constants = prepared(rule, lif, m)
    _check_lanes(rule)
    rates = np.array([rates[0], *(rates[i] if i else 0.0 for i in (constants.growth, constants.fade)), 0.0])
    spikes, n_volleys = _checked(state.time[0], times, units, rates, float(step), n)
    if n_volleys == 0:
        return np.empty(0, np.int64), np.empty(0)
    volleys = loops.Volleys(
        np.empty(n_volleys), np.empty(n_volleys + 1, np.int64), spikes.units,
        np.empty(n_volleys, kind), np.empty(n_volleys, kind), np.empty(n_volleys),
    )  # fmt: skip
    loops.fill_volleys(spikes, volleys)
    turns = count_turns(state.growth[0], volleys.growth)
    held = Held(
        np.empty(spikes.units.size, kind), np.empty(n_volleys, kind),
        np.empty(n_volleys, np.int32), np.empty((turns, n), kind),
    )  # fmt: skip
    trace = state.trace.copy()
    growth = hold(trace, state.growth[0], volleys, held)
    columns = np.stack([rows[name] for name in rows.dtype.names]).astype(kind)
    event, neuron = _launch(state, volleys, held, theta.astype(kind), columns, rule, device)
    state.trace[:], state.growth[0], state.time[0] = trace, growth, spikes.times[-1]
    order = np.lexsort((neuron, event))
    return neuron[order], volleys.times[event[order]]


def _launch(state, volleys, held, theta, columns, rule, device):
    """Volley and neuron of each output spike; the state's arrays of neurons are changed."""
    m, room = theta.size, _ROOM
    with on_device(device):
        walk_all, move = compiled(rule), cuda.to_device
        shared = volleys._replace(**{k: move(v) for k, v in volleys._asdict().items()})
        kept = held._replace(**{k: move(v) for k, v in held._asdict().items()})
        theta, columns = move(theta), move(columns)
        while True:
            weights, seen = move(state.weights), move(state.seen)
            lanes = move(np.stack([state.v, state.post, state.total]))
            out, n_out = cuda.device_array((room, m), np.int32), cuda.device_array(m, np.int32)
            walk_all[-(-m // THREADS), THREADS](weights, seen, lanes, shared, kept, theta, columns, out, n_out)
            number = n_out.copy_to_host()
            if number.max() <= room:
                break
            room = int(number.max())  # once more from the start, with room for all
        state.weights[:], state.seen[:] = weights.copy_to_host(), seen.copy_to_host()
        state.v[:], state.post[:], state.total[:] = lanes.copy_to_host()
        found = out.copy_to_host()
    there = np.arange(room)[:, None] < number
    return found[there].astype(np.int64), np.broadcast_to(np.arange(m), (room, m))[there]


def current(state, columns, out):
    """Write the weights, up to date, to `out` (N, M). Plain Python: compiled by ``specialise``."""
    for j in range(out.shape[0]):
        row, seen, to, x = state.weights[j], state.seen[j], out[j], state.trace[j]
        for m in range(to.size):
            to[m] = on_post(row[m], x * (state.total[m] - seen[m]), point(columns, m)) if has_post() else row[m]


def lane_weights_cuda(state, rule=None):
    """Weights (M, N), up to date; made on the host, the state is not changed."""
    state = CudaLanes(**state)
    _, _, rows, _, _ = prepared(rule, LIF(), state.v.size)
    columns = np.stack([rows[name] for name in rows.dtype.names]).astype(state.weights.dtype)
    out = np.empty_like(state.weights)
    _specialised(current, rule)(state, columns, out)
    return np.ascontiguousarray(out.T)
