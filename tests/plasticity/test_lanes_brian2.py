"""The same model in Brian2, spike by spike on identical input; skipped without Brian2."""

import numpy as np
import pytest

from firstspike.plasticity.events import LIF
from firstspike.plasticity.events.lanes import advance_lanes, init_lanes, lane_weights
from firstspike.plasticity.rules.trace import Pair
from firstspike.runtime import rng

STEP, N, M, STEPS = 1e-3, 30, 6, 1500
PAIR = Pair(a_plus=0.02, a_minus=0.022, tau_plus=17e-3, tau_minus=31e-3)


def in_brian2(steps, units, weights, lif):
    b = pytest.importorskip("brian2")
    b.prefs.codegen.target = "numpy"
    b.defaultclock.dt = STEP * b.second
    names = dict(tau=lif.tau_m * b.second, tp=PAIR.tau_plus * b.second, tm=PAIR.tau_minus * b.second)
    names |= dict(up=PAIR.a_plus, down=PAIR.a_minus, theta=lif.threshold)
    source = b.SpikeGeneratorGroup(N, units, steps * STEP * b.second)
    neuron = b.NeuronGroup(
        M, "dv/dt = -v / tau : 1", threshold="v >= theta", reset="v = 0", method="exact", namespace=names
    )
    synapses = b.Synapses(
        source,
        neuron,
        "w : 1\ndx/dt = -x / tp : 1 (event-driven)\ndy/dt = -y / tm : 1 (event-driven)",
        on_pre="v_post += w\nw = clip(w - down * y, 0, 1)\nx += 1",
        on_post="w = clip(w + up * x, 0, 1)\ny += 1",
        namespace=names,
    )
    synapses.connect(True)
    synapses.w = weights.T.ravel()
    # the model's order in a step: decay, input, threshold, change of weights, reset
    neuron.thresholder["spike"].when = "after_synapses"
    synapses.post.when = "before_resets"
    spikes = b.SpikeMonitor(neuron)
    spikes.when = "end"
    b.Network(source, neuron, synapses, spikes).run(STEPS * STEP * b.second)
    return np.array(spikes.i), np.rint(np.array(spikes.t / b.second) / STEP), np.array(synapses.w).reshape(N, M).T


@pytest.mark.parametrize("method", ["rows", "lanes"])
def test_spike_by_spike(method):
    here = rng.uniforms(0, "brian", (STEPS, N)) < 20 * STEP
    steps, units = np.nonzero(here)
    weights, lif = rng.uniforms(0, "weights", (M, N)), LIF(11e-3, 4.5)
    i, k, w = in_brian2(steps, units, weights, lif)
    state = init_lanes(weights, PAIR, method=method)
    neuron, time = advance_lanes(state, steps * STEP, units.astype(np.int32), lif, PAIR, step=STEP)
    assert neuron.size > 50
    order = np.lexsort((i, k))
    np.testing.assert_array_equal(neuron, i[order])
    np.testing.assert_array_equal(np.rint(time / STEP), k[order])
    np.testing.assert_allclose(lane_weights(state, PAIR), w, atol=1e-12)
