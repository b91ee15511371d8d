"""The estimator: shapes, determinism, scikit-learn's conventions, controls, learning on small digits."""

import dataclasses
import pickle

import numba
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from firstspike.plasticity.learners.sdnn import SDNN, permute_synapses
from firstspike.plasticity.learners.sdnn_params import PRESETS, SDNNParams
from firstspike.plasticity.waves.backproject import backproject
from firstspike.plasticity.waves.conv import convolve, learn
from firstspike.plasticity.waves.front_end import encode
from firstspike.plasticity.waves.winners import pointwise_inhibition
from firstspike.runtime import params

DIGITS = params.as_dict(SDNNParams()) | dict(  # a network for 8x8 digits
    filter_sizes=(3,), filter_scales=(0.7,), filter_padding=1, filter_threshold=20.0, norm_radius=2, bins="equal",
    maps=(32, 100), kernels=(3, 2), paddings=(1, 1), thetas=(3.0, 2.0), pool_strides=(1, 2), pool_paddings=(0, 0),
    epochs=(10, 10), doubling=(500, 500),
)  # fmt: skip
SMALL = DIGITS | {"maps": (8, 12), "epochs": (2, 2)}


def network(**changes):
    return SDNN(**(SMALL | changes))


@pytest.fixture(scope="module")
def digits():
    images, labels = load_digits(return_X_y=True)
    return np.round(images * 255 / 16).astype(np.uint8).reshape(-1, 8, 8), labels


def test_presets_are_valid_and_learners_take_them():
    for preset in PRESETS.values():
        params.check(preset)
        net = SDNN(**dataclasses.asdict(preset))
        assert net.get_params() == dataclasses.asdict(preset)
    port = PRESETS["sdnn_mnist_port"]
    assert port == SDNNParams() and port.maps == (32, 150) and port.thetas == (10.0, 1.0)


@pytest.mark.parametrize("name, sizes", [("sdnn_mnist_port", (15, 9)), ("sdnn_mnist_paper", (12, 4))])
def test_sizes_of_the_published_networks(name, sizes):
    images = np.zeros((2, 28, 28), np.uint8)
    images[0, 5:20, 9:12] = 200
    net = SDNN(**(dataclasses.asdict(PRESETS[name]) | {"epochs": (1, 1)})).fit(images)
    times = net.encode(images)
    for layer, size in enumerate(sizes):
        times = net.forward(times, layer)
        assert times.shape == (2, net.maps[layer], size, size)
    assert net.transform(images).shape == (2, net.maps[1] * sizes[1] ** 2)


def test_estimator_conventions(digits):
    net = network()
    copy = clone(net)
    assert copy.get_params() == net.get_params() and copy is not net
    assert net.set_params(thetas=(2.0, 1.0)).thetas == (2.0, 1.0)
    assert {net} and net != network()  # hashable; equal to itself alone
    pipe = make_pipeline(network(epochs=(3, 3)), LinearSVC(C=0.1, max_iter=100)).fit(digits[0][:500], digits[1][:500])
    assert pipe.score(digits[0][:500], digits[1][:500]) > 0.8
    assert clone(pipe).set_params(sdnn__maps=(8, 8)).get_params()["sdnn__maps"] == (8, 8)
    fitted = pickle.loads(pickle.dumps(pipe[0]))
    assert (fitted.transform(digits[0][:5]) != pipe[0].transform(digits[0][:5])).nnz == 0


def test_fitted_attributes(digits):
    seen = []
    images = digits[0][:600].copy()
    images[::100] = 0
    net = network().fit(images, progress=lambda fraction, note, snapshot: seen.append((fraction, note)))
    assert [w.shape for w in net.weights_] == [(8, 2, 3, 3), (12, 8, 2, 2)]
    assert all(w.dtype == np.float32 and w.min() >= 0 and w.max() <= 1 for w in net.weights_)
    assert net.n_seen_ == [1200, 1200]
    for history in net.convergence_:
        assert history[0, 0] == 0 and history[-1, 0] == 1200 and 0.14 < history[0, 1] < 0.17
        assert history[-1, 1] < history[0, 1]
    fractions = [f for f, _ in seen]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1
    assert list(net.spikes_) == ["input", "conv1", "pool1", "conv2", "pool2"]
    times = net.encode(images)
    assert net.spikes_["input"] == pytest.approx((times < 15).sum() / 600)
    assert net.spikes_["pool1"] == pytest.approx((net.forward(times, 0) < 15).sum() / 600)
    for health in net.health_:
        assert health["without_winner"] >= 0.01 and 0 < health["win_share"] <= 1 and 0 <= health["mean_step"] < 15
        assert 0 <= health["saturation"] <= 1 and 0 <= health["dead_maps"] <= 12


