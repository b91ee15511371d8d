"""One-spike neurons in fully connected layers, by their definition: every potential at every step, every sum a loop."""

import numpy as np


def fire(times, weights, theta, n_steps, scale=1.0):
    """Firing times of one layer and its potentials (H, T + 1)."""
    steps = np.arange(n_steps + 1)
    v = scale * np.array(
        [[sum(w for w, t in zip(row, times, strict=True) if t <= s) for s in steps] for row in weights]
    )
    out = []
    for row in v:
        crossed = [t for t in range(n_steps) if row[t] > theta]
        out.append(min(crossed[0] + 1, n_steps) if crossed else n_steps)
    return np.array(out), v


def forward(times, weights, thetas, n_steps, scales=None):
    """Times of the input and of each layer, and the last layer's potentials."""
    layers = [np.asarray(times)]
    for i, (w, theta) in enumerate(zip(weights, thetas, strict=True)):
        out, v = fire(layers[-1], w, theta, n_steps, 1.0 if scales is None else scales[i])
        layers.append(out)
    return layers, v


def answer(out, v, n_steps):
    """Class by potential, and the classes that fired first together (none if all are silent)."""
    first = out.min()
    if first == n_steps:
        return int(v[:, n_steps - 3].argmax()), []
    tied = [c for c in range(len(out)) if out[c] == first]
    return max(tied, key=lambda c: (v[c, first - 1], -c)), tied


def targets(out, label, gap, silent_gap, n_steps, label_limit=10**6, lead=0):
    """Times that the outputs should have had."""
    first, wanted = out.min(), out.copy()
    if first == n_steps:
        wanted[label] = n_steps - silent_gap
        return wanted
    for c in range(len(out)):
        if out[c] - first < gap:
            wanted[c] = min(first + gap, n_steps)
    ahead = min(out[c] for c in range(len(out)) if c != label) - lead
    wanted[label] = max(min(out[label], ahead), out[label] - label_limit)
    return wanted


def unit(x):
    """x / |x|, or 0."""
    norm = np.sqrt((x * x).sum())
    return x / norm if norm > 0 else np.zeros_like(x)


def errors(layers, weights, label, how, n_steps):
    """Normalised errors of all layers with the weights as they are, from the last layer to the first."""
    e = unit((targets(layers[-1], label, *how[:2], n_steps, *how[2:]) - layers[-1]) / n_steps)
    out = [e]
    for layer in range(len(weights) - 1, 0, -1):
        e = below(e, weights[layer], layers[layer], layers[layer + 1])
        out.append(e)
    return out[::-1]


def below(delta, w, pre, post):
    """Normalised errors of the layer below."""
    out = np.zeros(len(pre))
    for h in range(len(pre)):
        for c in range(len(post)):
            out[h] += delta[c] * w[c, h] * (pre[h] < post[c])
    return unit(out)


def step(times, label, weights, thetas, n_steps, how, eta, decay, updated=True):
    """One published step, eager decay; new weights, and the times."""
    layers, _ = forward(times, weights, thetas, n_steps)
    new = [w.copy() for w in weights]
    old = errors(layers, weights, label, how, n_steps)
    delta = old[-1]
    for i in range(len(weights) - 1, -1, -1):
        mask = layers[i][None, :] < layers[i + 1][:, None]
        new[i] -= eta[i] * delta[:, None] * mask
        new[i] -= eta[i] * decay[i] * new[i]
        if i:
            delta = below(delta, new[i], layers[i], layers[i + 1]) if updated else old[i - 1]
    return new, layers


def binary_step(times, label, weights, alpha, thetas, n_steps, how, eta, eta_alpha):
    """One step of binary layers: real weights and scales change, signs work."""
    signs = [np.where(w >= 0, 1.0, -1.0) for w in weights]
    layers, _ = forward(times, signs, thetas, n_steps, alpha)
    new, delta = [w.copy() for w in weights], errors(layers, weights, label, how, n_steps)[-1]
    pulls = [0.0] * len(weights)
    for i in range(len(weights) - 1, -1, -1):
        mask = layers[i][None, :] < layers[i + 1][:, None]
        new[i] -= eta * delta[:, None] * mask
        pulls[i] = (delta[:, None] * mask * np.where(new[i] >= 0, 1.0, -1.0)).mean()
        if i:
            delta = below(delta, new[i], layers[i], layers[i + 1])
    return new, [a - eta_alpha * p for a, p in zip(alpha, pulls, strict=True)], layers
