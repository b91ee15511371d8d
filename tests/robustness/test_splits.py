"""Split = whole, threads, seeds: the bits of a run do not depend on how it was carried out."""

import random
import signal

import numpy as np
import pytest
from robustness.kills import SETTINGS

import firstspike
from firstspike.runtime.run import Interrupted, Run

SMALL = {
    "coincidence": SETTINGS | {"n_periods": 30, "n_recorded": 10, "probe_duration": 5.0, "weights_every": 7},
    "digits": dict(
        preset="quick", n_train=80, n_test=30, n_validation=20, maps=(6, 8), epochs=(1, 2), doubling=(20, 20),
        max_iter=20, n_readout=60,
    ),
}  # fmt: skip
SEEDS = {"coincidence": 3, "digits": 2}


def run(name, **more):
    return firstspike.run(name, **{"seeds": SEEDS[name], **SMALL[name], **more})


@pytest.fixture(scope="module", params=SMALL)
def whole(request):
    """(name, content hash, how often the run ticked) of a run that nobody stops."""
    count, before = [0], Run.tick
    Run.tick = lambda self, *args: (count.__setitem__(0, count[0] + 1), before(self, *args))[1]
    try:
        result = run(request.param)
    finally:
        Run.tick = before
    return request.param, result, count[0]


def stop_at(monkeypatch, number):
    """Let the run be interrupted at its tick of that number (from 1)."""
    count, before = [0], Run.tick

    def tick(self, *args):
        count[0] += 1
        if count[0] == number:
            self._signal = signal.SIGINT
        return before(self, *args)

    monkeypatch.setattr(Run, "tick", tick)


def test_a_run_stopped_at_any_tick_goes_on_with_the_same_bits(whole, tmp_path, monkeypatch):
    name, result, n_ticks = whole
    assert n_ticks >= 6
    points = {1, 2, n_ticks - 1, n_ticks, *random.Random(3).sample(range(3, n_ticks - 1), min(3, n_ticks - 4))}
    for k in sorted(points):
        out = tmp_path / f"{k}.h5"
        with monkeypatch.context() as patch, pytest.raises(Interrupted):
            stop_at(patch, k)
            run(name, out=out, checkpoint_every=0)
        assert not out.exists() and out.with_name(f"{k}.h5.ckpt.h5").exists()
        assert run(name, out=out, resume=True).content_sha256 == result.content_sha256, f"stopped at tick {k}"
        assert [p.name for p in tmp_path.iterdir()] == [out.name]
        out.unlink()


def test_a_run_stopped_again_and_again(whole, tmp_path, monkeypatch):
    name, result, n_ticks = whole
    out, step = tmp_path / "a.h5", max(1, n_ticks // 4)
    with monkeypatch.context() as patch:
        for _ in range(3):
            stop_at(patch, step)
            try:
                run(name, out=out, resume=True, checkpoint_every=0)
            except Interrupted:
                pass
            patch.undo()
    assert run(name, out=out, resume=True).content_sha256 == result.content_sha256


def test_threads_do_not_change_a_bit(whole, monkeypatch):
    from firstspike.plasticity.events import engine

    monkeypatch.setattr(engine, "_SERIAL", 0.0)  # share out even this little work
    name, result, _ = whole
    assert run(name, threads=2).content_sha256 == result.content_sha256


def test_seeds_of_one_run_are_those_of_single_runs(whole):
    """Nothing of a seed depends on its company: row s of every array is that of a run with seed s alone."""
    name, result, _ = whole
    for s in range(SEEDS[name]):
        alone = run(name, seed=s, seeds=1)
        seen = 0
        for key, array in alone.arrays.items():
            axes = result.arrays[key].dims
            if "seed" not in axes or key == "seed":
                continue
            axis = axes.index("seed")
            mine = np.take(result[key], [s], axis)
            cut = tuple(slice(n) for n in array.data.shape)  # an axis may be as long as the longest of all seeds needs
            np.testing.assert_array_equal(mine[cut], array.data, err_msg=key)
            assert mine.dtype.kind != "f" or np.isnan(mine).sum() >= np.isnan(array.data).sum()
            seen += 1
        assert seen >= 5
