"""Binary layers of one-spike neurons with a bit a synapse: 64 neurons are counted at a time.

A neuron has heard n spikes, p of them through +1. It fires if

    V = a (2 p - n) > theta  <=>  p > c = floor((floor(theta / a) + n) / 2)

Counts p of 64 neurons stand in words, one for each binary digit; adding a row of bits is

    for each digit d:  carry, d <- d and carry, d xor carry        until nothing is carried

and p > c is decided digit after digit from the highest. Same answers as with int8 weights, a sixteenth of the memory
traffic. Kheradpisheh, Mirsadeghi & Masquelier 2021, doi 10.1007/s11063-021-10680-x.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import kernel

__all__ = ["Bits", "decide_packed", "make_bits"]

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


class Bits(NamedTuple):
    """Layers of bits; W words hold the neurons of a layer."""

    rows: np.ndarray  # uint64: all layers, one after the other, each (pre, W)
    sizes: np.ndarray  # (L + 1)
    words: np.ndarray  # (L) W
    at_row: np.ndarray  # (L) where a layer's rows begin
    at_word: np.ndarray  # (L + 1) where its neurons begin
    limits: np.ndarray  # (L) floor(theta / a)


def make_bits(signs, sizes, limits):
    """:class:`Bits` from flat int8 signs, each layer (pre, post)."""
    sizes = np.asarray(sizes, np.int64)
    words, rows, at = -(-sizes[1:] // 64), [], 0
    for pre, post, w in zip(sizes[:-1], sizes[1:], words, strict=True):
        part = np.zeros((pre, 64 * w), np.uint8)
        part[:, :post] = signs[at : at + pre * post].reshape(pre, post) > 0
        rows.append(np.packbits(part, axis=1, bitorder="little").view("<u8").astype(np.uint64).reshape(-1))
        at += pre * post
    at_row = np.concatenate([[0], np.cumsum(sizes[:-1] * words)])[:-1]
    limits = np.floor(np.asarray(limits, float)).astype(np.int64)
    return Bits(np.concatenate(rows), sizes, words, at_row, np.concatenate([[0], np.cumsum(words)]), limits)


@kernel
def _add_bits(digits, row, carry):
    """Add a row of bits to the counts (D, W)."""
    carry[:] = row
    for d in range(digits.shape[0]):
        digit, rest = digits[d], np.uint64(0)
        for w in range(carry.size):
            both = digit[w] & carry[w]
            digit[w] ^= carry[w]
            carry[w] = both
            rest |= both
        if rest == 0:
            break


@kernel
def _above(digits, c, awake, equal, out):
    """Bits of the neurons among `awake` whose count is > c; returns whether there are any."""
    n_digits, found = digits.shape[0], np.uint64(0)
    out[:] = 0
    if c >> n_digits:
        return False
    equal[:] = _ALL
    for d in range(n_digits - 1, -1, -1):
        digit = digits[d]
        if (c >> d) & 1:
            for w in range(out.size):
                equal[w] &= digit[w]
        else:
            for w in range(out.size):
                out[w] |= equal[w] & digit[w]
                equal[w] &= ~digit[w]
    for w in range(out.size):
        out[w] &= awake[w]
        found |= out[w]
    return found != 0


@kernel
def _fire(crossed, awake, order, n):
    """Neurons whose bit is set fire and take no more part; returns how many have fired so far."""
    for w in range(crossed.size):
        x = crossed[w]
        awake[w] &= ~x
        bit = 0
        while x:
            if x & _ONE:
                order[n] = 64 * w + bit
                n += 1
            x >>= _ONE
            bit += 1
    return n


@kernel
def _count(digits, j):
    """Count of one neuron."""
    total = 0
    for d in range(digits.shape[0]):
        total |= np.int64((digits[d, j >> 6] >> np.uint64(j & 63)) & _ONE) << d
    return total


@kernel
def decide_packed(index, step, start, bits, settings, answer, time, spikes):
    """As :func:`~firstspike.plasticity.waves.dense_cpu.decide_many`, for :class:`Bits`."""
    n_steps, stop, read = settings
    n_layers, n_digits, at = bits.words.size, 1, bits.at_word
    out, last = n_layers - 1, max(stop - 1, read)
    while bits.sizes[:-1].max() >> n_digits:
        n_digits += 1
    memory, awake = np.empty(n_digits * at[n_layers], np.uint64), np.empty(at[n_layers], np.uint64)
    order, first = np.empty(64 * at[n_layers], np.uint16), 64 * at
    carry, equal, crossed = np.empty_like(awake), np.empty_like(awake), np.empty_like(awake)
    heard, fired, n_spikes = np.zeros(n_layers, np.int64), np.zeros(n_layers, np.int64), np.zeros(n_layers, np.int64)
    held, best = memory[n_digits * at[out] :].reshape(n_digits, bits.words[out]), 0
    final = held.copy()  # counts after step `read`
    for n in range(answer.size):
        ids, times, e, t, decision = index[start[n] : start[n + 1]], step[start[n] : start[n + 1]], 0, 0, n_steps
        memory[:], kept = 0, False
        for layer in range(n_layers):
            heard[layer], fired[layer], n_spikes[layer] = 0, 0, 0
            for j in range(bits.words[layer]):
                left = bits.sizes[layer + 1] - 64 * j
                awake[at[layer] + j] = _ALL if left >= 64 else (_ONE << np.uint64(left)) - _ONE
        while decision == n_steps:
            waiting = False
            for layer in range(out):
                waiting |= heard[layer] < fired[layer]
            if not waiting:
                if e == times.size:
                    break
                t = np.int64(times[e])
            if t > last:
                break
            if t > read and not kept:
                final[:] = held
                kept = True
            for up in range(out, -1, -1):
                a, b, w = at[up], at[up + 1], bits.words[up]
                digits = memory[n_digits * a : n_digits * b].reshape(n_digits, w)
                if up == 0:
                    begin = e
                    while e < times.size and times[e] == t:
                        e += 1
                    now = ids[begin:e]
                else:
                    now = order[first[up - 1] + heard[up - 1] : first[up - 1] + fired[up - 1]]
                    heard[up - 1] = fired[up - 1]
                if now.size == 0 or fired[up] == bits.sizes[up + 1]:
                    continue
                for k in range(now.size):
                    row = bits.at_row[up] + np.int64(now[k]) * w
                    _add_bits(digits, bits.rows[row : row + w], carry[:w])
                n_spikes[up] += now.size
                c = (bits.limits[up] + n_spikes[up]) >> 1
                if t < stop and _above(digits, c, awake[a:b], equal[:w], crossed[:w]):
                    if up == out:
                        decision = t + 1
                        break
                    fired[up] = _fire(crossed[:w], awake[a:b], order[first[up] : first[up + 1]], fired[up])
            t += 1
        while e < times.size and times[e] < decision < n_steps:
            e += 1
        if decision < n_steps or not kept:
            final[:] = held
        best = 0
        for c in range(bits.sizes[out + 1]):
            best = c if _count(final, c) > _count(final, best) else best
            time[n, c] = decision if decision < n_steps and (crossed[c >> 6] >> np.uint64(c & 63)) & _ONE else n_steps
        answer[n] = best
        spikes[n, 0], spikes[n, 1] = decision, e
        for layer in range(out):
            spikes[n, 2 + layer] = fired[layer]
