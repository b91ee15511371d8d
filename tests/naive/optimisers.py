"""Slow oracle of the optimisers and clipping: one value after the other, float64. NumPy only."""

import numpy as np


def series(shape, a, b=0.0, s=1.0):
    """s sin(a i + b), i = 1, 2, ... in C order."""
    return s * np.sin(a * np.arange(1, int(np.prod(shape)) + 1) + b).reshape(shape)


def run(kind, p, gradients, rate, decay=0.0, mu=0.0, b1=0.9, b2=0.999, eps=1e-8, clamp=None):
    """Parameter after all gradients; `b1` may be a list with a value for each step."""
    p, m, v = [float(x) for x in p], [0.0] * len(p), [0.0] * len(p)
    for t, g in enumerate(gradients, 1):
        beta = b1[t - 1] if isinstance(b1, (list, tuple)) else b1
        for i in range(len(p)):
            d = float(g[i])
            if kind in ("adamw", "radam"):
                p[i] -= rate * decay * p[i]
            else:
                d += decay * p[i]
            if kind == "sgd":
                m[i] = mu * m[i] + d
                p[i] -= rate * m[i]
            else:
                m[i] = beta * m[i] + (1 - beta) * d
                v[i] = b2 * v[i] + (1 - b2) * d**2
                first = m[i] / (1 - beta**t)
                if kind == "radam":
                    last = 2 / (1 - b2) - 1
                    rho = last - 2 * t * b2**t / (1 - b2**t)
                    if rho >= 5:
                        up = (1 - b2**t) * (rho - 4) * (rho - 2) * last
                        p[i] -= rate * np.sqrt(up / ((last - 4) * (last - 2) * rho)) * first / (np.sqrt(v[i]) + eps)
                    else:
                        p[i] -= rate * first
                else:
                    p[i] -= rate * first / (np.sqrt(v[i] / (1 - b2**t)) + eps)
            if clamp:
                p[i] = min(max(p[i], clamp[0]), clamp[1])
    return np.array(p)
