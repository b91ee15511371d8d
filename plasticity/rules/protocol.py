"""One synapse under given spikes: what a trace rule makes of a pairing protocol. Standard library only.

    tau_plus dx/dt = -x,  x += 1 at an input spike       tau_minus dy/dt = -y,  y += 1 at an output spike
    input spike: w <- on_pre(w, y), then x += 1          output spike: w <- on_post(w, x), then y += 1

At equal times the input spike comes first, as in the engines; there is no neuron, the output spikes are imposed.
"""

import math

from .trace import check_rule

__all__ = ["paired"]


def paired(rule, weight, before, after):
    """Weight after input spikes at times `before` and output spikes at `after` (s), from `weight`.

    Parameters
    ----------
    rule : trace rule
        Its fields are single numbers.
    weight : float
        At the start, all traces 0.
    before, after : sequence of float
        Spike times; need not be sorted.

    Examples
    --------
    >>> from firstspike.plasticity.rules.trace import Pair
    >>> round(paired(Pair(a_plus=0.01), 0.5, [0.0], [20e-3]), 6)  # 0.5 + 0.01 / e
    0.503679
    """
    check_rule(rule)
    x = y = 0.0
    tau_x, tau_y = getattr(rule, "tau_plus", math.inf), getattr(rule, "tau_minus", math.inf)
    last, w = -math.inf, float(weight)
    on_pre, on_post = getattr(rule, "on_pre", None), getattr(rule, "on_post", None)
    for time, is_output in sorted([(t, 0) for t in before] + [(t, 1) for t in after]):
        if x or y:
            x, y = x * math.exp((last - time) / tau_x), y * math.exp((last - time) / tau_y)
        last = time
        if is_output:
            w = on_post(w, x, rule) if on_post else w
            y += 1.0
        else:
            w = on_pre(w, y, rule) if on_pre else w
            x += 1.0
    return w