def test_fit_is_the_chain_of_the_operators(digits):
    images = digits[0][:700]  # more than one slice
    net = network(inhibit_inputs=(False, True)).fit(images)
    times = net.encode(images)
    from firstspike.plasticity.rules.order import OrderSTDP

    for layer in (0, 1):
        inputs = pointwise_inhibition(times, 15) if layer else times
        start = network(epochs=(0, 0)).fit(images[:1]).weights_[layer]
        out = learn(
            np.concatenate([inputs, inputs]),
            start,
            OrderSTDP(doubling=500),
            theta=net.thetas[layer],
            n_steps=15,
            n_winners=net.winners[layer],
            radius=net.radii[layer],
            padding=1,
        )
        np.testing.assert_array_equal(out.weights, net.weights_[layer])
        pool = (net.pool_sizes[layer], net.pool_strides[layer], net.pool_paddings[layer])
        times = convolve(times, out.weights, net.thetas[layer], 15, padding=1, pool=pool)
    features = net.transform(images)
    assert sparse.isspmatrix_csr(features) and features.dtype == np.float32
    np.testing.assert_array_equal(features.toarray(), times.reshape(700, -1) < 15)
    latency = net.set_params(features="latency").transform(images)
    np.testing.assert_allclose(latency.toarray(), (15 - times.reshape(700, -1).astype(float)) / 15, rtol=1e-6)


