"""Checkpoints: what comes back is what was kept, in its order; whose it is is checked."""

import numpy as np
import pytest

from firstspike.runtime.checkpoint import Lock, Locked, checkpoint_path, load_checkpoint, save_checkpoint
from firstspike.runtime.results import Result, ResultError

STATE = {
    "z": np.arange(6.0).reshape(2, 3), "a": np.int64(3), "m.b": np.zeros((0, 2)), "M": np.array(["x", "y"]),
    "B": np.array([True, False]), "text": np.array("one"),
}  # fmt: skip


def test_the_state_comes_back_in_its_order(tmp_path):
    path = checkpoint_path(tmp_path / "a.h5")
    save_checkpoint(path, STATE, {"p": [1, 2]}, 0.5)
    back = load_checkpoint(path, {"p": [1, 2]})
    assert list(back) == list(STATE) and path.name == "a.h5.ckpt.h5"
    for name, value in STATE.items():
        np.testing.assert_array_equal(back[name], value)
    save_checkpoint(path, {}, {}, 0.0)
    assert load_checkpoint(path, {}) == {}


def test_another_run_is_refused_with_the_differences(tmp_path):
    path = tmp_path / "a.ckpt.h5"
    save_checkpoint(path, STATE, {"seed": 1, "tau": 0.5}, 0.5)
    with pytest.raises(ResultError, match=r"another run .*parameter seed: 1 \| 2"):
        load_checkpoint(path, {"seed": 2, "tau": 0.5})
    Result("simulation").save(path)
    with pytest.raises(ResultError, match="of kind simulation, not a checkpoint"):
        load_checkpoint(path, {})


def test_a_lock_excludes_and_is_freed(tmp_path):
    out = tmp_path / "sub" / "a.h5"
    with Lock(out):
        with pytest.raises(Locked, match="another run is writing"), Lock(out):
            pass
        with Lock(tmp_path / "sub" / "b.h5"):
            pass
    with Lock(out):
        pass
    assert not list(out.parent.iterdir())
