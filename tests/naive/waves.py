"""Slow oracles of the one-spike engine: dense waves, loops over neurons, float64. NumPy only."""

import numpy as np


def dog(size, s1, s2):
    r = size // 2
    k = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            d = (i - r) ** 2 + (j - r) ** 2
            k[i, j] = np.exp(-d / (2 * s1 * s1)) / (2 * np.pi * s1 * s1) - np.exp(-d / (2 * s2 * s2)) / (
                2 * np.pi * s2 * s2
            )
    k = k - k.mean()
    return k / k.max()


def correlate(image, kernel, padding):
    image = np.pad(np.asarray(image, float), padding)
    n = kernel.shape[0]
    out = np.zeros((image.shape[0] - n + 1, image.shape[1] - n + 1))
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = (image[y : y + n, x : x + n] * kernel).sum()
    return out


def local_normalise(maps, radius):
    out = np.zeros_like(maps)
    for c in range(maps.shape[0]):
        padded = np.pad(maps[c], radius)
        for y in range(maps.shape[1]):
            for x in range(maps.shape[2]):
                window = padded[y : y + 2 * radius + 1, x : x + 2 * radius + 1]
                out[c, y, x] = maps[c, y, x] / (window.sum() / (2 * radius + 1) ** 2 + 1e-12)
    return out


def lateral(maps, factors, mode):
    radius = len(factors)
    out = np.zeros_like(maps)
    for c, y, x in np.ndindex(*maps.shape):
        total = 0.0
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                if dy == 0 and dx == 0:
                    continue
                inside = 0 <= y + dy < maps.shape[1] and 0 <= x + dx < maps.shape[2]
                other = maps[c, y + dy, x + dx] if inside else 0.0
                p = factors[max(abs(dy), abs(dx)) - 1]
                if mode == "delay" and other > maps[c, y, x]:
                    total += p
                if mode == "spyketorch" and other < maps[c, y, x]:
                    total += p
        out[c, y, x] = maps[c, y, x] / (1 + total) if mode == "delay" else maps[c, y, x] * (1 + total)
    return out


