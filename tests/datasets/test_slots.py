"""Input on slots: statistics, the pattern and what happens to it, bits."""

from dataclasses import replace

import numpy as np
import pytest
from naive import slots as naive

from firstspike.datasets import slots
from firstspike.datasets.slots import SlotInput, involved, labels
from firstspike.datasets.tape import SLICE, Tape
from firstspike.runtime import rng

SMALL = SlotInput(n_afferents=100, n_involved=40, n_slots=60)


def everything(tape, replay=0):
    """All spikes of a tape: times, afferents."""
    parts = [tape.read(k, replay) for k in range(tape.n_slices)]
    return np.concatenate([t[0, : n[0]] for t, _, n in parts]), np.concatenate([u[0, : n[0]] for _, u, n in parts])


def of_slot(times, units, k, length=0.05):
    use = (times >= k * length) & (times < (k + 1) * length)
    return times[use] - k * length, units[use]


@pytest.fixture(scope="module")
def long():
    """Ten seconds at full size without a pattern."""
    return everything(Tape(1, SlotInput(n_slots=200, fresh=True, noise=0.0)))


def test_rates(long):
    times, units = long
    assert times.size / 2000 / 10 == pytest.approx(53.8, abs=0.4)
    per_slot = np.histogram2d(times, units, (np.arange(201) * 0.05, np.arange(2001)))[0]
    assert per_slot.var() / per_slot.mean() > 1.02  # rates wander: more than a refractory Poisson train
    noise = everything(Tape(1, SlotInput(n_slots=200, fresh=True, noise=10.0)))[0]
    assert (noise.size - times.size) / 2000 / 10 == pytest.approx(10.0, abs=4 * np.sqrt(10 / 2e4))


def test_no_afferent_is_silent_for_longer_than_50_steps(long):
    times, units = long
    order = np.lexsort((times, units))
    gaps = np.diff(np.floor(times[order] * 1e3 + 1e-6))[np.diff(units[order]) == 0]
    assert gaps.max() == 51 and gaps.min() == 1  # a step has one spike of an afferent at most


