"""S4NN and BS4NN: learning digits, going on where it stopped, same bits on more threads, collapse seen, tie rules."""

import numba
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits

from firstspike.plasticity.learners.bs4nn import BNN, BS4NN, pack_bits, unpack_bits
from firstspike.plasticity.learners.s4nn import S4NN
from firstspike.plasticity.learners.s4nn_params import BINARY_PRESETS, PRESETS
from firstspike.runtime.params import as_dict


@pytest.fixture(scope="module")
def digits():
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(1797)
    images, labels = images.astype(np.uint8).reshape(-1, 8, 8)[order], labels[order]
    return (images[:1437], labels[:1437]), (images[1437:], labels[1437:])


def net(**changes):
    return S4NN(**(as_dict(PRESETS["digits"]) | {"largest": 16} | changes))


def binary(**changes):
    return BS4NN(**(as_dict(BINARY_PRESETS["digits"]) | {"largest": 16} | changes))


def test_digits_are_learnt(digits):
    train, test = digits
    nets = [net(random_state=seed, epochs=40).fit(*train) for seed in range(3)]
    assert np.mean([n.score(*test, ties=True) for n in nets]) >= 0.91
    assert np.mean([n.score(*test) for n in nets]) >= 0.89
    stats = nets[0].spike_stats(test[0])
    assert 7 < stats["decision_step"] < 12 and 15 < stats["spikes"]["input"] < 30
    assert nets[0].health_["advice"] == "healthy" and nets[0].history_[-1, 0] > 0.9
    right, spikes = nets[0].anytime(*test, range(0, 17, 4))
    assert right[0] < 0.5 < right[-1] and right[-1] == nets[0].score(*test) and (np.diff(spikes) >= 0).all()


def test_collapse_is_told(digits):
    lost = net(rates=(1.0, 1.0), init=(10.0, 20.0), epochs=20, last_rate=1.0).fit(*digits[0])
    assert lost.health_["collapsed"] and lost.health_["hidden_rate"] > 0.95 and lost.health_["step"] < 4
    assert lost.score(*digits[1]) < 0.55


def test_binary_digits_are_learnt(digits):
    train, test = digits
    found = binary().fit(*train)
    assert found.score(*test, ties=True) >= 0.78
    assert set(np.unique(found.weights_[0])) == {-1, 1}
    again = binary().set_weights(
        [unpack_bits(pack_bits(w), w.shape[1]) for w in found.weights_], found.scales_, found.classes_
    )
    assert (again.predict(test[0]) == found.predict(test[0])).all()
    ordinary = BNN(hidden=100, epochs=15, batch=50, rate=0.02).fit(train[0] * 15, train[1])
    assert ordinary.score(test[0] * 15, test[1]) > 0.8


@pytest.mark.parametrize("make", [
    lambda: net(epochs=3, dead=0.9, shift=1, jitter=1, rest=0.1), lambda: net(epochs=2, batch=30, rates=(0.05, 0.2)),
    lambda: binary(epochs=2, dead=0.9, replacement=True),
])  # fmt: skip
def test_going_on_gives_the_same_bits(digits, make, monkeypatch):
    from firstspike.plasticity.learners import latency

    monkeypatch.setattr(latency, "_SLICE", 150)
    X, y = digits[0][0][:400], digits[0][1][:400]
    states = []
    whole = make().fit(X, y, progress=lambda f, note, snapshot: states.append(snapshot()))
    assert len(states) == 3 * whole.epochs + 1 and np.isfinite(whole.history_[:, :7]).all()
    assert whole.dead < 0.9 or whole.history_[0, 6] > 0
    for state in states:
        again = make().fit(X, y, resume=state)
        assert (again.flat_ == whole.flat_).all() and np.array_equal(again.history_, whole.history_, equal_nan=True)


def test_threads_do_not_matter_and_estimator_manners(digits):
    X, y = digits[0]
    found = net(epochs=1).fit(X, y, validation=(X[:50], y[:50]))
    assert found.history_[0, 7] == found.score(X[:50], y[:50])
    before = numba.get_num_threads()
    answers = []
    try:
        for n in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(n)
            answers.append(found.decide(X))
    finally:
        numba.set_num_threads(before)
    for a, b in zip(*answers, strict=True):
        assert (a == b).all()
    again = clone(found).set_params(epochs=0).fit(X, y)
    assert (again.weights_[0] == found.first_weights()[0]).all() and again.health_["advice"] == "not trained"
    put = net(hidden=(100,)).set_weights(found.weights_, found.classes_)
    assert (put.predict(X) == found.predict(X)).all()
    named = net(epochs=1).fit(X, np.array([f"digit {k}" for k in y]))
    assert named.predict(X[:2])[0].startswith("digit")


def test_nonsense_is_refused(digits):
    X, y = digits[0]
    with pytest.raises(ValueError, match="thetas must have 2 values"):
        net(thetas=(1.0,)).fit(X, y)
    with pytest.raises(ValueError, match="init_low must have 1 or 2 values"):
        net(init_low=(0.0, 0.0, 0.0)).fit(X, y)
    with pytest.raises(ValueError, match="init must be > init_low"):
        net(init_low=(20.0,)).fit(X, y)
    with pytest.raises(ValueError, match="at least two classes"):
        net().fit(X[:4], np.zeros(4))
    with pytest.raises(ValueError, match="shift needs images"):
        net(shift=1).fit(X.reshape(-1, 64), y)
    with pytest.raises(ValueError, match="batch must be 1"):
        binary(batch=2).fit(X, y)
    with pytest.raises(ValueError, match="64 pixels"):
        net(epochs=0).fit(X, y).predict(X[:, :4])
