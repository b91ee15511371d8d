"""Layers with delays, loop by loop from the equations, and a small network around them."""

import numpy as np


def layer(K, x):
    """y (T + (k-1)/2, N, O) of kernels K (O, I, k) and x (T, N, I); cell k - 1 - d is the delay d."""
    O, _, k = K.shape
    T, N, _ = x.shape
    y = np.zeros((T + (k - 1) // 2, N, O))
    for t in range(len(y)):
        for d in range(k):
            if 0 <= t - d < T:
                y[t] += x[t - d] @ K[:, :, k - 1 - d].T
    return y


def layer_gradients(K, x, dy):
    """dK and dx of :func:`layer`."""
    k, T = K.shape[2], len(x)
    dK, dx = np.zeros(K.shape), np.zeros(x.shape)
    for t in range(len(dy)):
        for d in range(k):
            if 0 <= t - d < T:
                dK[:, :, k - 1 - d] += dy[t].T @ x[t - d]
                dx[t - d] += dy[t] @ K[:, :, k - 1 - d]
    return dK, dx


def softmax(o):
    e = np.exp(o - o.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def spikes_and_surrogate(z, gamma, beta, lam, alpha=5.0, theta=1.0):
    """Batch norm over (T, N), then the neurons: h, spikes, surrogate slope, what the way back needs."""
    mean, scale = z.mean((0, 1)), 1 / np.sqrt(z.var((0, 1)) + 1e-5)
    xh = (z - mean) * scale
    u, v = gamma * xh + beta, np.zeros(z.shape[1:])
    h, s = np.zeros(z.shape), np.zeros(z.shape)
    for t in range(len(z)):
        h[t] = lam * v + u[t]
        s[t] = h[t] >= theta
        v = (1 - s[t]) * h[t]
    slope = alpha / 2 / (1 + (np.pi * alpha * (h - theta) / 2) ** 2)
    return h, s, slope, (xh, scale)


def through_neurons(ds, h, s, slope, norm, gamma, lam, detach):
    """dz of :func:`spikes_and_surrogate`, and the gradients of gamma and beta."""
    a, r = np.zeros(h.shape), np.zeros(h.shape[1:])
    for t in range(len(h) - 1, -1, -1):
        a[t] = ds[t] * slope[t] + r * (1 - s[t]) - (0 if detach else r * h[t] * slope[t])
        r = lam * a[t]
    xh, scale = norm
    d = gamma * a
    dz = scale * (d - d.mean((0, 1)) - xh * (d * xh).mean((0, 1)))
    return dz, (a * xh).sum((0, 1)), a.sum((0, 1))


def readout(z, lam, labels):
    """Scores m, loss, and dz of a leaky readout with summed softmax and cross-entropy of m."""
    o, v = np.zeros(z.shape), np.zeros(z.shape[1:])
    for t in range(len(z)):
        v = lam * v + z[t]
        o[t] = v
    pi = softmax(o)
    m = pi.sum(0)
    p = softmax(m)
    n = np.arange(len(labels))
    dm = p.copy()
    dm[n, labels] -= 1
    dm /= len(labels)
    e = pi * (dm - (pi * dm).sum(-1, keepdims=True))
    dz, r = np.zeros(z.shape), np.zeros(z.shape[1:])
    for t in range(len(z) - 1, -1, -1):
        r = e[t] + lam * r
        dz[t] = r
    return m, -np.log(p[n, labels]).mean(), dz


def example(layer_index, count=1):
    """W, P, S of the worked network 3 -> 3 -> 2, k = 5."""
    shape = ((3, 3, count), (2, 3, count))[layer_index]
    n = np.arange(np.prod(shape))
    W = 1.1 * np.sin(1.9 * n + 0.4 + layer_index)
    P = 1.8 * np.sin(2.3 * n + 0.9 + layer_index)
    return {"weight": W.reshape(shape), "position": P.reshape(1, *shape), "width": np.full((1, *shape), 0.43)}


def example_input():
    n = np.arange(48)
    return ((7 * n**2 + 3 * n + 1) % 11 < 4).astype(np.uint8).reshape(8, 2, 3)
