"""The competition experiment: the same latency without inhibition, different ones with it; bits, figures, errors."""

import numpy as np
import pytest

import firstspike
from firstspike.runtime import params as parameters
from firstspike.sims import competition
from firstspike.sims.measures.competition import successive

SMALL = dict(n_afferents=200, n_involved=100, duration=2.0, replays=2, n_patterns=2, n_neurons=3)


def small(seed=0, seeds=1, **settings):
    return firstspike.run("competition", "masquelier2009", seed=seed, seeds=seeds, **{**SMALL, **settings})


@pytest.fixture(scope="module")
def apart():
    return firstspike.run("competition", "quick", duration=40.0, replays=2)


def test_inhibition_parts_the_latencies(apart):
    free, inhibited = 0, 1
    assert np.all(apart["hit_rate"][0, free] >= 0.95) and apart["latency_spread"][0, free, 0] < 3e-3
    assert apart["successive"][0, free, 0] == 1 and apart["successive"][0, inhibited, 0] >= 2
    assert apart["hit_rate"][0, inhibited].sum() >= 0.97
    said = competition.summary(apart)
    expected = competition.expected(competition.PRESETS["quick"])
    assert expected and set(expected) <= {f"{k}.{g}" for k, row in said.items() for g in row}


def test_groups_are_runs_of_their_own():
    """The same first weights, the same input; a seed among others."""
    both, one = small(inhibition=(0.0, 0.25), seeds=2), small(inhibition=(0.25,))
    np.testing.assert_array_equal(both["weights"][0, 1], one["weights"][0, 0])
    mine = (both["spike_run"] == 0) & (both["spike_inhibition"] == 1)
    np.testing.assert_array_equal(both["spike_time"][mine], one["spike_time"])
    assert one["spike_time"].size > 100 and (np.diff(one["spike_time"]) >= 0).all()
    assert both["involved"].sum(axis=2).tolist() == [[100, 100], [100, 100]]
    assert not np.array_equal(both["involved"][0, 0], both["involved"][0, 1])


def test_start_weights():
    p = parameters.check(competition.PRESETS["masquelier2009"])
    uniform = competition.start_weights(p, 0)
    assert uniform.shape == (3, 2000) and uniform.mean() == pytest.approx(0.5, abs=0.02)
    normal = competition.start_weights(parameters.update(p, {"start": "normal"}), 0)
    assert normal.mean() == pytest.approx(0.475, abs=0.01) and normal.std() == pytest.approx(0.1, abs=0.01)
    assert abs(np.corrcoef(uniform)[0, 1]) < 0.1


def test_successive():
    assert successive([]) == 0 and successive([5e-3, 5.5e-3]) == 1 and successive([1e-3, 4e-3, 6e-3, 12e-3]) == 3


@pytest.mark.parametrize("preset", list(competition.PRESETS))
def test_presets_are_whole(preset):
    p = parameters.check(competition.PRESETS[preset])
    assert competition.memory(p, 2) > 0


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (dict(inhibition=(0.1, 0.1)), "inhibition must have different values"),
        (dict(tau_s=0.02), "tau_s must be < tau_m"),
        (dict(n_involved=1000), "n_involved must lie in"),
    ],
)
def test_wrong_parameters_name_themselves(settings, text):
    with pytest.raises(ValueError, match=text):
        small(**settings)


def test_figures_draw(apart, tmp_path):
    few = small(seeds=2, inhibition=(0.0, 0.1, 0.2))
    for result in (apart, few):
        for name in (None, *competition.FIGURES):
            competition.figure(result, name).savefig(tmp_path / "a.png")
            assert (tmp_path / "a.png").stat().st_size > 5_000
    with pytest.raises(ValueError, match="name must be one of"):
        competition.figure(few, "s9")
