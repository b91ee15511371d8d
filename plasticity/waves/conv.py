"""Convolution of time maps by integrate-and-fire neurons that spike at most once, and its unsupervised learning.

A neuron of map f at (y, x) has, after all spikes of step t,

    V_t[f, y, x] = sum over c, i, j of w[f, c, i, j] [tau[c, y + i, x + j] <= t]        (no leak, no bias, no flip)
    tau_out = first t with V_t > theta                     (>= with ``strict=False``; ``theta=None``: see convolve)

and passes its spike on in the same step. ``tau``: integer (N, C, H, W), T = silent; ``w``: float32 (F, C, KH, KW).
Nothing of size T is ever allocated. Kheradpisheh et al. 2018, doi 10.1016/j.neunet.2017.12.005; Mozafari et al. 2019,
doi 10.3389/fnins.2019.00625.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import specialise
from ...runtime.spikes import check_times, time_dtype
from ...runtime.threads import in_blocks
from .checks import at_least, check_kernel, check_weights, finite
from .conv_cpu import convolve_images, make_spikes
from .layer import inside, make_layer, outside
from .learn_cpu import learn_loop, make_scratch
from .winners import pooled_size

__all__ = ["Learnt", "convolve", "learn", "output_shape"]

_BLOCK = 32  # images a thread takes at a time


class Learnt(NamedTuple):
    """What :func:`learn` gives back."""

    weights: np.ndarray  # (F, C, KH, KW) float32
    n_seen: int  # presentations so far, silent ones included
    n_updated: int  # images so far that had a winner
    winners: np.ndarray  # (N, k, 4) int32: map, row, column, step of each winner; -1 = none


def output_shape(shape, kernel, padding=0, pool=(1, 1, 0)):
    """Size (H, W) of the output maps of :func:`convolve` for input maps of size `shape`.

    Examples
    --------
    >>> output_shape((28, 28), (5, 5), 2, (2, 2, 1))
    (15, 15)
    """
    return pooled_size(check_kernel(shape, kernel, padding), *pool)


def convolve(
    times,
    weights,
    theta,
    n_steps,
    *,
    padding=0,
    pool=None,
    strict=True,
    inhibit=False,
    return_values=False,
    device="cpu",
):
    """Spike steps of a convolutional layer, pooled if asked.

    Parameters
    ----------
    times : ndarray of int, shape (N, C, H, W)
        Time maps; `n_steps` = silent.
    weights : ndarray of float, shape (F, C, KH, KW)
        Any sign; the spike is the first crossing.
    theta : float or None
        Threshold > 0. None: no threshold, every neuron with V > 0 after the last step fires then.
    n_steps : int
        T.
    padding : int
        Silent rows and columns around the input.
    pool : (window, stride, padding), optional
        Earliest spike of each window.
    strict : bool
        Fire above the threshold (default) or already at it.
    inhibit : bool
        Before pooling, keep one spike at a position: the earliest; tie: largest V; tie: lowest map.
    return_values : bool
        Also return V at the step of firing, before pooling.
    device : str
        ``"cpu"``, ``"cuda"`` or ``"cuda:K"``: the same bits.

    Returns
    -------
    out : ndarray, shape (N, F, PH, PW)
        Time maps, uint8 (int32 for T > 255).
    values : ndarray of float32, shape (N, F, OH, OW)
        Only if asked; 0 where silent.

    Raises
    ------
    NoDevice
        If the device is not there (a ValueError).
    ValueError
        For T < 1, theta <= 0, a kernel or window larger than the padded input, entries that are not finite.

    Examples
    --------
    >>> times = np.array([[[[0, 1, 2]]]])
    >>> convolve(times, np.ones((1, 1, 1, 2)), 1.5, 2).tolist()
    [[[[1, 2]]]]
    """
    if device != "cpu":
        from .conv_cuda import convolve_cuda

        how = {"padding": padding, "pool": pool, "strict": strict, "inhibit": inhibit, "return_values": return_values}
        return convolve_cuda(times, weights, theta, n_steps, **how, device=device)
    times = check_times(times, n_steps)
    weights = check_weights(weights, times.shape[1])
    layer = make_layer(times, weights, theta, n_steps, padding, strict, pool or (1, 1, 0), inhibit)
    n, n_maps = len(times), weights.shape[0]
    size = pooled_size((layer.height, layer.width), layer.pool, layer.stride, layer.pool_pad)
    out = np.empty((n, n_maps, *size), time_dtype(n_steps))
    values = np.empty((n if return_values else 0, n_maps, layer.height, layer.width), np.float32)
    inner = inside(weights, layer.n_lanes)

    def block(a, b):
        convolve_images(times[a:b], inner, layer, make_spikes(times.shape[1:], n_steps), out[a:b], values[a:b])

    in_blocks(block, n, _BLOCK)
    return (out, values) if return_values else out


def learn(times, weights, rule, *, theta, n_steps, n_winners, radius=0, padding=0, strict=True, n_seen=0, n_updated=0):
    """Let one layer learn from time maps, image after image.

    For each image: potentials, firing, one spike a position (earliest; largest V; lowest map), up to `n_winners`
    winners (:func:`~firstspike.plasticity.waves.winners.k_winners`), each of which changes its map by `rule`.
    Stops an image as soon as its winners are certain. After the first image with a winner, one update of size zero
    brings the weights of the other maps, too, into the rule's bounds.

    Parameters
    ----------
    times, weights, theta, n_steps, padding, strict
        As in :func:`convolve`; `weights` is not changed.
    rule : object
        With `rates(n, p) -> (a_before, a_after)`, `update(w, before, a_before, a_after, p) -> w` (plain scalar
        functions) and `scalars() -> p`, such as :class:`~firstspike.plasticity.rules.order.OrderSTDP`.
    n_winners, radius : int
        k >= 1 winners an image; positions within `radius` of one are excluded for all maps (0 = none).
    n_seen, n_updated : int
        Counts of earlier calls: learning in two calls equals learning in one.

    Returns
    -------
    Learnt
    """
    times = check_times(times, n_steps)
    weights = check_weights(weights, times.shape[1])
    layer = make_layer(times, weights, theta, n_steps, padding, strict)
    k, radius = at_least("n_winners", n_winners, 1), at_least("radius", radius, 0)
    if hasattr(rule, "validate"):
        rule.validate()
    p = tuple(float(v) for v in finite("scalars of the rule", rule.scalars(), 1))
    counts = np.array([at_least("n_seen", n_seen, 0), at_least("n_updated", n_updated, 0)], np.int64)
    inner = inside(weights, layer.n_lanes)
    winners = np.empty((len(times), k, 4), np.int32)
    loop = specialise(learn_loop, rates=rule.rates, update=rule.update)
    loop(times, inner, layer, radius, p, make_scratch(times.shape[1:], layer), counts, winners)
    return Learnt(outside(inner, weights.shape), int(counts[0]), int(counts[1]), winners)
