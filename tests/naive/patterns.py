"""Random numbers and pattern input in Python's own integers and fractions: no rounding but the stated ones."""

import hashlib
from fractions import Fraction

MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15
TICK = 1e-4 / 2**24
# Coefficients of the polynomial in y for ln((y + 3) / 2): the definition of the variate, given as numbers.
LOG = (
    0.4054651081081642,
    0.3333330877716858,
    -0.055555481596974626,
    0.012348930681130247,
    -0.0030873989768643167,
    0.0008115560032203676,
    -0.00022516488894034348,
    7.998577931319961e-05,
    -2.3463300979942767e-05,
)
LN2 = 0.6931471805599453


def stream(seed, name):
    d = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
    return int.from_bytes(d[:8], "little"), int.from_bytes(d[8:], "little")


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def bits(key, counter):
    return mix(mix((key[0] + counter * GAMMA) & MASK) ^ key[1])


def split(key, entity):
    e = entity + 1
    return mix(key[0] ^ (e * 0xD1342543DE82EF95 & MASK)), mix((key[1] + e * 0x2545F4914F6CDD1D) & MASK)


def fma(a, b, c):
    return float(Fraction(a) * Fraction(b) + Fraction(c))


def exponential(b):
    """-ln((2 r + 1) / 2**33) of the low 32 bits r, in the prescribed order of operations."""
    x = 2 * (b & 0xFFFFFFFF) + 1
    e = x.bit_length() - 1
    y = float(Fraction(x, 2**e) * 2 - 3)
    y2 = y * y
    y4 = y2 * y2
    c = LOG
    high = fma(y4, c[8], fma(y2, fma(y, c[7], c[6]), fma(y, c[5], c[4])))
    low = fma(y2, fma(y, c[3], c[2]), fma(y, c[1], c[0]))
    return fma(float(e + 1023), -LN2, (33 + 1023) * LN2 + 5e-8) - fma(y4, high, low)


def pooled(key, length, gap, n):
    """Spikes (tick, afferent) on [0, length), by time and afferent."""
    spikes, time, k = [], 0, 0
    while True:
        b = bits(key, k)
        k += 1
        time += round(min(exponential(b) * gap, 2.0**51))  # half to even
        if time >> 8 >= length:
            return sorted(spikes)
        spikes.append((time >> 8, (b >> 32) * n >> 32))


def moved(key, spikes, half, length):
    """Two lags of each draw: of 128 spikes the first 64 take the high halves, the others the low halves."""
    kept = []
    for k, (t, i) in enumerate(spikes):
        b = bits(key, k // 128 * 64 + k % 64)
        u = b >> 32 if k % 128 < 64 else b & 0xFFFFFFFF
        lag = round(max(0.0, fma(u + 0.5, 2.0 * half / 2.0**32, -0.5))) - half
        if -half <= t + lag < length + half:
            kept.append((t + lag, i))
    return kept


def period(seed, n, rate, n_patterns, duration, jitter, length, number, fresh=False):
    """Times (s) and afferents of one period."""
    L, T, Tp = (round(x / TICK) for x in (duration, jitter, length))
    gap = 2.0**8 / (n * rate * TICK)
    spikes = pooled(split(stream(seed, "background"), number), Tp - L - 2 * T, gap, n)
    if fresh:
        pattern = pooled(split(stream(seed, "fresh"), number), L, gap, n)
    else:
        pattern = pooled(split(stream(seed, "pattern"), number % n_patterns), L, gap, n)
    padding = pooled(split(stream(seed, "padding"), number), 4 * T, gap, n)
    padding = [(t - 2 * T if t < 2 * T else t - 2 * T + L, i) for t, i in padding]
    key = split(stream(seed, "jitter"), number)
    block = sorted(moved(split(key, 0), pattern, T, L) + moved(split(key, 1), padding, T, L))
    spikes += [(Tp - L - T + t, i) for t, i in block]
    return [(number * Tp + t) * TICK for t, _ in spikes], [i for _, i in spikes]
