"""Slots, plainly: which slots are chosen, and what the wandering rates are, one afferent and step at a time."""


def chosen(u, share):
    """Indices of chosen slots from one uniform number a slot."""
    accept, out, k = 1 / (1 / share - 1), [], 0
    while k < len(u):
        if u[k] < accept:
            out.append(k)
            k += 2
        else:
            k += 1
    return out


def wander(rate, slope, last, draws, highest, step=1e-3, silence=50):
    """Steps in which one afferent fires; rate (Hz), slope (Hz/s), draws: (u of the spike, U(-1, 1)) of each step."""
    steepest, fired = highest / (silence * step), []
    for k, (u, change) in enumerate(draws):
        if u < rate * step or k - last > silence:
            fired.append(k)
            last = k
        rate = min(max(rate + slope * step, 0.0), highest)
        slope = min(max(slope + 0.2 * change * steepest, -steepest), steepest)
    return fired


def measures(spikes, shown, length, first, last, n_patterns):
    """Of one neuron: hits, presentations, mean latency of each pattern, false alarms; spikes (s)."""
    hits, shows, lags, false = [0] * n_patterns, [0] * n_patterns, [[] for _ in range(n_patterns)], 0
    for k in range(first, last):
        inside = [t - k * length for t in spikes if k * length <= t < (k + 1) * length]
        p = shown[k % len(shown)]
        if p < 0:
            false += len(inside)
            continue
        shows[p] += 1
        if inside:
            hits[p] += 1
            lags[p].append(min(inside))
    return hits, shows, [sum(x) / len(x) if x else float("inf") for x in lags], false
