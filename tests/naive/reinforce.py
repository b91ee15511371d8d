"""Slow oracle of learning by reward: one image after the other, all potentials, float64 sums. NumPy only."""

import numpy as np

from . import waves


def first_factors(n_classes, least, span):
    """Factors of rewards and punishments for answers at random."""
    return least + span * (n_classes - 1) / n_classes, least + span / n_classes


def block_factors(hits, misses, n, least, span):
    return least + span * misses / n, least + span * hits / n


def winner(times, weights, theta, n_steps, padding, strict=True):
    """Map, row, column, step of the first spike (largest potential, lowest index), or None."""
    t, v = waves.fire(waves.potentials(times, weights.astype(float), n_steps, padding), theta, strict)
    spikes = [(t[i], -v[i], i) for i in np.ndindex(*t.shape) if t[i] < n_steps]
    if not spikes:
        return None
    step, _, place = min(spikes)
    return (*place, step)


def reinforce(times, labels, weights, classes, rule, theta, n_steps, padding, strict, state):
    """Weights, state, answers, winners; `rule` a dict with the numbers of the rule, `state` a list of six."""
    w = np.array(weights, np.float32)
    reward, punish, hits, misses, images, updates = state
    answers, winners = [], []
    for tau, label in zip(times, labels, strict=True):
        found = winner(tau, w, theta, n_steps, padding, strict)
        answers.append(-1 if found is None else classes[found[0]])
        winners.append([-1] * 4 if found is None else list(found))
        if found is not None:
            if answers[-1] == label:
                hits += 1
                rates = reward * rule["reward_before"], reward * rule["reward_after"]
            else:
                misses += 1
                rates = punish * rule["punish_before"], punish * rule["punish_after"]
            bounds = rule["lower"], rule["upper"]
            w[found[0]] = waves.stdp(
                w.astype(float), tau, found, n_steps, rates, bounds, rule["stabiliser"], padding=padding
            )
            if not updates:
                w = np.clip(w, np.float32(bounds[0]), np.float32(bounds[1]))
            updates += 1
        images += 1
        if images == rule["block"]:
            reward, punish = block_factors(hits, misses, images, rule["least"], rule["span"])
            hits = misses = images = 0
    return w, [reward, punish, hits, misses, images, updates], answers, winners
