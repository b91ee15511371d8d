"""The relative-timing task: every sample from its definition, streams, the property that makes delays necessary."""

from dataclasses import replace

import numpy as np
import pytest
from naive import timing as naive

from firstspike.datasets import timing
from firstspike.datasets.timing import SETTINGS, RelativeTiming, orders, relative_timing
from firstspike.runtime import rng


@pytest.mark.parametrize("name", SETTINGS)
def test_samples_follow_the_definition(name, monkeypatch):
    monkeypatch.setattr(timing, "_BLOCK", 2000)  # several blocks
    task, n, seed = SETTINGS[name], 40, 3
    x, y = relative_timing(n, "test", name, seed)
    draw = lambda what, size: rng.uniforms(seed, f"datasets/timing/test/{what}", size)  # noqa: E731
    label, onset = draw("label", n), draw("onset", n)
    delete, background = draw("delete", (n, task.n_channels)), draw("background", x.shape)
    order = orders(name, seed)
    for i in range(n):
        assert y[i] == int(label[i] * task.n_classes)
        start = int(onset[i] * (task.n_steps - task.span + 1))
        random = delete[i], task.p_delete, background[i], task.p_background
        np.testing.assert_array_equal(x[i], naive.sample(order[y[i]], task.spacing, task.n_steps, start, *random))


def test_published_settings():
    a, b = SETTINGS["a"], SETTINGS["b"]
    assert (a.n_channels, a.n_classes, a.spacing, a.n_steps, a.p_background, a.p_delete) == (8, 10, 4, 48, 0.02, 0)
    assert (b.n_channels, b.n_classes, b.spacing, b.n_steps, b.p_background, b.p_delete) == (16, 10, 1, 32, 0.02, 0.1)
    assert a.span == 29 and b.span == 16


def test_distribution_and_layout():
    x, y = relative_timing(4000, setting="b", seed=1)
    assert x.dtype == np.uint8 and x.flags.c_contiguous and y.dtype == np.int64
    assert abs(np.bincount(y, minlength=10) - 400).max() < 5 * np.sqrt(400)
    expected = 16 * 0.9 + (512 - 16 * 0.9) * 0.02  # spikes of a sample
    assert x.sum() / 4000 == pytest.approx(expected, abs=0.2)
    clean, labels = relative_timing(3000, setting=replace(SETTINGS["a"], p_background=0.0), seed=1)
    first = clean.any(2).argmax(1)
    assert first.min() == 0 and first.max() == 48 - 29  # both ends of the onset are reached
    assert np.bincount(first).min() > 150 - 5 * np.sqrt(150)
    times = clean.argmax(1) - first[:, None]
    np.testing.assert_array_equal(times, 4 * orders("a", 1)[labels])


def test_without_order_all_classes_look_alike():
    """The set of input vectors is the same for every class: what makes a network without delays guess."""
    clean, _ = relative_timing(200, setting=replace(SETTINGS["a"], p_background=0.0))
    assert clean.sum(2).max() == 1
    assert (np.sort(clean.reshape(200, 48, 8) @ (1 << np.arange(8)), axis=1)[:, -8:] == 1 << np.arange(8)).all()


def test_streams():
    x, y = relative_timing(30, "train", "a", 5)
    shorter, labels = relative_timing(10, "train", "a", 5)
    np.testing.assert_array_equal(x[:10], shorter)
    np.testing.assert_array_equal(y[:10], labels)
    for other in (relative_timing(30, "test", "a", 5), relative_timing(30, "train", "a", 6)):
        assert (other[1] != y).any() and (other[0] != x).mean() > 0.02
    np.testing.assert_array_equal(orders("a", 5), orders("a", 5))
    assert (orders("a", 5) != orders("a", 6)).any()


def test_orders_differ_even_where_there_are_few():
    task = RelativeTiming(n_channels=3, n_classes=6, spacing=1, n_steps=3)
    assert {tuple(o) for o in orders(task, 0)} == {(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)}
    x, _ = relative_timing(5, setting=RelativeTiming(n_channels=1, n_classes=1, n_steps=1, p_background=0.0))
    assert x.tolist() == [[[1]]] * 5


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (dict(n=0), "n must be >= 1, got 0"),
        (dict(n=1, setting="c"), "setting must be one of a, b"),
        (dict(n=1, setting=RelativeTiming(n_steps=28)), "n_steps must be >= .* = 29, got 28"),
        (dict(n=1, setting=RelativeTiming(n_channels=3, n_classes=7)), "n_classes must be <= 6"),
        (dict(n=1, setting=RelativeTiming(p_delete=1.5)), "p_delete must be .* <= 1, got 1.5"),
    ],
)
def test_errors(call, word):
    with pytest.raises(ValueError, match=word):
        relative_timing(**call)