def test_wandering_equals_the_plain_scheme():
    """The bits of the draws are read as the kernel reads them."""
    p = SlotInput(n_afferents=6, n_involved=1, n_slots=30, fresh=True, noise=0.0)
    times, units = everything(Tape(4, p))
    key, start = rng.stream(4, "wander"), rng.uniforms(4, "start", (3, 6))
    words = [[rng.bits(*key, k * 3 + j) for j in range(3)] for k in range(1500)]
    for i in range(6):
        mine = [(int(w[i // 2]) >> (32 * (i % 2))) & 0xFFFFFFFF for w in words]
        draws = [(((x & 0xFFFF) + 0.5) / 65536, ((x >> 16) - 32767.5) / 32768) for x in mine]
        first = start[0, i] * 90, (2 * start[1, i] - 1) * 1800, -1 - int(start[2, i] * 50)
        fired = naive.wander(*first, draws, 90.0)
        assert np.floor(times[units == i] * 1e3).astype(int).tolist() == fired


@pytest.mark.parametrize("share", [0.05, 0.25, 1 / 3, 0.5])
def test_chosen_slots(share):
    p = SlotInput(n_afferents=10, n_involved=5, n_slots=3000, share=share, n_patterns=3)
    shown = labels(2, p)
    assert np.flatnonzero(shown >= 0).tolist() == naive.chosen(rng.uniforms(2, "slot", 3000), share)
    assert (shown >= 0).mean() == pytest.approx(share, abs=0.03) and set(shown) == {-1, 0, 1, 2}
    assert not ((shown[1:] >= 0) & (shown[:-1] >= 0)).any()


def test_the_pattern_returns_exactly_without_jitter_and_noise():
    p = replace(SMALL, jitter=0.0, noise=0.0, n_patterns=2, scattered=True)
    tape = Tape(0, p)
    times, units = everything(tape)
    for q in range(2):
        at = np.flatnonzero(tape.labels == q)
        assert at.size >= 3
        shown = []
        for k in at:
            t, u = of_slot(times, units, k)
            mine = tape.involved[q][u]
            shown.append((np.round(t[mine] * 1e9), u[mine]))
            assert (~mine).sum() > 50  # the others go on as they please
        for t, u in shown[1:]:
            np.testing.assert_array_equal(t, shown[0][0])
            np.testing.assert_array_equal(u, shown[0][1])
        frozen = tape.pattern[q]
        order = np.lexsort((frozen[1], frozen[0]))
        np.testing.assert_allclose(frozen[0][order] * 1e9, shown[0][0], atol=1)
    fresh = everything(Tape(0, replace(p, fresh=True)))
    k0, k1 = np.flatnonzero(tape.labels == 0)[:2]
    same = [of_slot(*fresh, k) for k in (k0, k1)]
    assert same[0][0].size != same[1][0].size or (same[0][0] != same[1][0]).all()
    np.testing.assert_array_equal(of_slot(*fresh, k0)[1], of_slot(times, units, k0)[1])  # the first one is its own


def test_jitter_moves_each_spike_anew_and_may_leave_the_slot():
    p = replace(SMALL, noise=0.0, jitter=2e-3, n_slots=400)
    still, moved = (Tape(3, replace(p, jitter=j)) for j in (0.0, 2e-3))
    a, b = everything(still), everything(moved)
    assert a[0].size == b[0].size and (np.diff(b[0]) >= 0).all()
    lags = []
    for i in range(40):
        x, y = np.sort(a[0][a[1] == i]), np.sort(b[0][b[1] == i])
        lags.append(y - x)  # in order: not each spike with itself, but nearly
    lags = np.concatenate(lags)
    assert 1e-4 < lags[lags != 0].std() < 2.5e-3 and abs(lags.mean()) < 1e-4
    k = np.floor(a[0] / 0.05), np.floor(b[0] / 0.05)
    assert (np.bincount(k[0].astype(int), minlength=400) != np.bincount(k[1].astype(int), minlength=400)).sum() > 20
    none = everything(Tape(3, replace(p, deletion=1.0)))
    assert none[0].size == a[0].size  # moved elsewhere in the slot, not lost
    first, second = np.flatnonzero(still.labels == 0)[:2]
    times = [of_slot(*none, s)[0] for s in (first, second)]
    assert np.intersect1d(np.round(times[0] * 1e8), np.round(times[1] * 1e8)).size < 5


def test_normals():
    b = np.array([rng.bits(*rng.stream(0, "normals"), i) for i in range(20_000)], np.uint64)
    z = np.array([slots.normals(x) for x in b])
    assert abs(z.mean()) < 0.02 and z.std() == pytest.approx(1.0, abs=0.02) and abs(np.corrcoef(z.T)[0, 1]) < 0.03
    x = (b & np.uint64(0xFFFFFFFF)).astype(float)
    radius = np.sqrt(-2 * np.log((2 * x + 1) / 2**33))
    np.testing.assert_allclose(np.hypot(*z.T), radius, rtol=1e-5, atol=1e-4)
    angle = ((b >> np.uint64(32)).astype(float) + 0.5) / 2**32 * 2 * np.pi
    np.testing.assert_allclose(np.mod(np.arctan2(z[:, 1], z[:, 0]), 2 * np.pi), angle, atol=1e-6)


def test_bits():
    tape = Tape(7, SMALL)
    last = [x.copy() for x in tape.read(tape.n_slices - 1)]  # not from the start
    times, units = everything(tape)
    np.testing.assert_array_equal(last[0][0, : last[2][0]], times[-last[2][0] :])
    again = everything(Tape(7, SMALL))
    np.testing.assert_array_equal(again[0], times)
    np.testing.assert_array_equal(again[1], units)
    assert not np.array_equal(everything(Tape(8, SMALL))[0][:100], times[:100])
    replay = everything(tape, 2)
    np.testing.assert_array_equal(replay[1], units)
    np.testing.assert_allclose(replay[0] - 2 * tape.duration, times, atol=1e-9)
    assert tape.duration == pytest.approx(60 * 0.05) and times[0] >= 0 and times[-1] < tape.duration
    assert (np.diff(times) >= 0).all() and SLICE * tape.n_slices >= 60
    for i, n in ((1, 40), (0, 25)):
        assert involved(i, replace(SMALL, n_involved=n)).sum() == n


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (dict(n_afferents=70_000), "n_afferents must be <= 65536"),
        (dict(n_involved=101), "n_involved must lie in"),
        (dict(share=0.6), "share must be > 0 and <= 0.5"),
        (dict(slot=1.5e-3), "slot must be a whole number of ms"),
        (dict(jitter=8e-3), "jitter must be >= 0 s and <= slot / 7"),
        (dict(deletion=1.5), "deletion must lie in 0..1"),
        (dict(highest_rate=600.0), "highest_rate must be"),
        (dict(n_slots=0), "must be >= 1"),
    ],
)
def test_wrong_parameters_name_themselves(change, text):
    with pytest.raises(ValueError, match=text):
        Tape(0, replace(SMALL, **change))
