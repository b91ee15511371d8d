"""Potentials of a layer laid open: at every step or at the end, firing on given potentials, pooling of potentials.

    V_t[f, y, x] = sum over c, i, j of w[f, c, i, j] [tau[c, y + i - p, x + j - p] <= t]         t = 0 .. T-1

:func:`~firstspike.plasticity.waves.conv.convolve` does the same without ever holding V of all steps; what is here is
for looking inside, for readouts of potentials and for firing mechanisms of one's own. Mozafari et al. 2019,
doi 10.3389/fnins.2019.00625.
"""

import numpy as np

from ...runtime.jit import kernel
from ...runtime.spikes import check_times, event_list, time_dtype
from .checks import check_kernel, check_theta, check_weights, finite
from .winners import pool_pairs, pooled_size

__all__ = ["fire", "pool_potentials", "potentials"]


@kernel
def _integrate(c, y, x, offsets, weights, padding, v, out):
    """Add the spikes of one image to `v` (OH, OW, F), step by step; `weights` is (C, KH, KW, F)."""
    n_steps = offsets.size - 1
    for t in range(n_steps):
        for e in range(offsets[t], offsets[t + 1]):
            for ky in range(weights.shape[1]):
                oy = y[e] + padding - ky
                if oy < 0 or oy >= v.shape[0]:
                    continue
                for kx in range(weights.shape[2]):
                    ox = x[e] + padding - kx
                    if ox < 0 or ox >= v.shape[1]:
                        continue
                    for f in range(weights.shape[3]):
                        v[oy, ox, f] += weights[c[e], ky, kx, f]
        if t >= n_steps - out.shape[0]:
            for f in range(v.shape[2]):
                for oy in range(v.shape[0]):
                    for ox in range(v.shape[1]):
                        out[t - n_steps + out.shape[0], f, oy, ox] = v[oy, ox, f]


def potentials(times, weights, n_steps, *, padding=0, every_step=False):
    """Potentials after the last step, or after each.

    Parameters
    ----------
    times : ndarray of int, shape (N, C, H, W)
        Time maps; `n_steps` = silent.
    weights : ndarray of float, shape (F, C, KH, KW)
        Any sign.
    n_steps : int
        T.
    padding : int
        Silent rows and columns around the input.
    every_step : bool
        Give all steps.

    Returns
    -------
    v : ndarray of float32, shape (N, F, OH, OW), or (N, T, F, OH, OW) for all steps

    Raises
    ------
    ValueError
        As :func:`~firstspike.plasticity.waves.conv.convolve`.

    Examples
    --------
    >>> times = np.array([[[[0, 1, 2]]]])
    >>> potentials(times, np.ones((1, 1, 1, 2)), 2, every_step=True)[0, :, 0, 0].tolist()
    [[1.0, 0.0], [2.0, 1.0]]
    """
    times = check_times(times, n_steps)
    weights = check_weights(weights, times.shape[1])
    size = check_kernel(times.shape[2:], weights.shape[2:], padding)
    out = np.empty((len(times), n_steps if every_step else 1, len(weights), *size), np.float32)
    inner = np.ascontiguousarray(weights.transpose(1, 2, 3, 0))
    for n in range(len(times)):
        y, c, x, offsets = event_list(times[n].transpose(1, 0, 2), n_steps)  # the order of sums of `convolve`
        _integrate(c, y, x, offsets, inner, int(padding), np.zeros((*size, len(weights)), np.float32), out[n])
    return out if every_step else out[:, 0]


def fire(v, theta, *, strict=True):
    """First crossings of a threshold by potentials of every step, whatever made them.

    Parameters
    ----------
    v : ndarray of float, shape (N, T, F, H, W)
        Potentials after each step; they may also fall.
    theta : float or None
        Threshold > 0. None: who has V > 0 at the last step fires then.
    strict : bool
        Fire above the threshold (default) or already at it.

    Returns
    -------
    times : ndarray, shape (N, F, H, W)
        Time maps.
    values : ndarray of float32, shape (N, F, H, W)
        V at the step of firing; 0 where silent.

    Examples
    --------
    >>> times, values = fire(np.array([1.0, 3.0, 2.0]).reshape(1, 3, 1, 1, 1), 2.5)
    >>> times.item(), values.item()
    (1, 3.0)
    """
    v = finite("v", v, 5).astype(np.float32)
    n_steps = v.shape[1]
    if n_steps < 1:
        raise ValueError(f"v must have at least one step, got shape {v.shape}")
    theta, last_only = check_theta(theta, strict)
    above = v > theta
    if last_only:
        above[:, :-1] = False
    on = above.any(1)
    first = above.argmax(1)
    values = np.take_along_axis(v, first[:, None], 1)[:, 0]
    return np.where(on, first, n_steps).astype(time_dtype(n_steps)), np.where(on, values, np.float32(0))


def pool_potentials(v, window=None, stride=None, padding=0):
    """Largest potential of each window of (N, F, H, W), or with `window` None of each map: (N, F).

    `window`, `stride` and `padding` are numbers or pairs (rows, columns); the padding counts as minus infinity.

    Examples
    --------
    >>> pool_potentials(np.array([[[[-3.0, -1.0], [-4.0, -2.0]]]])).tolist()
    [[-1.0]]
    """
    v = finite("v", v, 4)
    v = v.astype(np.float32) if v.dtype.kind != "f" else v
    if window is None:
        if min(v.shape[2:]) < 1:
            raise ValueError(f"v must have at least one position, got shape {v.shape}")
        return v.max((2, 3))
    size = pooled_size(v.shape[2:], window, stride, padding)
    (kh, kw), (sh, sw), (ph, pw) = pool_pairs(window, stride, padding)
    padded = np.pad(v, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=-np.inf)
    out = np.full((*v.shape[:2], *size), -np.inf, v.dtype)
    for i in range(kh):
        for j in range(kw):
            part = padded[:, :, i : i + sh * (size[0] - 1) + 1 : sh, j : j + sw * (size[1] - 1) + 1 : sw]
            np.maximum(out, part, out=out)
    return out
