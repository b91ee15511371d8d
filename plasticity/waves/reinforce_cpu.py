"""Learning of the deciding layer by reward on the CPU: image after image, one winner each, with exact early stop."""

import numpy as np

from ...runtime.jit import kernel
from .learn_cpu import find_winners

__all__ = ["HITS", "IMAGES", "MISSES", "PUNISH", "REWARD", "UPDATED", "answer_loop", "reinforce_loop"]

#: places in the state of a layer: the factors, the counts of the current block, updates so far
REWARD, PUNISH, HITS, MISSES, IMAGES, UPDATED = range(6)


@kernel
def answer_loop(times, weights, layer, s, winners):
    """Winners (N, 1, 4) of images that nothing is learnt from; arguments as of `reinforce_loop`."""
    for n in range(times.shape[0]):
        find_winners(times[n], weights, layer, np.int64(0), s, winners[n])


# Names bound by `specialise` to the functions of a rule.
def factors(hits, misses, n, p):  # pragma: no cover
    """Stand-in for the rule's own."""
    raise NotImplementedError


def amplitudes(hit, reward, punish, p):  # pragma: no cover
    """Stand-in for the rule's own."""
    raise NotImplementedError


def update(w, before, a_before, a_after, p):  # pragma: no cover
    """Stand-in for the rule's own."""
    raise NotImplementedError


def reinforce_loop(times, labels, classes, weights, layer, block, rule, s, state, winners):
    """Decide, compare with the label, learn; plain Python, compiled by `specialise` for a rule's functions.

    `times` (N, C, H, W); `labels` (N,) int64; `classes` (F,) int64 of the maps; `weights` (C, KH, KW F) float32 with
    columns backwards, changed in place; `rule` the scalars of the rule; `state` (6,) float64, changed in place;
    `winners` (N, 1, 4) int32 is filled with map, row, column, step, -1 for silence.
    """
    lanes = layer.n_lanes
    for n in range(times.shape[0]):
        if find_winners(times[n], weights, layer, np.int64(0), s, winners[n]) > 0:
            f, step = winners[n, 0, 0], winners[n, 0, 3]
            top, left = winners[n, 0, 1] - layer.pad, winners[n, 0, 2] - layer.pad
            hit = classes[f] == labels[n]
            state[HITS if hit else MISSES] += 1.0
            a_before, a_after = amplitudes(hit, state[REWARD], state[PUNISH], rule)
            for c in range(times.shape[1]):
                for ky in range(layer.kernel_h):
                    y = top + ky
                    for kx in range(layer.kernel_w):
                        x = left + kx
                        before = False
                        if y >= 0 and y < times.shape[2] and x >= 0 and x < times.shape[3]:
                            before = times[n, c, y, x] <= step
                        i = (layer.kernel_w - 1 - kx) * lanes + f
                        weights[c, ky, i] = update(np.float64(weights[c, ky, i]), before, a_before, a_after, rule)
            if state[UPDATED] == 0.0:  # a zero step brings the other weights, too, into the rule's bounds
                for c in range(weights.shape[0]):
                    for ky in range(weights.shape[1]):
                        for i in range(weights.shape[2]):
                            if i % lanes < layer.n_maps:
                                weights[c, ky, i] = update(np.float64(weights[c, ky, i]), True, 0.0, 0.0, rule)
            state[UPDATED] += 1.0
        state[IMAGES] += 1.0
        if state[IMAGES] == block:
            reward, punish = factors(state[HITS], state[MISSES], state[IMAGES], rule)
            state[REWARD], state[PUNISH] = reward, punish
            state[HITS] = state[MISSES] = state[IMAGES] = 0.0
