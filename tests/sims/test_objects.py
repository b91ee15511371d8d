"""Small pictures of objects: parts by object, a run from the pictures to the answers, its figures and reuse."""

import numpy as np
import pytest
from PIL import Image

import firstspike
from firstspike.runtime.params import update
from firstspike.sims import objects
from firstspike.sims.evaluate import evaluate
from firstspike.sims.objects import PRESETS, load_part

SMALL = {"size": 16, "kernel": 6, "theta": 3.0, "per_class": 3, "epochs": 8, "held_out": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of four objects, six views each: a bar that stands or lies, at places of its own."""
    place = tmp_path_factory.mktemp("objects")
    draws = np.random.default_rng(0)
    for label, name in enumerate(("cup", "dog")):
        for number in range(1, 5):
            (place / f"{name}{number}").mkdir()
            for view in range(6):
                picture = draws.integers(0, 30, (16, 16)).astype(np.uint8)
                at = 4 + number + view % 2
                picture[(slice(2, 14), slice(at, at + 2)) if label else (slice(at, at + 2), slice(2, 14))] = 220
                Image.fromarray(picture).save(place / f"{name}{number}" / f"{name}{number}-{45 * view:03d}-000.png")
    return place


def test_parts_share_no_object_and_hold_every_view_once(folder):
    params = update(PRESETS["tutorial"], SMALL | {"data": str(folder)})
    parts = {part: load_part(params, str(folder), part)[0] for part in ("train", "test")}
    assert len(parts["train"]) == 2 * 3 * 6 and len(parts["test"]) == 2 * 1 * 6
    every = {x.tobytes() for x in np.concatenate(list(parts.values()))}
    assert len(every) == 48
    views = update(params, {"held_out": 0})
    n = [len(load_part(views, str(folder), part)[1]) for part in ("train", "test")]
    assert n == [36, 12]
    few = load_part(params, str(folder), "train", 8)
    assert set(few[1]) == {0, 1} and few[2] == ["cup", "dog"]


def test_run_learns_answers_again_and_draws(folder, tmp_path):
    settings = SMALL | {"data": str(folder)}
    result = firstspike.run("objects", seeds=2, **settings)
    found = objects.summary(result)
    assert found["accuracy"] >= 0.9 and found["n_train"] == 36 and found["n_test"] == 12
    assert found["controls"]["permuted"] < found["accuracy"]
    assert evaluate(result)["as_stored"]
    result.save(tmp_path / "a.h5")
    for name in objects.FIGURES:
        figure = objects.figure(result, name)
        figure.savefig(tmp_path / f"{name}.png")
    labels = [t.get_text() for t in objects.figure(result, "confusion").axes[0].get_xticklabels()]
    assert labels[:2] == ["cup", "dog"]


def test_errors_say_what_is_wrong(folder):
    with pytest.raises(ValueError, match="classes must differ"):
        update(PRESETS["tutorial"], {"classes": "cup,cup"})
    with pytest.raises(ValueError, match="data must be eth80"):
        update(PRESETS["tutorial"], {"data": "/nowhere"})
    with pytest.raises(ValueError, match="no class 'cow'"):
        firstspike.run("objects", **SMALL, data=str(folder), classes=("cow", "dog"))
