"""One neuron, spike by spike, from the equations: every trace is summed anew over the whole history."""

import math

import numpy as np


def _trace(spikes, t, tau):
    return sum(math.exp(-(t - s) / tau) for s in spikes)


def simulate(weights, spikes, neuron, rule, samples=()):
    """Weights (N,), spikes [(t, afferent)], neuron and rule dicts; returns output times, weights, V at `samples`.

    V, potential; theta, rest of the threshold; high, its adaptive part. Order: jump, depression at an input spike,
    trace, test, potentiation, homeostasis. V at the time of a spike is read after it.
    """
    w = [float(x) for x in weights]
    history = [[] for _ in w]
    out, v, last, high, last_out = [], 0.0, 0.0, 0.0, 0.0
    read = []
    samples = list(samples)
    for t, i in [*spikes, (math.inf, 0)]:
        while samples and samples[0] < t:
            read.append(v * math.exp(-(samples.pop(0) - last) / neuron["tau_m"]))
        if t == math.inf:
            break
        v = v * math.exp(-(t - last) / neuron["tau_m"]) + w[i]
        last = t
        if rule["name"] == "pair":
            w[i] = max(0.0, w[i] - rule["a_minus"] * _trace(out, t, rule["tau_minus"]))
        history[i].append(t)
        theta = neuron["threshold"]
        now = high * math.exp(-(t - last_out) / neuron["tau_threshold"])
        if v < theta + now:
            continue
        for j in range(len(w)):
            w[j] = _potentiated(w[j], rule, _trace(history[j], t, rule["tau_plus"]) if rule["name"] != "none" else 0.0)
        out.append(t)
        v, high, last_out = 0.0, now + neuron["d_threshold"] * theta, t
    return np.array(out), np.array(w), np.array(read)


def _potentiated(w, rule, x):
    if rule["name"] == "none":
        return w
    if rule["name"] == "pair":
        return min(1.0, w + rule["a_plus"] * x)
    if rule["name"] == "additive":
        return max(0.0, min(1.0, w + rule["a_plus"] * x) - rule["w_out"])
    up = min(1.0, w + rule["a_plus"] * x * w * (1 - w))
    return max(0.0, up - rule["w_out"] * up * (1 - up))
