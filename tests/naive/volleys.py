"""One neuron with pair STDP, volley by volley, from the equations: traces are summed anew over the whole history."""

import math

import numpy as np


def simulate(weights, spikes, tau_m, theta, rule):
    """Weights (N,), spikes [(t, afferent)] sorted; rule: dict of on_pre(w, y), on_post(w, x), tau_plus, tau_minus.

    All spikes of one time arrive, in their order; then the threshold is tested. Returns output times and weights.
    """
    w, out = [float(x) for x in weights], []
    came = [[] for _ in w]
    v, last = 0.0, 0.0
    for n, (t, i) in enumerate(spikes):
        v, last = v * math.exp(-(t - last) / tau_m) + w[i], t
        w[i] = rule["on_pre"](w[i], sum(math.exp(-(t - s) / rule["tau_minus"]) for s in out))
        came[i].append(t)
        if (n + 1 < len(spikes) and spikes[n + 1][0] == t) or v < theta:
            continue
        for j in range(len(w)):
            w[j] = rule["on_post"](w[j], sum(math.exp(-(t - s) / rule["tau_plus"]) for s in came[j]))
        out.append(t)
        v = 0.0
    return np.array(out), np.array(w)
