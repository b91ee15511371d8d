"""Kernels with learnable positions and their gradients in any number of dimensions, cell by cell from the equations."""

import itertools

import numpy as np

EPS = 1e-7


def axis_factor(version, n, q, s):
    """Factor of one axis at cell n, and its slopes to q and to the width S (without the sign of S)."""
    u = n - q
    if version == "v0":
        f = int(np.floor(q))
        r = q - f
        return {f: (1 - r, -1.0, 0.0), f + 1: (r, 1.0, 0.0)}.get(n, (0.0, 0.0, 0.0))
    if version in ("v1", "max"):
        inside = abs(u) < s
        return max(0.0, s - abs(u)), float(np.sign(u)) * inside, float(inside)
    t = np.exp(-0.5 * (u / s) ** 2)
    return t, t * u / s**2, t * u**2 / s**3


def width_of(version, S, floor):
    return {"v0": 1.0, "v1": 1.0, "max": abs(S) + 1.0, "gauss": abs(S) + floor}[version]


def element(version, k, position, S, floor=0.27):
    """T, dT/dq_a and dT/dS_a of one element over the window, dicts by cell; position, S: one number an axis."""
    s = [width_of(version, x, floor) for x in S]
    out = {}
    for cell in itertools.product(*(range(n) for n in k)):
        f = [axis_factor(version, n, p + size // 2, w) for n, p, size, w in zip(cell, position, k, s, strict=True)]
        t = np.prod([x[0] for x in f])
        dq, ds = [], []
        for a in range(len(k)):
            others = np.prod([f[b][0] for b in range(len(k)) if b != a])
            dq.append(f[a][1] * others)
            ds.append(f[a][2] * others * np.sign(S[a]) * (version in ("max", "gauss")))
        out[cell] = t, dq, ds
    return out


def kernel_and_gradients(W, P, S, k, version, G=None, floor=0.27):
    """K (O, I, *k) and, for G = dL/dK, dW (O, I, M), dP and dS (D, O, I, M)."""
    D, (O, I, M) = len(k), W.shape
    K, dW, dP, dS = np.zeros((O, I, *k)), np.zeros(W.shape), np.zeros(P.shape), np.zeros(P.shape)
    for o, i, m in itertools.product(range(O), range(I), range(M)):
        T = element(version, k, P[:, o, i, m], S[:, o, i, m], floor)
        Z = 1.0 if version == "v0" else sum(t for t, _, _ in T.values()) + EPS
        for cell, (t, _, _) in T.items():
            K[(o, i, *cell)] += W[o, i, m] * t / Z
        if G is None:
            continue
        mean = sum(G[(o, i, *cell)] * t / Z for cell, (t, _, _) in T.items())
        dW[o, i, m] = mean
        for a in range(D):
            for cell, (_, dq, ds) in T.items():
                g = G[(o, i, *cell)] - (0.0 if version == "v0" else mean)
                dP[a, o, i, m] += W[o, i, m] / Z * g * dq[a]
                dS[a, o, i, m] += W[o, i, m] / Z * g * ds[a]
    return K, dW, dP, dS


def recipe(k, f=0.9):
    """W, P, S, G of the worked examples, two outputs, inputs and elements."""
    D, n = len(k), np.arange(8)
    W = np.sin(0.7 * n + 0.2).reshape(2, 2, 2)
    centre = np.repeat([x // 2 for x in k], 8)
    P = (centre * f * np.sin(1.3 * np.arange(8 * D) + 0.5)).reshape(D, 2, 2, 2)
    S = 0.6 * np.cos(0.9 * np.arange(8 * D)).reshape(D, 2, 2, 2)
    G = np.cos(0.37 * np.arange(4 * int(np.prod(k))) + 0.1).reshape(2, 2, *k)
    return W, P, S, G