def test_same_seed_same_weights_for_any_number_of_threads(digits):
    images = digits[0][:100]
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = network(random_state=3).fit(images)
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
        many = network(random_state=3).fit(images)
    finally:
        numba.set_num_threads(before)
    other = network(random_state=4).fit(images)
    for a, b, c in zip(one.weights_, many.weights_, other.weights_, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()
    assert (one.transform(images) != many.transform(images)).nnz == 0


def test_silent_and_empty_input(digits):
    zero = np.zeros((3, 8, 8), np.uint8)
    net = network().fit(zero)
    assert net.transform(zero).nnz == 0 and net.health_[0]["without_winner"] == 1
    assert net.transform(zero[:0]).shape == (0, net.transform(zero).shape[1])
    net = network().fit(digits[0][:20])
    mixed = digits[0][:3].copy()
    mixed[1] = 0
    assert np.diff(net.transform(mixed).indptr)[1] == 0


def test_weights_can_be_replaced_and_permuted(digits):
    net = network(epochs=(3, 3)).fit(digits[0][:600])
    images = digits[0][:60]
    features = net.transform(images)
    for layers, moved in ((None, [True, True]), ((1,), [False, True])):
        weights = net.permuted_weights(5, layers)
        for w, old, m in zip(weights, net.weights_, moved, strict=True):
            flat, old_flat = w.reshape(len(w), -1), old.reshape(len(w), -1)
            np.testing.assert_array_equal(np.sort(flat, 1), np.sort(old_flat, 1))
            assert (flat != old_flat).any() == m
        again = network().set_weights(weights)
        assert (again.transform(images) != features).nnz > 0
    assert (network().set_weights(net.weights_).transform(images) != features).nnz == 0
    net.weights_[0] = permute_synapses(net.weights_[0], 1)
    assert (net.transform(images) != features).nnz > 0
    with pytest.raises(ValueError, match="weights must have 2 arrays"):
        net.set_weights(net.weights_[:1])
    with pytest.raises(ValueError, match="weights of layer 2"):
        net.set_weights([net.weights_[0], net.weights_[1][:, :3]])


def test_a_converged_layer_stops(digits):
    net = network(epochs=(50, 1), stop_at=(0.05, 0.0)).fit(digits[0][:500])
    history = net.convergence_[0][:, 1]
    assert history[-1] < 0.05 <= history[-2] and net.n_seen_[0] < 25_000


def test_untrained_network_keeps_its_first_weights():
    net = network(epochs=(0, 0)).fit(np.zeros((1, 8, 8)))
    w = np.concatenate([w.ravel() for w in net.weights_])
    assert abs(w.mean() - 0.8) < 0.01 and abs(w.std() - 0.05) < 0.01 and net.n_seen_ == [0, 0]


def test_other_front_ends(digits):
    for changes in (
        {"filter": "gabor", "filter_padding": 0, "filter_threshold": 0.0},
        {"filter": "log", "lateral": "delay"},
        {"polarity": "on", "lateral": "spyketorch", "norm_radius": 0},
        {"inhibit_at_inference": True, "strict": False},
    ):
        net = network(**changes).fit(digits[0][:30])
        assert net.transform(digits[0][:30]).nnz > 0
    times = net.encode(digits[0][:30])
    assert ((net._convolve(net._params(), times, 0, None) < 15).sum(1) <= 1).all()


def test_front_end_of_the_network_is_encode(digits):
    front = {"filter": "gabor", "filter_padding": 0, "filter_threshold": 0.0, "pixel_scale": 1 / 255, "norm_radius": 0}
    front |= {"filter_pool": (2, 1, 1), "competition": "before", "lateral": "delay", "time_pool": (3, 2, 0)}
    images = digits[0][:20]
    net = network(**front)
    expected = encode(
        images,
        net.filters(),
        15,
        filtering={"use_abs": True, "scale": 1 / 255},
        filter_pool=(2, 1, 1),
        inhibition={},
        competition="before",
        bins="equal",
        time_pool=(3, 2, 0),
    )
    assert expected.shape == (20, 4, 3, 3) and (expected < 15).any()
    np.testing.assert_array_equal(net.encode(images), expected)
    assert (network(**(front | {"competition": "after"})).encode(images) != expected).any()


def test_a_network_without_layers_is_its_front_end(digits):
    layers = {name: () for name in SDNNParams.MAY_BE_EMPTY}
    net = SDNN(**(DIGITS | layers))
    images = digits[0][:30]
    times = SDNN(**DIGITS).encode(images)
    np.testing.assert_array_equal(net.encode(images), times)
    features = net.fit(images).transform(images)
    np.testing.assert_array_equal(features.toarray(), times.reshape(30, -1) < 15)
    assert net.weights_ == [] and params.from_dict(SDNNParams, params.as_dict(net._params())).maps == ()


def test_activity_of_all_layers(digits):
    images = digits[0][:600]  # more than one slice
    net = network().fit(images)
    activity = net.activity(images)
    assert {name: round(float(a.sum()), 6) for name, a in activity.items()} == pytest.approx(net.spikes_, abs=1e-5)
    times = net.forward(net.encode(images), 0)
    expected = [[(times[:, c] == t).sum() / 600 for t in range(15)] for c in range(8)]
    np.testing.assert_allclose(activity["pool1"], expected)
    assert [a.shape for a in activity.values()] == [(2, 15), (8, 15), (8, 15), (12, 15), (12, 15)]


def test_patterns_are_traced_back_through_all_poolings(digits):
    net = network(filter_pool=(2, 1, 0), time_pool=(2, 2, 0), epochs=(0, 0)).fit(digits[0][:1])
    front = [(2, 1), (2, 2), net.weights_[0]]
    np.testing.assert_array_equal(net.patterns(0), backproject(net.filters(), front))
    both = [*front, (2, 1), net.weights_[1]]
    np.testing.assert_array_equal(net.patterns(), backproject(net.filters(), both))
    assert network(epochs=(0, 0)).fit(digits[0][:1]).patterns(-2).shape == (8, 5, 5)
    with pytest.raises(ValueError, match="layer must be in 0..1"):
        net.patterns(2)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"kernels": (3,)}, "kernels must have 2 values, one a layer"),
        ({"thetas": (3.0, 0.0)}, "thetas must be > 0"),
        ({"filter_sizes": (4,)}, "filter_sizes must be odd"),
        ({"filter_scales": (1.0, 2.0)}, "filter_scales must have 1 values"),
        ({"pool_paddings": (2, 0)}, "pool_paddings must be <= half"),
        ({"bins": "other"}, "bins must be one of"),
        ({"n_steps": 300}, "n_steps must be"),
        ({"kernels": (12, 2)}, "larger than the input"),
        ({"maps": ()}, "kernels must have 0 values"),
        ({"filter_sizes": ()}, "filter_sizes must have at least one value"),
        ({"time_pool": (3, 2)}, "time_pool must be window >= 1"),
        ({"filter_pool": (2, 1, 2)}, "filter_pool must be window >= 1"),
        ({"competition": "late"}, "competition must be one of"),
    ],
)
def test_parameter_errors(changes, message, digits):
    with pytest.raises(ValueError, match=message):
        network(**changes).fit(digits[0][:5])


