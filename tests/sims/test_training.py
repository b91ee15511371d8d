"""The protocol: what each variant sees, that the test part stays unseen, and how scores enter the result."""

import numpy as np
import pytest
from scipy import sparse

from firstspike.runtime.results import Result
from firstspike.runtime.run import Run
from firstspike.sims import training
from firstspike.sims.training import CONTROLS, Data, Readouts


class Templates:
    """A learner of the protocol: `fit` stores class-free templates, features are positive products with them."""

    seen: list = []

    def __init__(self, seed, trained):
        self.seed, self.trained = seed, trained

    def fit(self, images, progress=None, resume=None):
        self.seen.append(images)
        r = np.random.default_rng(self.seed)
        self.weights_ = [r.random((6, 1, 4, 4)), r.random((5, 6, 1, 1))]
        if self.trained:
            self.weights_[0] = images[:6, None].astype(float) / 255
            if resume is None:
                progress(0.5, "half", lambda: {"made": np.array(0.5)})
                progress(1.0, "made", lambda: {"made": np.array(1.0)})
            assert resume is None or resume["made"] >= 0.5
        return self

    def encode(self, images):
        return images.reshape(len(images), -1) / 255

    def set_weights(self, weights):
        self.weights_ = weights
        return self

    def permuted_weights(self, seed, layers=None):
        chosen = range(2) if layers is None else layers
        return [w[..., ::-1].copy() if i in chosen else w for i, w in enumerate(self.weights_)]

    def transform_times(self, times):
        first = np.maximum(times @ self.weights_[0].reshape(6, -1).T - 1, 0)
        return sparse.csr_matrix(first @ self.weights_[1].reshape(5, -1).T)


def make(seed, trained=True):
    return Templates(seed, trained)


def stripes(n, seed):
    """Two classes of 4x4 images: a bright row, a bright column."""
    r = np.random.default_rng(seed)
    labels = r.integers(2, size=n)
    images = r.integers(60, size=(n, 4, 4))
    for i, label in enumerate(labels):
        at = r.integers(4)
        images[i, at if label else slice(None), slice(None) if label else at] = 200
    return images.astype(np.uint8), labels


@pytest.fixture
def data():
    Templates.seen = []
    return Data("stripes", *stripes(80, 0), *stripes(40, 1))


READOUTS = Readouts(c=0.1, c_pixels=None, n_validation=20)


def test_all_variants_of_all_seeds(data):
    notes = []
    run = Run(seed=5, n_seeds=2)
    run.tick = lambda state, done, note="": notes.append((done, note))
    out = training.train(make, data, READOUTS, run)
    assert set(out.predictions) == {"trained", *CONTROLS}
    for name, predictions in out.predictions.items():
        assert len(predictions) == (1 if name == "raw_pixels" else 2)
        assert all(p.shape == (40,) for p in predictions)
    assert [t.seed for t in out.learners] == [5, 6] and all(t.trained for t in out.learners)
    shares = [share for share, _ in notes]
    assert shares == sorted(shares) and shares[-1] == 1.0 and any("half" in note for _, note in notes)
    np.testing.assert_array_equal(out.learners[0].weights_[0][0, 0], data.train_images[0] / 255)  # not the permuted


