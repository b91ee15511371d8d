"""Neurons in lanes on CUDA and CPU; run by test_lanes_cuda.py in a process of its own, under the simulator."""

import numpy as np

from firstspike.plasticity.events import LIF, lanes_cuda
from firstspike.plasticity.events.lanes import advance_lanes, init_lanes, lane_weights
from firstspike.plasticity.events.lanes_cuda import advance_lanes_cuda, init_lanes_cuda, lane_weights_cuda
from firstspike.plasticity.rules.trace import Pair

STEP, N, M = 1e-3, 6, 7
lanes_cuda.THREADS, lanes_cuda._ROOM = 4, 3  # two blocks; the list of output spikes is too short at first
rng = np.random.default_rng(0)
times = np.sort(rng.integers(0, 1500, 300)) * STEP
units = rng.integers(0, N, 300).astype(np.int32)
weights = rng.random((M, N))
rule = Pair(a_plus=0.03, a_minus=np.linspace(0.01, 0.04, M), tau_plus=17e-3, tau_minus=31e-3)
lif = LIF(11e-3, 1.2 + rng.random(M))

state = init_lanes(weights, rule, method="rows")
expected = advance_lanes(state, times, units, lif, rule, step=STEP)
assert expected[0].size > 100

found = []
cut = int(np.searchsorted(times, 0.7))
for edges in ((0, 300), (0, cut, 300)):
    cuda_state = init_lanes_cuda(weights, rule)
    parts = [
        advance_lanes_cuda(cuda_state, times[a:b], units[a:b], lif, rule, step=STEP)
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]
    neuron, time = map(np.concatenate, zip(*parts, strict=True))
    np.testing.assert_array_equal(neuron, expected[0])
    np.testing.assert_array_equal(time, expected[1])
    np.testing.assert_allclose(lane_weights_cuda(cuda_state, rule), lane_weights(state, rule), atol=1e-12)
    found.append(cuda_state)
for name in found[0]:
    np.testing.assert_array_equal(found[0][name], found[1][name], err_msg=name)
