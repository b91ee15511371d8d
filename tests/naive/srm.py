"""Spike-response neurons from the equations: every potential is summed anew over all inputs, crossings by bisection."""

import math

import numpy as np


def kernel(t, tau_m, tau_s):
    """Double-exponential PSP of peak 1."""
    peak = tau_m * tau_s / (tau_m - tau_s) * math.log(tau_m / tau_s)
    norm = 1 / (math.exp(-peak / tau_m) - math.exp(-peak / tau_s))
    return norm * (math.exp(-t / tau_m) - math.exp(-t / tau_s)) if t > 0 else 0.0


class Cell:
    def __init__(self, weights, p):
        self.w, self.p = list(weights), p
        self.inputs, self.out, self.wake = [], [], -math.inf  # inputs: (time, weight) since the last flush

    def v(self, t):
        p = self.p
        v = sum(w * kernel(t - s, p["tau_m"], p["tau_s"]) for s, w in self.inputs)
        if self.out:
            u = t - self.out[-1]
            slow, fast = math.exp(-u / p["tau_m"]), math.exp(-u / p["tau_s"])
            v += p["threshold"] * (p["pulse"] * slow - p["after"] * (slow - fast))
        return v

    def next_crossing(self, t0, t1, n=40):
        """First upward crossing in (t0, t1], to 1e-14 s; None."""
        t0 = max(t0, self.wake)
        if t0 >= t1:
            return None
        grid = np.linspace(t0, t1, n)
        v = [self.v(t) for t in grid]
        for a, b, low, high in zip(grid[:-1], grid[1:], v[:-1], v[1:], strict=True):
            if low < self.p["threshold"] <= high:
                while b - a > 1e-14:
                    middle = 0.5 * (a + b)
                    if middle in (a, b):
                        break
                    a, b = (a, middle) if self.v(middle) >= self.p["threshold"] else (middle, b)
                return b
        return None


def trace(times, now, tau, pairing, reach):
    """Of spikes at `times` (before `now`), for a rule of this pairing."""
    lags = [now - s for s in (times if pairing == "all" else times[-1:])]
    return sum(math.exp(-lag / tau) for lag in lags if lag <= reach * tau)


def simulate(weights, spikes, p, rule, stop):
    """weights (M, N), spikes [(t, i)], p: neuron, rule: dict of the pair rule; returns [(t, m)], final weights."""
    cells, seen, out = [Cell(w, p) for w in weights], [[] for _ in weights[0]], []
    now = 0.0
    for t, i in [*spikes, (stop, None)]:
        while True:
            found = [(c.next_crossing(now, t), m) for m, c in enumerate(cells)]
            found = [f for f in found if f[0] is not None]
            if not found:
                break
            now, m = min(found)
            _fire(cells, m, now, seen, p, rule)
            out.append((now, m))
        now = t
        if i is None:
            break
        for c in cells:
            if t >= c.wake:
                c.inputs.append((t, c.w[i]))
            first = c.out and (not seen[i] or seen[i][-1] < c.out[-1])
            if rule["pairing"] != "reduced" or first:
                y = trace(c.out, t, rule["tau_minus"], rule["pairing"], rule["reach"])
                c.w[i] = max(0.0, c.w[i] - rule["a_minus"] * y)
        seen[i].append(t)
    return out, np.array([c.w for c in cells])


def _fire(cells, m, now, seen, p, rule):
    c = cells[m]
    for i in range(len(c.w)):
        if rule["pairing"] == "reduced" and (not seen[i] or (c.out and seen[i][-1] < c.out[-1])):
            continue
        c.w[i] = min(
            1.0, c.w[i] + rule["a_plus"] * trace(seen[i], now, rule["tau_plus"], rule["pairing"], rule["reach"])
        )
    c.inputs, c.wake = [], now + p["refractory"]
    c.out.append(now)
    for other in cells:
        if other is not c and now >= other.wake:
            other.inputs.append((now, -p["inhibition"] * p["threshold"]))
