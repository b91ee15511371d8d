"""Front end: published numbers, slow versions, edge cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import waves as naive

from firstspike.plasticity.waves import front_end

BANK_6 = [front_end.dog(n, a * n / 9, b * n / 9) for n in (3, 7, 13) for a, b in ((1, 2), (2, 1))]
BANK_2 = [front_end.dog(7, 1, 2), front_end.dog(7, 2, 1)]


def responses(images, kernels, padding):
    return front_end.filter_images(np.asarray(images, np.uint8), kernels, padding=padding, threshold=50)


def test_dog_kernels():
    k = front_end.dog(3, 1 / 3, 2 / 3)
    np.testing.assert_allclose(
        k, [[-0.094112, -0.155888, -0.094112], [-0.155888, 1, -0.155888], [-0.094112, -0.155888, -0.094112]], atol=5e-7
    )
    k = front_end.dog(7, 1, 2)
    row = [-0.121689, -0.048160, 0.501984, 1, 0.501984, -0.048160, -0.121689]
    np.testing.assert_allclose(k[3], row, atol=5e-7)
    np.testing.assert_allclose(k[0, :4], [-0.061741, -0.091146, -0.114623, -0.121689], atol=5e-7)
    assert k.min() == pytest.approx(-0.12661375, abs=5e-9)
    off = front_end.dog(7, 2, 1)
    np.testing.assert_allclose(off, k / k.min(), rtol=1e-12)
    assert off[3, 3] == pytest.approx(-7.898036, abs=5e-7) and off.max() == 1
    row = [-0.043388, -0.076430, -0.104349, -0.045217, 0.245285, 0.733970, 1]
    np.testing.assert_allclose(front_end.dog(13, 13 / 9, 26 / 9)[6, :7], row, atol=5e-7)
    np.testing.assert_allclose(front_end.dog(5, 0.7, 1.9), naive.dog(5, 0.7, 1.9), rtol=1e-12)


def test_gabor_and_log():
    k = front_end.gabor(5, 67.5)
    rows = [
        [0.425985, -0.258133, -0.259560, 0.873745, -0.664619],
        [0.440226, -0.729172, 0.573072, 0.228028, -0.573174],
        [-0.004898, -0.551499, 1, -0.551499, -0.004898],
    ]
    np.testing.assert_allclose(k[:3], rows, atol=5e-7)
    np.testing.assert_allclose(k, k[::-1, ::-1], atol=1e-12)
    k = front_end.log(7, 1.2)
    assert k[3, 3] == 1 and k[0, 0] < k[3, 3] and abs(k.mean()) < 1e-12


def test_filter_example():
    image = np.zeros((1, 5, 5), np.uint8)
    image[0, 2, 2:4] = 255
    kernels = [front_end.dog(3, 1 / 3, 2 / 3)]
    raw = naive.correlate(image[0], kernels[0], 1)
    np.testing.assert_allclose(raw[1], [0 * 1, -23.998516, -63.75, -63.75, -23.998516], atol=5e-6)
    out = front_end.filter_images(image, kernels, padding=1, threshold=50)[0, 0]
    assert (out > 0).sum() == 2
    np.testing.assert_allclose(out[2, 2:4], 215.248516, atol=5e-6)
    out = front_end.filter_images(image, kernels, padding=1, use_abs=True)[0, 0]
    np.testing.assert_allclose(out, np.abs(raw), atol=1e-9)
    out = front_end.filter_images(image, kernels, padding=1)[0, 0]
    np.testing.assert_allclose(out, np.maximum(raw, 0), atol=1e-9)


def test_filters_of_several_sizes_and_shared_kernels_equal_the_slow_ones():
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 8)).astype(np.uint8)
    bank = [front_end.dog(3, 0.4, 0.8), front_end.dog(3, 0.8, 0.4), front_end.dog(7, 1, 2), front_end.gabor(5, 30)]
    out = front_end.filter_images(images, bank, padding=3, threshold=20)
    for n in range(3):
        for c, k in enumerate(bank):
            raw = naive.correlate(images[n], np.pad(k, (7 - len(k)) // 2), 3)
            np.testing.assert_allclose(out[n, c], np.where(raw >= 20, raw, 0), atol=1e-9)
    np.testing.assert_allclose(front_end.filter_images(images / 255, bank, padding=3, threshold=20, scale=255), out)


def test_a_response_at_the_threshold_stays():
    image = np.full((1, 2, 2), 10.0)
    for threshold, kept in ((10, 10), (10.01, 0)):
        assert (front_end.filter_images(image, [np.array([[1.0]])], threshold=threshold) == kept).all()


def test_abs_comes_after_the_threshold():
    image = np.full((1, 3, 3), 10.0)
    out = front_end.filter_images(image, [np.array([[-1.0]])], threshold=-5, use_abs=True)
    assert (out == 0).all()
    assert (front_end.filter_images(image, [np.array([[-1.0]])], threshold=-15, use_abs=True) == 10).all()


def test_local_norm_example_and_slow_version():
    out = front_end.local_normalise([[[[4, 0, 0], [0, 8, 0], [0, 0, 6]]]], 1)
    np.testing.assert_allclose(np.diag(out[0, 0]), [3, 4, 3.857143], atol=5e-7)
    maps = np.maximum(np.random.default_rng(1).normal(size=(2, 3, 11, 6)), 0)
    out = front_end.local_normalise(maps, 4)
    for n in range(2):
        np.testing.assert_allclose(out[n], naive.local_normalise(maps[n], 4), rtol=1e-9)


def test_lateral_inhibition_example_and_slow_version():
    maps = np.array([[[[1, 0.5, 0.25], [0.8, 0, 0.2], [0.4, 0.1, 0.6]]]])
    out = front_end.lateral_inhibition(maps, [0.2])
    expected = [[1, 0.357143, 0.208333], [0.666667, 0, 0.125], [0.333333, 0.055556, 0.6]]
    np.testing.assert_allclose(out[0, 0], expected, atol=5e-7)
    out = front_end.lateral_inhibition(maps, [0.2], mode="spyketorch")
    np.testing.assert_allclose(out[0, 0], [[2.6, 1.1, 0.6], [1.92, 0, 0.4], [0.96, 0.18, 1.56]], atol=1e-12)
    maps = np.random.default_rng(2).integers(0, 6, (1, 2, 9, 7)) / 5
    for mode in ("delay", "spyketorch"):
        out = front_end.lateral_inhibition(maps, mode=mode)
        np.testing.assert_allclose(out[0], naive.lateral(maps[0], (0.15, 0.12, 0.10, 0.07, 0.05), mode), rtol=1e-12)


def test_pooled_intensities():
    maps = np.arange(24.0).reshape(1, 1, 4, 6)
    assert front_end.pool_intensities(maps, 2)[0, 0].tolist() == [[7, 9, 11], [19, 21, 23]]
    assert front_end.pool_intensities(maps, 3, 3, 1)[0, 0].tolist() == [[7, 10], [19, 22]]


def test_rank_code_examples():
    values = np.array([[[[9, 0, 7], [3, 7, 1]], [[5, 2, 0], [0, 8, 4]]]])
    assert front_end.rank_code(values, 3).ravel().tolist() == [0, 3, 0, 2, 1, 2, 1, 2, 3, 3, 0, 1]
    assert front_end.rank_code(values, 4, "spyketorch").ravel().tolist() == [0, 4, 1, 3, 1, 4, 2, 3, 4, 4, 0, 2]
    assert front_end.rank_code(values, 4, "equal").ravel().tolist() == [0, 4, 0, 2, 1, 3, 1, 3, 4, 4, 0, 2]
    flat = np.ones((1, 2, 3, 3))
    times = front_end.rank_code(flat, 4, "equal").ravel()
    assert np.bincount(times, minlength=5).tolist() == [5, 4, 5, 4, 0] and (np.diff(times.astype(int)) >= 0).all()
    times = front_end.rank_code(flat, 4, "spyketorch").ravel()
    assert np.bincount(times).tolist() == [4, 4, 4, 4, 2] and times[-2:].tolist() == [4, 4]
    one = np.zeros((1, 1, 2, 2))
    one[0, 0, 1, 0] = 0.3
    assert front_end.rank_code(one, 15, "equal").ravel().tolist() == [15, 15, 0, 15]
    assert (front_end.rank_code(one, 15, "spyketorch") == 15).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.sampled_from(["equal", "spyketorch"]))
def test_rank_code_equals_the_slow_one_and_ignores_scale(seed, n_steps, bins):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, rng.integers(1, 60), (2, 2, 4, 5)).astype(float)
    times = front_end.rank_code(values, n_steps, bins)
    for n in range(2):
        assert (times[n] == naive.rank_code(values[n], n_steps, bins)).all()
        count = (values[n] > 0).sum()
        assert (times[n] < n_steps).sum() == (count if bins == "equal" else n_steps * (count // n_steps))
    assert (front_end.rank_code(values * 4.0, n_steps, bins) == times).all()


def test_counts_of_edge_case_images():
    constant = np.full((1, 28, 28), 255)
    pixel = np.zeros((1, 28, 28))
    pixel[0, 14, 14] = 255
    for image, bank, padding, counts, spikes in (
        (constant, BANK_6, 6, [108, 0, 300, 0, 528, 0], 930),
        (constant, BANK_2, 3, [300, 0], 300),
        (pixel, BANK_6, 6, [1, 8, 5, 36, 13, 124], 180),
        (pixel, BANK_2, 3, [9, 40], 45),
    ):
        maps = front_end.local_normalise(responses(image, bank, padding), 8)
        assert (maps[0] > 0).sum((1, 2)).tolist() == counts
        assert (maps[0, :, 10:18, 10:18] == 0).all() or image is pixel
        assert (front_end.rank_code(maps, 15, "spyketorch") < 15).sum() == spikes
    zero = front_end.encode(np.zeros((2, 28, 28), np.uint8), BANK_2, 15, filtering={"padding": 3}, norm_radius=8)
    assert (zero == 15).all()


def test_gabor_bank_on_flat_and_step_images():
    bank = [front_end.gabor(5, a) for a in (22.5, 67.5, 112.5, 157.5)]
    flat = np.full((1, 64, 64), 0.7)
    assert (front_end.filter_images(flat, bank, use_abs=True) == 0).all()
    assert (front_end.filter_images(flat, bank, use_abs=True, floor=0) > 0).any()
    step = np.zeros((1, 64, 64))
    step[:, :, 32:] = 1
    s1 = front_end.filter_images(step, bank, use_abs=True)
    assert (s1 > 0).sum() == 960 and set(np.nonzero(s1)[3]) == {28, 29, 30, 31}
    assert (front_end.pool_intensities(s1, 7, 6, 3) > 0).sum() == 40


def test_encode_is_the_chain_of_its_parts_and_the_same_in_any_chunk():
    images = np.random.default_rng(3).integers(0, 256, (300, 12, 12)).astype(np.uint8)
    filtering = {"padding": 3, "threshold": 50}
    times = front_end.encode(images, BANK_2, 15, filtering=filtering, norm_radius=4, inhibition={}, bins="spyketorch")
    maps = front_end.local_normalise(front_end.filter_images(images, BANK_2, **filtering), 4)
    assert (times == front_end.rank_code(front_end.lateral_inhibition(maps), 15, "spyketorch")).all()
    assert times.dtype == np.uint8 and times.shape == (300, 2, 12, 12)
    assert front_end.encode(images[:0], BANK_2, 15).shape == (0, 2, 6, 6)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["none", "before", "after"]),
    st.sampled_from(["equal", "spyketorch"]),
    st.sampled_from([None, (1, 1, 0), (2, 2, 1), (3, 2, 0), (2, 1, 0)]),
    st.sampled_from([None, (1, 1, 0), (3, 2, 1), (2, 2, 0)]),
)
def test_encode_equals_the_slow_chain(seed, competition, bins, filter_pool, time_pool):
    rng = np.random.default_rng(seed)
    n_steps = int(rng.choice([1, 4, 15]))
    images = rng.integers(0, 4, (2, 10, 11)).astype(float)  # few values: many ties
    kernels = [np.array([[1.0]]), np.array([[2.0]]), np.array([[-1.0]]), rng.integers(-2, 3, (3, 3)).astype(float)]
    times = front_end.encode(
        images,
        kernels,
        n_steps,
        filtering={"padding": 1, "use_abs": True, "floor": 0},
        inhibition={"factors": [0.25, 0.5]},
        filter_pool=filter_pool,
        competition=competition,
        bins=bins,
        time_pool=time_pool,
    )
    for n in range(2):
        maps = np.abs([naive.correlate(images[n], np.pad(k, (3 - len(k)) // 2), 1) for k in kernels])
        maps = naive.pool_intensities(maps, *(filter_pool or (1, 1, 0)))
        maps = naive.lateral(maps, [0.25, 0.5], "delay")
        ranked = naive.strongest_map(maps) if competition == "before" else maps
        slow = naive.rank_code(ranked, n_steps, bins)
        if competition == "after":
            slow = naive.pointwise(slow, maps, n_steps)[0]
        slow = naive.pool(slow, n_steps, *(time_pool or (1, 1, 0)))
        np.testing.assert_array_equal(times[n], slow)
        if competition != "none" and (time_pool or (1,))[0] == 1:
            assert ((times[n] < n_steps).sum(0) <= 1).all()


def test_competition_of_maps():
    maps = np.array([[[[3.0, 0, 2, 1]], [[4.0, 0, 2, 0]]]])
    kept = front_end.strongest_map(maps)
    assert kept.tolist() == [[[[0, 0, 2, 1]], [[4, 0, 0, 0]]]]
    image = np.array([[[3.0, 0, 2, 1]]])
    arguments = {"kernels": [np.array([[1.0]]), np.array([[0.5]])], "n_steps": 6}
    spikes = {c: front_end.encode(image, competition=c, **arguments).ravel() for c in ("none", "before", "after")}
    assert spikes["none"].tolist() == [0, 6, 1, 3, 2, 6, 4, 5]  # six values, a step each
    assert spikes["after"].tolist() == [0, 6, 1, 3, 6, 6, 6, 6]  # the losers have taken their steps
    assert spikes["before"].tolist() == [0, 6, 2, 4, 6, 6, 6, 6]


def test_first_training_digit(data_root):
    idx = pytest.importorskip("firstspike.datasets.idx")
    found = sorted((data_root / "mnist").rglob("train-images*"))
    if not found:
        pytest.skip("no MNIST below FIRSTSPIKE_DATA")
    images = idx.read_idx(found[0])[:1]
    maps = front_end.local_normalise(responses(images, BANK_6, 6), 8)
    assert (maps > 0).sum() == 1313
    assert (front_end.rank_code(maps, 15, "spyketorch") < 15).sum() == 1305


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: front_end.rank_code(-np.ones((1, 1, 2, 2)), 3), "intensities must be >= 0"),
        (lambda: front_end.rank_code(np.full((1, 1, 2, 2), np.nan), 3), "finite"),
        (lambda: front_end.rank_code(np.ones((1, 1, 2, 2)), 0), "n_steps must be an integer >= 1, got 0"),
        (lambda: front_end.rank_code(np.ones((1, 1, 2, 2)), 3, "half"), "bins must be"),
        (lambda: front_end.rank_code(np.ones((2, 2)), 3), "4 axes"),
        (lambda: front_end.filter_images(np.full((1, 9, 9), np.inf), BANK_2), "finite"),
        (lambda: front_end.filter_images(np.ones((1, 5, 5)), BANK_2), "larger than the input"),
        (lambda: front_end.filter_images(np.ones((1, 9, 9)), BANK_2, threshold=-1), "threshold must be >= 0"),
        (lambda: front_end.filter_images(np.ones((1, 9, 9)), [np.ones((2, 2))]), "odd size"),
        (lambda: front_end.dog(4, 1, 2), "size must be odd, got 4"),
        (lambda: front_end.dog(7, 0, 2), "s1 must be > 0, got 0"),
        (lambda: front_end.dog(7, 2, 2), "s1 != s2"),
        (lambda: front_end.lateral_inhibition(np.ones((1, 1, 2, 2)), mode="no"), "mode must be"),
        (lambda: front_end.lateral_inhibition(np.ones((1, 1, 2, 2)), [-0.1]), "factors must be >= 0"),
        (lambda: front_end.local_normalise(np.ones((1, 1, 2, 2)), -1), "radius must be"),
        (lambda: front_end.pool_intensities(np.ones((1, 1, 2, 2)), 3), "larger than the map"),
        (lambda: front_end.strongest_map(-np.ones((1, 1, 2, 2))), "intensities must be >= 0"),
        (lambda: front_end.encode(np.ones((1, 9, 9)), BANK_2, 5, competition="yes"), "competition must be"),
        (lambda: front_end.encode(np.ones((1, 9, 9)), BANK_2, 5, filter_pool=(4, 1, 0)), "larger than the map"),
        (lambda: front_end.encode(np.ones((1, 9, 9)), BANK_2, 5, time_pool=(2, 1, 2)), "pool padding must be"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