def test_controls_are_what_their_names_say(data):
    seen = {}
    plain = training._read

    def spy(kept, key, features, *rest):
        test = features[1]
        seen[key.removeprefix("0.")] = test.toarray() if sparse.issparse(test) else test
        plain(kept, key, features, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_read", spy)
        out = training.train(make, data, READOUTS, Run(seed=5))
    learner = out.learners[0]
    times = learner.encode(data.test_images)
    first = make(5, trained=False).fit(data.train_images[:1]).weights_
    wanted = {
        "trained": learner.weights_,
        "untrained": first,
        "permuted": learner.permuted_weights(5),
        "permuted_last": learner.permuted_weights(5, (1,)),
    }
    for name, weights in wanted.items():
        expected = make(5).set_weights(weights).transform_times(times).toarray()
        np.testing.assert_array_equal(seen[name], expected)
    np.testing.assert_array_equal(seen["raw_pixels"], data.test_images.reshape(40, -1) / 255)


def test_test_part_is_never_learnt_from(data):
    one = training.train(make, data, READOUTS, Run())
    assert all(len(images) in (80, 1) for images in Templates.seen)
    other = Data("x", data.train_images, data.train_labels, data.test_images, 1 - data.test_labels)
    two = training.train(make, other, READOUTS, Run())
    for name in one.predictions:
        np.testing.assert_array_equal(one.predictions[name], two.predictions[name])
        assert one.c[name] == two.c[name]


def test_readout_may_see_fewer_samples(data):
    few = training.train(make, data, Readouts(0.1, 0.1, 20, n_samples=30), Run(), controls=False)
    part = Data("x", data.train_images[:30], data.train_labels[:30], data.test_images, data.test_labels)
    all_of_part = training.train(make, part, Readouts(0.1, 0.1, 20), Run(), controls=False)
    np.testing.assert_array_equal(few.predictions["trained"], all_of_part.predictions["trained"])
    assert len(few.learners[0].seen[0]) == 80


def test_scores_in_the_result(data):
    run = Run(seed=0, n_seeds=2)
    out = training.train(make, data, READOUTS, run)
    result = Result("training")
    training.add_scores(result, out, data, run.seeds)
    for s in range(2):
        assert result["accuracy"][s] == np.mean(out.predictions["trained"][s] == data.test_labels)
        assert result["n_errors"][s] == np.sum(out.predictions["trained"][s] != data.test_labels)
        assert np.trace(result["confusion"][s]) == 40 - result["n_errors"][s]
    assert list(result["control"]) == list(CONTROLS)
    assert (result["control_accuracy"][3] == np.mean(out.predictions["raw_pixels"][0] == data.test_labels)).all()
    assert result["control_accuracy"][0, 1] == np.mean(out.predictions["untrained"][1] == data.test_labels)
    bare = Result("training")
    training.add_scores(bare, training.train(make, data, READOUTS, run, controls=False), data, run.seeds)
    assert "control" not in bare and "accuracy" in bare


def test_a_run_stopped_anywhere_and_resumed_gives_the_same(data):
    whole = training.train(make, data, READOUTS, Run(seed=5, n_seeds=2))
    ticks = []
    run = Run(seed=5, n_seeds=2)
    run.tick = lambda *_: ticks.append(1)
    training.train(make, data, READOUTS, run)
    for k in range(len(ticks)):
        run, count, kept = Run(seed=5, n_seeds=2), iter(range(len(ticks))), {}

        def stop(snapshot, done, note="", k=k, count=count, kept=kept):
            if next(count) == k:
                kept.update({name: np.array(value) for name, value in snapshot().items()})
                raise KeyboardInterrupt

        run.tick = stop
        with pytest.raises(KeyboardInterrupt):
            training.train(make, data, READOUTS, run)
        again = Run(seed=5, n_seeds=2)
        again.restored = kept
        out = training.train(make, data, READOUTS, again)
        assert out.c == whole.c
        for name, predictions in whole.predictions.items():
            np.testing.assert_array_equal(out.predictions[name], predictions)


def test_learners_that_answer_by_themselves(data):
    answers = [data.test_labels.copy(), data.test_labels.copy()]
    answers[1][:10] = -1
    result = Result("training")
    training.add_scores(result, training.Trained(predictions={"trained": answers}), data, [0, 1])
    np.testing.assert_array_equal(result["accuracy"], [1.0, 0.75])
    assert result["confusion"][1, :, -1].sum() == 10 and "readout_c" not in result
    with pytest.raises(ValueError, match="no readout"):
        training.readout_of(result, 0)


def test_c_may_be_chosen_with_fewer_samples(data):
    readouts = Readouts(None, 0.1, n_validation=20, n_choice=30)
    out = training.train(make, data, readouts, Run(seed=5), controls=False)
    learner = out.learners[0]
    features = learner.transform_times(learner.encode(data.train_images)).toarray()
    from firstspike.sims.measures.readout import GRID, best_c, gather, validate

    some = np.r_[:30, 60:80]
    tried = {c: validate(gather([features[some]]), data.train_labels[some], c, 20, seed=5) for c in GRID}
    assert out.readouts[0].tried == tried and out.c["trained"] == [best_c(tried)]
    result = Result("training")
    training.add_scores(result, out, data, [5])
    np.testing.assert_array_equal(result["validation_accuracy"], [list(tried.values())])
    again = training.readout_of(result, 0).predict(learner.transform_times(learner.encode(data.test_images)))
    np.testing.assert_array_equal(again, out.predictions["trained"][0])
