"""The loop of the spike-response neuron for one neuron a run: potential, threshold and weights stay in registers.

Equations and order are those of ``srm_loops.walk``, and so are the bits.
"""

import numpy as np

from ...runtime.ieee import fma
from .srm_loops import DONE, N_OUT, SEGMENT, earliest, exp, fade, fill, first_from, listen, no, on_post, on_pre, reset

has_pre = has_post = nearest = reduced = no
__all__ = ["walk_one"]


def walk_one(first, last_run, state, chunk, neuron, theta, inhibition, rows, out, cursor):
    """As ``srm_loops.walk``, for one neuron a run; `inhibition` is not looked at."""
    n, unfinished, factors = theta.size, 0, np.empty((3, SEGMENT))
    bar, gain = np.empty(n), np.empty(n)
    decay, fall, limit = factors[0], factors[1], factors[2]
    for r in range(first, last_run):
        q = r if chunk.times.shape[0] > 1 else 0
        w, a, b, last, trace = state.weights[r], state.a[r], state.b[r], state.last[r], state.trace[r]
        post, post_trace, wake = state.post[r], state.post_trace[r], state.wake[r]
        start = end = cursor[r, DONE]
        n_out, j, count, full = 0, 0, chunk.counts[q], False
        times, units = chunk.times[q, :0], chunk.units[q, :0]
        before = state.time[r] if start == 0 else chunk.times[q, start - 1]  # time of the input before the segment
        while True:
            if start + j == end and end < count:
                before = chunk.times[q, end - 1] if end > 0 else before
                start, end, j = end, min(end + SEGMENT, count), 0
                times, units = chunk.times[q, start:end], chunk.units[q, start:end]
                fill(before, times, neuron, decay, fall, limit)
            over = j == times.size
            now, t = times[j - 1] if j > 0 else before, chunk.stop if over else times[j]
            if over and not t > now:
                break
            # Until the next end of a refractory time nothing changes about who listens.
            awake = listen(t, wake, theta, bar, gain)
            k, ahead = np.uint64(j), np.uint64(times.size if awake == np.inf else first_from(times, j, awake))
            u, v, h, g, row, since, rule = a[0], b[0], bar[0], gain[0], w[0], post[0], rows[0]
            while k < ahead:
                i = units[k]
                x = row[i] * g
                un, vn = fma(u, decay[k], x), fma(v, fall[k], -x)
                if un + vn >= h * limit[k]:
                    break
                u, v = un, vn
                if has_pre() and (not reduced() or last[i] < since):
                    lag = times[k] - since
                    if not reduced() or lag <= neuron.far_minus:
                        y = post_trace[0] * exp(lag * neuron.rate_minus) if lag <= neuron.far_minus else 0.0
                        row[i] = on_pre(row[i], y, rule)
                if has_post() and not nearest():
                    lag = times[k] - last[i]
                    trace[i] = 1.0 + (trace[i] * exp(lag * neuron.rate_plus) if lag <= neuron.far_plus else 0.0)
                last[i] = times[k]
                k += np.uint64(1)
            a[0], b[0] = u, v
            if k < ahead:
                t = times[k]
            elif not over:
                j = np.int64(k)
                continue
            j, full = np.int64(k), n_out + n > out.shape[1]
            if full:
                break
            now = times[j - 1] if j > 0 else before
            d, who = earliest(a, b, bar, t - now, neuron)
            while who >= 0:
                fade(a, b, d, neuron)
                now += d
                if has_post():
                    since, p, row = post[who], rows[who], w[who]
                    for i in range(last.size):
                        lag = now - last[i]
                        x = exp(lag * neuron.rate_plus) * (1.0 if nearest() else trace[i])
                        new = on_post(row[i], x if lag <= neuron.far_plus else 0.0, p)
                        row[i] = new if not reduced() or (last[i] >= since) & (lag <= neuron.far_plus) else row[i]
                old = 0.0 if nearest() else post_trace[who] * exp((now - post[who]) * neuron.rate_minus)
                post[who], post_trace[who], bar[who] = now, 1.0 + old, np.inf
                reset(who, now, a, b, wake, theta, inhibition[r], neuron)
                out[r, n_out, 0], out[r, n_out, 1] = now, who
                n_out += 1
                d, who = earliest(a, b, bar, t - now, neuron)
            fade(a, b, t - now, neuron)
            if over:
                before, j, times = t, 0, times[:0]
            else:  # the input at t is still to come, without a decay before it
                decay[j], fall[j], limit[j] = 1.0, 1.0, np.inf
        cursor[r, DONE], cursor[r, N_OUT] = start + j if full else count, n_out
        if full:
            unfinished += 1
        else:
            state.time[r] = now
    return unfinished
