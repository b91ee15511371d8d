"""Loops of layers with delays that walk the spikes: whole kernels, or single taps, added at each spike.

Kernels are (I, k, O) in the order of lags, so that a spike of input i at step t adds k O numbers that lie next to each
other, y[b, t : t + k, :] += x K[i]. Four spikes are added in one pass: y is read and written a quarter as often. Sums
run in the order of (step, input) of each sample alone, so a sample does not depend on those beside it.
"""

import numpy as np

from ...runtime.jit import kernel

_FAST = {"contract", "nsz", "arcp"}


@kernel(fastmath=_FAST)
def _add1(y, a, u):
    for j in range(y.size):
        y[j] += a * u[j]


@kernel(fastmath=_FAST)
def _add4(y, a, u, b, v, c, w, d, z):
    for j in range(y.size):
        y[j] += (a * u[j] + b * v[j]) + (c * w[j] + d * z[j])


@kernel(fastmath=_FAST)
def _add_rows(y, values, rows, table, n):
    """Y += sum of values[e] table[rows[e]], e < n."""
    e = 0
    while e + 4 <= n:
        i, j, k, m = rows[e], rows[e + 1], rows[e + 2], rows[e + 3]
        _add4(y, values[e], table[i], values[e + 1], table[j], values[e + 2], table[k], values[e + 3], table[m])
        e += 4
    while e < n:
        _add1(y, values[e], table[rows[e]])
        e += 1


@kernel
def spikes(row, index, value):
    """Places and values of what is not 0 in `row`; how many. Without a branch in the loop over all."""
    n = 0
    for i in range(row.size):
        index[n] = i
        n += row[i] != 0
    for e in range(n):
        value[e] = row[index[e]]
    return n


@kernel
def _copy(out, n, y):
    for t in range(out.shape[0]):
        row, source = out[t, n], y[t]
        for o in range(row.size):
            row[o] = source[o]


@kernel(fastmath=_FAST)
def scatter(x, kernels, first, last, out):
    """Samples first..last of y (T_out, N, O) from x (T, N, I); rows of `kernels` (I, k, O) are added at each spike."""
    n_inputs, k, n_outputs = kernels.shape
    table = kernels.reshape(n_inputs, k * n_outputs)
    y = np.empty((out.shape[0] + k, n_outputs), out.dtype)  # room for what arrives too late
    flat = y.reshape(-1)
    index, value = np.empty(n_inputs, np.int64), np.empty(n_inputs, out.dtype)
    for n in range(first, last):
        flat[:] = 0
        for t in range(x.shape[0]):
            count = spikes(x[t, n], index, value)
            _add_rows(flat[t * n_outputs : (t + k) * n_outputs], value, index, table, count)
        _copy(out, n, y)


@kernel(fastmath=_FAST)
def scatter_taps(x, weight, offset, k, first, last, out):
    """As :func:`scatter` with one tap a synapse: offset (M, I, O) is lag * O + output, weight (M, I, O)."""
    n_outputs = weight.shape[2]
    y = np.empty((out.shape[0] + k, n_outputs), out.dtype)
    flat = y.reshape(-1)
    index, value = np.empty(weight.shape[1], np.int64), np.empty(weight.shape[1], out.dtype)
    for n in range(first, last):
        flat[:] = 0
        for t in range(x.shape[0]):
            count = spikes(x[t, n], index, value)
            z = flat[t * n_outputs : (t + k) * n_outputs]
            for e in range(count):
                for m in range(weight.shape[0]):
                    w, where, v = weight[m, index[e]], offset[m, index[e]], value[e]
                    for o in range(w.size):
                        z[where[o]] += v * w[o]
        _copy(out, n, y)


@kernel
def late_rows(dy, k, first, last, out):
    """Samples first..last of dy (T_out, N, O) as `out` (N, T_out + k, O), zeros at the end."""
    for n in range(first, last):
        for t in range(dy.shape[0]):
            row, source = out[n, t], dy[t, n]
            for o in range(row.size):
                row[o] = source[o]
        out[n, dy.shape[0] :] = 0


@kernel
def by_input(x, first, last, start, step, value):
    """Steps and values of what is not 0 of the samples first..last of x (T, N, I), input after input, in order of time.

    Those of input i of sample n are the places start[n, i] .. start[n, i + 1] of step[n] and value[n].
    """
    index, found = np.empty(x.shape[2], np.int64), np.empty(x.shape[2], value.dtype)
    for n in range(first, last):
        count = start[n]
        count[:] = 0
        for t in range(x.shape[0]):
            row = x[t, n]
            for i in range(row.size):
                count[i + 1] += row[i] != 0
        for i in range(x.shape[2]):
            count[i + 1] += count[i]
        for t in range(x.shape[0]):
            for e in range(spikes(x[t, n], index, found)):
                i = index[e]
                step[n, count[i]] = t
                value[n, count[i]] = found[e]
                count[i] += 1
        for i in range(x.shape[2], 0, -1):  # filling moved each start to the next one's place
            count[i] = count[i - 1]
        count[0] = 0


@kernel(fastmath=_FAST)
def correlate(starts, steps, values, late, first, last, out):
    """Gradients of the kernels (I, k, O) of the inputs first..last from spikes of :func:`by_input`.

    `late` is dy as of :func:`late_rows`.
    """
    k, n_outputs = out.shape[1], out.shape[2]
    size = k * n_outputs
    out[first:last] = 0
    for n in range(len(starts)):
        y, step, value = late[n].reshape(-1), steps[n], values[n]
        for i in range(first, last):
            g = out[i].reshape(-1)
            e, count = starts[n, i], starts[n, i + 1]
            while e + 4 <= count:
                a, b, c, d = (
                    step[e] * n_outputs,
                    step[e + 1] * n_outputs,
                    step[e + 2] * n_outputs,
                    step[e + 3] * n_outputs,
                )
                u, v, w, z = y[a : a + size], y[b : b + size], y[c : c + size], y[d : d + size]
                _add4(g, value[e], u, value[e + 1], v, value[e + 2], w, value[e + 3], z)
                e += 4
            while e < count:
                a = step[e] * n_outputs
                _add1(g, value[e], y[a : a + size])
                e += 1


@kernel(fastmath=_FAST)
def correlate_taps(starts, steps, values, late, offset, first, last, out):
    """Gradients (M, I, O) of the weights of single taps; offsets as in :func:`scatter_taps`."""
    n_outputs = out.shape[2]
    out[:, first:last] = 0
    for n in range(len(starts)):
        y = late[n].reshape(-1)
        for i in range(first, last):
            for e in range(starts[n, i], starts[n, i + 1]):
                z, v = y[steps[n, e] * n_outputs :], values[n, e]
                for m in range(out.shape[0]):
                    g, where = out[m, i], offset[m, i]
                    for o in range(g.size):
                        g[o] += v * z[where[o]]