def pool_intensities(maps, window, stride, padding):
    padded = np.pad(maps, ((0, 0), (padding, padding), (padding, padding)))
    oh, ow = ((s - window) // stride + 1 for s in padded.shape[1:])
    out = np.empty((len(maps), oh, ow))
    for y in range(oh):
        for x in range(ow):
            out[:, y, x] = padded[:, y * stride : y * stride + window, x * stride : x * stride + window].max((1, 2))
    return out


def strongest_map(maps):
    out = np.zeros_like(maps)
    for y in range(maps.shape[1]):
        for x in range(maps.shape[2]):
            c = max(range(len(maps)), key=lambda c: (maps[c, y, x], -c))
            out[c, y, x] = maps[c, y, x]
    return out


def rank_code(intensities, n_steps, bins):
    flat = intensities.ravel()
    ranked = sorted((i for i in range(flat.size) if flat[i] > 0), key=lambda i: (-flat[i], i))
    times = np.full(flat.size, n_steps)
    for r, i in enumerate(ranked):
        if bins == "equal":
            times[i] = r * n_steps // len(ranked)
        else:
            block = len(ranked) // n_steps
            if r < block * n_steps:
                times[i] = r // block
    return times.reshape(intensities.shape)


def potentials(times, weights, n_steps, padding=0):
    """V (T, F, OH, OW) of one map (C, H, W): the full convolution of the cumulative wave at every step."""
    tau = np.pad(np.asarray(times, int), ((0, 0), (padding, padding), (padding, padding)), constant_values=n_steps)
    f, _, kh, kw = weights.shape
    oh, ow = tau.shape[1] - kh + 1, tau.shape[2] - kw + 1
    v = np.zeros((n_steps, f, oh, ow))
    for t in range(n_steps):
        wave = (tau <= t).astype(float)
        for y in range(oh):
            for x in range(ow):
                v[t, :, y, x] = (weights * wave[:, y : y + kh, x : x + kw]).sum((1, 2, 3))
    return v


def fire(v, theta, strict=True):
    """Times and values (F, OH, OW) of the first crossing."""
    n_steps = v.shape[0]
    if theta is None:
        on = v[-1] > 0
        return np.where(on, n_steps - 1, n_steps), np.where(on, v[-1], 0.0)
    above = v > theta if strict else v >= theta
    times = np.where(above.any(0), above.argmax(0), n_steps)
    values = np.take_along_axis(v, np.minimum(times, n_steps - 1)[None], 0)[0]
    return times, np.where(times < n_steps, values, 0.0)


def pool(times, n_steps, window, stride, padding):
    tau = np.pad(times, ((0, 0), (padding, padding), (padding, padding)), constant_values=n_steps)
    oh, ow = ((s - window) // stride + 1 for s in tau.shape[1:])
    out = np.empty((tau.shape[0], oh, ow), int)
    for y in range(oh):
        for x in range(ow):
            out[:, y, x] = tau[:, y * stride : y * stride + window, x * stride : x * stride + window].min((1, 2))
    return out


def pool_potentials(v, window, stride, padding):
    (kh, kw), (sh, sw), (ph, pw) = window, stride, padding
    oh, ow = (v.shape[1] + 2 * ph - kh) // sh + 1, (v.shape[2] + 2 * pw - kw) // sw + 1
    out = np.full((v.shape[0], oh, ow), -np.inf)
    for f, y, x in np.ndindex(*out.shape):
        for i, j in np.ndindex(kh, kw):
            a, b = y * sh + i - ph, x * sw + j - pw
            if 0 <= a < v.shape[1] and 0 <= b < v.shape[2]:
                out[f, y, x] = max(out[f, y, x], v[f, a, b])
    return out


def count_spikes(times, n_steps):
    counts = np.zeros((times.shape[0], n_steps), int)
    for c, y, x in np.ndindex(*times.shape):
        if times[c, y, x] < n_steps:
            counts[c, times[c, y, x]] += 1
    return counts


def decide(times, values, n_steps, classes):
    spikes = [(times[i], -values[i], i) for i in np.ndindex(*times.shape) if times[i] < n_steps]
    return classes[min(spikes)[2][0]] if spikes else -1


def pointwise(times, values, n_steps):
    out, kept = np.full_like(times, n_steps), np.zeros_like(values)
    for y in range(times.shape[1]):
        for x in range(times.shape[2]):
            f = min(range(times.shape[0]), key=lambda f: (times[f, y, x], -values[f, y, x], f))
            out[f, y, x], kept[f, y, x] = times[f, y, x], values[f, y, x]
    return out, kept


def k_winners(times, values, n_steps, k, radius):
    left = [i for i in np.ndindex(*times.shape) if times[i] < n_steps]
    winners = []
    while left and len(winners) < k:
        f, y, x = min(left, key=lambda i: (times[i], -values[i], i))
        winners.append([f, y, x, times[f, y, x]])
        left = [i for i in left if i[0] != f]
        if radius > 0:
            left = [i for i in left if abs(i[1] - y) > radius or abs(i[2] - x) > radius]
    return winners


def stdp(weights, times, winner, n_steps, rates, bounds=(0.0, 1.0), stabiliser=True, padding=0):
    """New kernel (C, KH, KW) of the winner's map."""
    f, y, x, t = winner
    tau = np.pad(np.asarray(times, int), ((0, 0), (padding, padding), (padding, padding)), constant_values=n_steps)
    w = weights[f]
    before = tau[:, y : y + w.shape[1], x : x + w.shape[2]] <= t
    a = np.where(before, rates[0], rates[1])
    if stabiliser:
        a = a * (w - bounds[0]) * (bounds[1] - w)
    return np.clip(w + a, *bounds)


def learn(times, weights, n_steps, theta, k, radius, padding, schedule, bounds=(0.0, 1.0), strict=True):
    """Weights after learning all of `times` (N, C, H, W), winners of each image; schedule(n) -> rates, n = 1, 2, ..."""
    weights, all_winners, updated = weights.astype(np.float32), [], False
    for n, tau in enumerate(times, 1):
        v = potentials(tau, weights.astype(float), n_steps, padding)
        winners = k_winners(*pointwise(*fire(v, theta, strict), n_steps), n_steps, k, radius)
        before = weights.copy()
        for w in winners:
            weights[w[0]] = stdp(before.astype(float), tau, w, n_steps, schedule(n), bounds, padding=padding)
        if winners and not updated:
            weights, updated = np.clip(weights, *bounds), True
        all_winners.append(winners)
    return weights, all_winners


def backproject(patterns, layers):
    """Patterns (C, h, w) through a list of ("pool", window, stride) and ("conv", weights)."""
    step = 1
    for layer in layers:
        c, h, w = patterns.shape
        if layer[0] == "pool":
            _, window, stride = layer
            size_y, size_x = h + (window - 1) * step, w + (window - 1) * step
            new = np.zeros((c, size_y, size_x))
            top, left = size_y // 2 - h // 2, size_x // 2 - w // 2
            new[:, top : top + h, left : left + w] = patterns
            step *= stride
        else:
            weights = layer[1]
            f, _, kh, kw = weights.shape
            new = np.zeros((f, h + (kh - 1) * step, w + (kw - 1) * step))
            for m, i, j in np.ndindex(f, kh, kw):
                stamp = (patterns * weights[m, :, i, j][:, None, None]).max(0)
                new[m, i * step : i * step + h, j * step : j * step + w] += stamp
            new = np.maximum(new, 0)
        patterns = new
    return patterns
