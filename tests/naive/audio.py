"""WAV files byte by byte and mel frames loop by loop, from their definitions (small inputs only)."""

import cmath
import math
import struct


def wav(samples, rate=8000, bits=16, channels=1, kind=1):
    """Bytes of a WAV file. samples: raw numbers, channels interleaved; kind 1 = integers, 3 = floats."""
    width = bits // 8
    if kind == 3:
        body = b"".join(struct.pack("<f" if bits == 32 else "<d", s) for s in samples)
    elif bits == 8:
        body = bytes(samples)
    else:
        body = b"".join(int(s).to_bytes(width, "little", signed=True) for s in samples)
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * channels * width, channels * width, bits)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(body)) + body
    chunks += b"\0" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def frames(x, n_fft, hop, centred):
    """Frames as lists of samples."""
    x = list(x)
    if centred:
        half = n_fft // 2
        x = [x[k] for k in range(half, 0, -1)] + x + [x[len(x) - 1 - k] for k in range(1, half + 1)]
    while len(x) < n_fft:
        x.append(0.0)
    count = (len(x) - n_fft) // hop + 1
    return [x[f * hop : f * hop + n_fft] for f in range(count)]


def power(frame):
    """|DFT of the windowed frame|^2 of bins 0..n/2."""
    n = len(frame)
    out = []
    for b in range(n // 2 + 1):
        total = 0j
        for s in range(n):
            hann = (1 - math.cos(2 * math.pi * s / n)) / 2
            total += hann * frame[s] * cmath.exp(-2j * math.pi * b * s / n)
        out.append(abs(total) ** 2)
    return out


def mel(f):
    return 2595 * math.log10(1 + f / 700)


def hertz(m):
    return 700 * (10 ** (m / 2595) - 1)


def triangle(f, left, top, right):
    if left < f <= top:
        return (f - left) / (top - left)
    if top < f < right:
        return (right - f) / (right - top)
    return 0.0


def band_power(x, rate, n_fft, hop, n_bands, f_min, f_max, centred):
    """Power (frames, bands) as nested lists."""
    step = (mel(f_max) - mel(f_min)) / (n_bands + 1)
    edges = [hertz(mel(f_min) + k * step) for k in range(n_bands + 2)]
    out = []
    for frame in frames(x, n_fft, hop, centred):
        p = power(frame)
        row = []
        for m in range(n_bands):
            row.append(sum(p[b] * triangle(b * rate / n_fft, *edges[m : m + 3]) for b in range(len(p))))
        out.append(row)
    return out


def onset_events(band, levels, span_db):
    """Sorted list of (frame, unit) from band powers (frames, bands)."""
    loud = [[10 * math.log10(p + 1e-10) for p in row] for row in band]
    top = max(max(row) for row in loud)
    v = [[max(0.0, 1 + (value - top) / span_db) for value in row] for row in loud]
    events = []
    for f in range(len(v)):
        for k, level in enumerate(levels):
            for m in range(len(v[f])):
                before = v[f - 1][m] if f else 0.0
                if before < level <= v[f][m]:
                    events.append((f, k * len(v[f]) + m))
    return sorted(events)
