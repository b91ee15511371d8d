"""Inference with whole delays: equal to the padded convolution network; counts, export, errors."""

import io

import numba
import numpy as np
import pytest
from naive import delays as slow

from firstspike.plasticity.layers import ring
from firstspike.plasticity.layers.dcls import delay_params, rounded
from firstspike.plasticity.layers.delays import delay_forward


def network(sizes, k, count=1, seed=0, dtype=np.float64):
    """Parameters with the names of a network, norms that let neurons fire."""
    random, out = np.random.default_rng(seed), {}
    for i in range(1, len(sizes)):
        p = delay_params(seed, f"l{i}", sizes[i - 1], sizes[i], k, count, dtype)
        out |= {f"layer{i}.{key}": p[key] for key in ("weight", "position")}
        if i + 1 < len(sizes):
            shape = sizes[i]
            out[f"layer{i}.norm.scale"] = random.uniform(0.5, 1.5, shape).astype(dtype)
            out[f"layer{i}.norm.shift"] = random.uniform(0, 0.6, shape).astype(dtype)
            out[f"layer{i}.norm.mean"] = random.normal(0, 0.1, shape).astype(dtype)
            out[f"layer{i}.norm.var"] = random.uniform(0.05, 0.3, shape).astype(dtype)
    return out


def padded(params, n_layers, k, tau, theta, x):
    """The same network by convolution: spikes of the hidden layers and potentials of the readout."""
    lam, spikes = 1 - 1 / tau, []
    for i in range(1, n_layers + 1):
        p = {key: params[f"layer{i}.{key}"] for key in ("weight", "position")}
        z, _ = delay_forward(rounded(p, k), x, max_delay=k, version="triangle", algorithm="dense")
        if i < n_layers:
            n = {key: params[f"layer{i}.norm.{key}"] for key in ("scale", "shift", "mean", "var")}
            z = n["scale"] * (z - n["mean"]) / np.sqrt(n["var"] + 1e-5) + n["shift"]
        v, h, s = np.zeros(z.shape[1:]), np.zeros(z.shape), np.zeros(z.shape, np.uint8)
        for t in range(len(z)):
            h[t] = lam * v + z[t]
            s[t] = h[t] >= theta if i < n_layers else 0
            v = np.where(s[t], 0, h[t])
        spikes.append(s)
        x = s
    return spikes[:-1], h


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("tau", [1.005, 2.0])
def test_equals_the_padded_network_on_a_hundred_samples(count, tau):
    params = network((20, 30, 25, 7), 9, count)
    x = (np.random.default_rng(1).random((31, 100, 20)) < 0.1).astype(np.uint8)
    layers = ring.export(params, 3, 9, tau)
    got = ring.run(layers, x)
    spikes, output = padded(params, 3, 9, tau, 1.0, x)
    for a, b in zip(got.spikes, spikes, strict=True):
        assert a.dtype == np.uint8 and np.array_equal(a, b)
        assert 0.02 < b.mean() < 0.8
    assert abs(got.output - output).max() < 1e-12
    inputs = [x, *spikes]
    for i, layer in enumerate(layers):
        assert got.synops[:, i].tolist() == (inputs[i].sum((0, 2)).astype(int) * len(layer.weight) * count).tolist()


def test_the_worked_network_rounded():
    gamma, beta = np.array([1, 1.1, 1.2]), np.array([0.3, 0.2, 0.1])
    params = {f"layer{i + 1}.{key}": v for i in (0, 1) for key, v in slow.example(i, 2).items()}
    mean, var = [0.029060425, 0.011056267, -0.001043862], [0.905927445, 0.930192418, 0.985861291]
    params |= {"layer1.norm.scale": gamma, "layer1.norm.shift": beta}
    params |= {"layer1.norm.mean": np.array(mean), "layer1.norm.var": np.array(var)}
    layers = ring.export(params, 2, 5, 2.0)
    assert layers[0].delay.dtype == np.int8
    assert layers[0].delay.tolist() == [[[1, 2], [3, 0], [3, 2]], [[0, 4], [1, 1], [4, 0]], [[2, 3], [0, 3], [2, 1]]]
    assert layers[1].delay.tolist() == [[[0, 4], [2, 1], [4, 1]], [[2, 3], [0, 3], [2, 0]]]
    got = ring.run(layers, slow.example_input())
    assert got.spikes[0].sum((0, 1)).tolist() == [6, 6, 6]
    m = slow.softmax(got.output).sum(0)
    np.testing.assert_allclose(m.ravel(), [6.040275448, 5.959724552, 5.441255466, 6.558744534], atol=1e-8)


def test_learnt_leaks():
    params = network((5, 6, 3), 5)
    params |= {"layer1.spike.w": np.array(0.3), "leaky.w": np.array(-1.0)}
    layers = ring.export(params, 2, 5, 9.9)
    assert abs(layers[0].lam - (1 - 1 / (1 + np.exp(-0.3)))) < 1e-15
    assert abs(layers[1].lam - (1 - 1 / (1 + np.exp(1.0)))) < 1e-15


def test_files_and_threads_give_the_same(tmp_path):
    params = network((20, 30, 7), 9, dtype=np.float32)
    x = (np.random.default_rng(1).random((31, 50, 20)) < 0.1).astype(np.uint8)
    layers = ring.export(params, 2, 9, 2.0)
    file = io.BytesIO()
    np.savez(file, **ring.to_arrays(layers))
    file.seek(0)
    again = ring.from_arrays(dict(np.load(file)))
    a = ring.run(layers, x)
    before = numba.get_num_threads()
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
    b = ring.run(again, x)
    numba.set_num_threads(before)
    one = ring.run(layers, x[:, 7:8])
    assert a.output.dtype == np.float32
    assert np.array_equal(a.output, b.output) and np.array_equal(a.spikes[0], b.spikes[0])
    assert np.array_equal(one.output[:, 0], a.output[:, 7])


@pytest.mark.parametrize("T, n", [(1, 1), (3, 2), (60, 1)])
def test_short_silent_and_full_inputs(T, n):
    params = network((4, 3, 2), 7)
    layers = ring.export(params, 2, 7, 2.0)
    for x in (np.zeros((T, n, 4), np.uint8), np.ones((T, n, 4), bool), np.full((T, n, 4), 3.0)):
        spikes, output = padded(params, 2, 7, 2.0, 1.0, x)
        got = ring.run(layers, x)
        assert np.array_equal(got.spikes[0], spikes[0]) and abs(got.output - output).max() < 1e-12
        assert len(got.output) == T + 6


def test_errors():
    p = {"weight": np.ones((2, 3, 1)), "position": np.zeros((1, 2, 3, 1))}
    good = ring.export_layer(p, 5, lam=0.5)
    for change, message in (
        ({"max_delay": 4}, "max_delay must be odd"),
        ({"lam": 1.5}, "lam must lie in 0..1, got 1.5"),
        ({"p": {**p, "weight": np.ones((2, 3))}}, "weight must be"),
        ({"p": {**p, "weight": np.full((2, 3, 1), np.nan)}}, "must be finite"),
    ):
        with pytest.raises(ValueError, match=message):
            ring.export_layer(**{"p": p, "max_delay": 5, "lam": 0.5, **change})
    with pytest.raises(ValueError, match="layer 0 has no threshold and is not the last"):
        ring.run([good, good], np.ones((2, 1, 3)))
    with pytest.raises(ValueError, match=r"layer 0 needs an input \(steps, samples, 3\)"):
        ring.run([good], np.ones((2, 1, 4)))
    with pytest.raises(ValueError, match="at least one layer"):
        ring.run([], np.ones((2, 1, 4)))