def test_input_errors(digits):
    net = network().fit(digits[0][:5])
    with pytest.raises(ValueError, match="finite"):
        net.transform(np.full((1, 8, 8), np.nan))
    with pytest.raises(ValueError, match="X must be images"):
        net.transform(np.zeros((8, 8)))
    with pytest.raises(ValueError, match="SDNN instance is not fitted"):
        network().transform(digits[0][:5])


@pytest.mark.filterwarnings("ignore:Liblinear failed to converge")
def test_learnt_features_beat_untrained_ones_and_pixels(digits):
    images, labels = digits
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[:1297], order[1297:]

    def score(net):
        machine = LinearSVC(C=0.01, max_iter=100).fit(net.transform(images[train]), labels[train])
        return machine.score(net.transform(images[test]), labels[test])

    net = SDNN(**DIGITS).fit(images[train])
    pixels = LinearSVC(C=0.05).fit(images[train].reshape(-1, 64) / 255, labels[train])
    learnt = score(net)
    assert learnt >= 0.955 and learnt > pixels.score(images[test].reshape(-1, 64) / 255, labels[test])
    train = train[:400]  # almost all neurons of the untrained network spike: its readout converges slowly
    assert learnt > score(SDNN(**(DIGITS | {"epochs": (0, 0)})).fit(images[:1])) + 0.1
    assert max(h[-1, 1] for h in net.convergence_) < 0.02


def test_memory_of_a_forward_pass():
    import tracemalloc

    net = SDNN().set_weights([np.full((32, 2, 5, 5), 0.4), np.full((150, 32, 2, 2), 0.2)])
    rng = np.random.default_rng(0)
    times = np.where(rng.random((3000, 2, 28, 28)) < 0.05, rng.integers(0, 15, (3000, 2, 28, 28)), 15).astype(np.uint8)
    net.transform_times(times[:20])
    tracemalloc.start()
    net.transform_times(times)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    dense = 3000 * 15 * 32 * 28 * 28 * 4
    assert peak < 400e6 < dense / 10


class Stopped(Exception):
    pass


def test_a_fit_stopped_anywhere_and_resumed_has_the_same_bits():
    images = np.random.default_rng(0).integers(0, 256, (1200, 9, 9)).astype(np.uint8)
    settings = dict(filter_sizes=(3,), filter_padding=1, maps=(6, 8), epochs=(1, 2), norm_radius=2, stop_at=(0.0, 0.01))
    whole = SDNN(**settings).fit(images)
    ticks = []
    SDNN(**settings).fit(images, progress=lambda *_: ticks.append(1))
    for k in range(len(ticks)):
        kept, count = {}, iter(range(len(ticks)))

        def stop(fraction, note, snapshot, kept=kept, count=count, k=k):
            if next(count) == k:
                kept.update({name: np.array(value) for name, value in snapshot().items()})
                raise Stopped

        with pytest.raises(Stopped):
            SDNN(**settings).fit(images, progress=stop)
        again = SDNN(**settings).fit(images, resume=kept)
        for a, b in zip(whole.weights_ + whole.convergence_, again.weights_ + again.convergence_, strict=True):
            np.testing.assert_array_equal(a, b)
        assert (again.n_seen_, again.spikes_, again.health_) == (whole.n_seen_, whole.spikes_, whole.health_)
