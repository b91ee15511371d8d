"""The relative-timing task from its definition, sample by sample, from given random numbers."""

import numpy as np


def sample(order, spacing, n_steps, start, delete, p_delete, background, p_background):
    """uint8 (T, C): order (C,) of one class, delete (C,) and background (T, C) uniform on [0, 1)."""
    n_channels = len(order)
    x = np.zeros((n_steps, n_channels), np.uint8)
    for t in range(n_steps):
        for i in range(n_channels):
            fires = background[t, i] < p_background
            if t == start + spacing * order[i] and not delete[i] < p_delete:
                fires = True
            x[t, i] = 1 if fires else 0
    return x
