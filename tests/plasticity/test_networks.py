"""Networks made of pairs against published numbers: a small one through training, residual blocks of spiking layers."""

import numpy as np
import pytest
from gradients import numerical
from naive import dense as naive

from firstspike.plasticity.layers.batch_norm import batch_norm_backward, batch_norm_forward, batch_norm_params
from firstspike.plasticity.layers.conv import conv_backward, conv_forward
from firstspike.plasticity.layers.linear import linear_backward, linear_forward
from firstspike.plasticity.layers.losses import cross_entropy
from firstspike.plasticity.layers.neurons import if_backward, if_forward, lif_backward, lif_forward
from firstspike.plasticity.layers.optimisers import sgd
from firstspike.plasticity.layers.pairs import Mode, add, chain, concat, named, statistics

S, dot, TRAIN = naive.series, naive.dot, Mode(True)


def test_six_updates_of_a_small_network_known_to_nine_digits():
    net = chain(
        named("one", linear_forward, linear_backward),
        named("spike", lif_forward, lif_backward, tau=2.0, detach_reset=True, surrogate="atan"),
        named("two", linear_forward, linear_backward),
    )
    params = {"one.weight": S((8, 5), 0.71, 0.4, 0.9), "two.weight": S((3, 8), 0.57, 0.9, 0.6)}
    x, labels = np.repeat(S((6, 5), 0.83, 0.2, 1.5)[None], 4, axis=0), np.arange(6) % 3
    values, state = [], {}
    for _ in range(6):
        y, saved = net.forward(params, x, TRAIN)
        value, dy = cross_entropy(y, labels)
        values.append(value)
        sgd(params, net.backward(params, saved, dy)[1], state, 1.0, momentum=0.9)
    expected = [0.640323139, 0.372408061, 0.159353155, 0.0597857572, 0.0228573786, 0.00942113304]
    np.testing.assert_allclose(values, expected, rtol=1e-8)
    one, two = params["one.weight"], params["two.weight"]
    found = [one.sum(), dot(one), two.sum(), dot(two)]
    np.testing.assert_allclose(found, [2.0883948, -0.176845343, 1.11135277, 2.91191514], rtol=1e-8)


def parts():
    spike = {"detach_reset": True, "surrogate": "atan"}
    return (
        named("w1", conv_forward, conv_backward, padding=1),
        named("n1", if_forward, if_backward, **spike),
        named("w2", conv_forward, conv_backward, padding=1),
        named("n2", if_forward, if_backward, **spike),
    )


def joined(how):
    """The block with another way to join branch a and shortcut x, written out as a pair."""
    if how == "add":
        return add(chain(*parts()))
    if how == "before the spike":
        return chain(add(chain(*parts()[:3])), parts()[3])
    inside = chain(*parts())

    def forward(p, x, mode):
        a, saved = inside.forward(p, x, mode)
        a = a.astype(x.dtype)
        return (a * x if how == "and" else (1 - a) * x), (saved, a, x)

    def backward(p, kept, dy):
        saved, a, x = kept
        sign = 1 if how == "and" else -1
        dx, dp = inside.backward(p, saved, sign * dy * x)
        return dx + dy * (a if how == "and" else 1 - a), dp

    return type(inside)(forward, backward)


# y, dx, dw1: sum, sum with cosines, first four
BLOCKS = {
    "add": (
        (31, -0.0291247835, [1, 1, 0, 0]),
        (-1.25126802, 6.95508001, [2.37592806, 1.97781244, 0.715236133, -1.21501133]),
        (4.98337546, 1.3484056, [1.52591882, 2.24400381, 0.221394434, -0.397088381]),
    ),
    "and": (
        (1, -0.533584387, [0, 0, 0, 0]),
        (-0.544924737, 2.12566838, [1.16180991, 1.18688675, 0.38771904, -0.968213082]),
        (5.91918787, 0.896239579, [1.07847894, 1.1877333, 0.40522851, -0.195615529]),
    ),
    "and not": (
        (25, 0.132601299, [1, 1, 0, 0]),
        (0.615480955, 0.969131012, [-0.44445382, -0.189391764, 0.420777364, 1.20746241]),
        (-5.91918787, -0.896239579, [-1.07847894, -1.1877333, -0.40522851, 0.195615529]),
    ),
    "before the spike": (
        (17, 1.60198911, [0, 0, 0, 0]),
        (-2.24920294, 0.0949657477, [3.1447448, 2.42824344, 0.824665897, -2.7249295]),
        (9.66011661, 2.26649696, [1.35823939, 2.08801996, 1.15031803, -0.389676426]),
    ),
}


@pytest.mark.parametrize("how", BLOCKS)
def test_residual_blocks_known_to_nine_digits(how):
    p = {"w1.weight": S((2, 2, 3, 3), 0.9, 0.3, 0.8), "w2.weight": S((2, 2, 3, 3), 1.1, 0.1, 0.8)}
    x = (S((3, 1, 2, 3, 3), 1.3, 0.4) > 0).astype(float)
    net = joined(how)
    y, saved = net.forward(p, x, TRAIN)
    dx, dp = net.backward(p, saved, S(y.shape, 0.7, 0.1))
    for array, (total, product, first) in zip((y, dx, dp["w1.weight"]), BLOCKS[how], strict=True):
        array = np.asarray(array, float)
        np.testing.assert_allclose([array.sum(), dot(array)], [total, product], rtol=1e-8)
        np.testing.assert_allclose(array.ravel()[:4], first, rtol=1e-8)


def test_a_deep_network_with_one_shared_kernel_against_central_differences():
    conv = named("shared", conv_forward, conv_backward, padding=1)
    norm = named("norm", batch_norm_forward, batch_norm_backward)
    soft = {"soft": True, "surrogate": "sigmoid"}
    spike = [named(f"n{i}", lif_forward, lif_backward, tau=2.0, **soft) for i in range(2)]
    head = named("head", conv_forward, conv_backward)
    p = {"shared.weight": S((2, 2, 3), 0.9, 0.3, 0.8), "shared.bias": S(2, 0.4), "head.weight": S((2, 2, 1), 0.7)}
    p |= {f"norm.{k}": v for k, v in batch_norm_params(2, dtype=np.float64).items()}
    net = chain(conv, norm, spike[0], add(chain(conv, spike[1])), concat(conv, head))
    x = S((3, 2, 2, 5), 1.3, 0.4)
    y, saved = net.forward(p, x, TRAIN)
    assert y.shape == (3, 2, 4, 5) and set(statistics(saved)) == {"norm.mean", "norm.var"}
    dy = S(y.shape, 0.7, 0.1)
    dx, dp = net.backward(p, saved, dy)
    assert set(dp) == {"shared.weight", "shared.bias", "head.weight", "norm.scale", "norm.shift"}
    for name, gradient in {"x": dx, **dp}.items():
        array = x if name == "x" else p[name]
        expected = numerical(lambda: float((net.forward(p, x, TRAIN)[0] * dy).sum()), array)
        np.testing.assert_allclose(gradient, expected, atol=2e-7, err_msg=name)
