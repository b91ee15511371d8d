"""NaN and infinity are named where they enter; extreme parameters keep their bounds; theory is what is simulated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import firstspike
from firstspike.datasets.poisson import fill_poisson
from firstspike.plasticity.events import LIF, advance, init_state, trajectory
from firstspike.plasticity.rules.trace import Additive, Pair, SoftBound
from firstspike.runtime import params as parameters
from firstspike.runtime import rng
from firstspike.sims.experiments import resolve

BAD = [np.nan, np.inf, -np.inf]


def spikes(n=40, n_afferents=3, rate=100.0):
    times = np.cumsum(-np.log(1 - rng.uniforms(1, "gaps", (1, n))), axis=1) / rate
    return times, (rng.uniforms(1, "units", (1, n)) * n_afferents).astype(np.int32), np.array([n])


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("at", [0, 17, 39])
def test_times_of_input_spikes(bad, at):
    times, units, counts = spikes()
    times[0, at] = bad
    with pytest.raises(ValueError, match="times of run 0 must be finite"):
        advance(init_state(np.full((1, 1, 3), 0.5)), times, units, counts, LIF())


@pytest.mark.parametrize("bad", BAD)
def test_weights(bad):
    weights = np.full((2, 1, 3), 0.5)
    weights[1, 0, 2] = bad
    with pytest.raises(ValueError, match="weights must be finite"):
        init_state(weights)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ["tau_m", "threshold", "tau_threshold", "d_threshold"])
def test_parameters_of_the_neuron(name, bad):
    if (name, bad) == ("threshold", np.inf):
        return  # a neuron that never fires
    with pytest.raises(ValueError, match=name):
        advance(init_state(np.full((1, 1, 3), 0.5)), *spikes(), LIF(**{name: bad}))


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ["a_plus", "w_out", "tau_plus"])
def test_parameters_of_the_rule(name, bad):
    rule = Additive(**{"a_plus": 0.01, "w_out": 0.01, "tau_plus": 0.02, name: bad})
    with pytest.raises(ValueError, match=name):
        advance(init_state(np.full((1, 1, 3), 0.5)), *spikes(), LIF(), rule)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "-1e999"])
def test_every_number_of_an_experiment(text):
    for name in ("coincidence", "digits"):
        _, params = resolve(name)
        for key, value in parameters.as_dict(params).items():
            if isinstance(value, (bool, str)) or value is None:
                continue
            with pytest.raises(ValueError, match=key):
                parameters.update(params, {key: text})
            with pytest.raises(ValueError, match=key):
                parameters.update(params, {key: [float(text)] if isinstance(value, list) else float(text)})


@pytest.mark.parametrize("bad", BAD)
def test_images(bad):
    images = rng.uniforms(0, "images", (12, 12, 12))
    images[7, 3, 4] = bad
    with pytest.raises(ValueError, match="NaN|infinity|finite"):
        firstspike.SDNN().fit(images)


# ---- extremes ------------------------------------------------------------------------------------------------------

TIMES = st.floats(-6, 3).map(lambda x: 10.0**x)


@settings(max_examples=100, deadline=None)
@given(
    n_afferents=st.integers(1, 4), n_neurons=st.integers(1, 3), n_spikes=st.integers(0, 60),
    rate=st.sampled_from([1e-3, 1.0, 1e2, 1e4]), tau=st.tuples(TIMES, TIMES, TIMES, TIMES),
    amplitude=st.tuples(st.floats(0, 10), st.floats(0, 10)), theta=st.floats(1e-6, 1e3), jump=st.floats(0, 1e3),
    rule=st.sampled_from([Additive, SoftBound, Pair]), seed=st.integers(0, 100),
)  # fmt: skip
def test_extreme_parameters_keep_the_bounds(
    n_afferents, n_neurons, n_spikes, rate, tau, amplitude, theta, jump, rule, seed
):
    times = np.cumsum(-np.log(1 - rng.uniforms(seed, "gaps", (1, n_spikes))), axis=1) / (rate * n_afferents)
    units = (rng.uniforms(seed, "units", (1, n_spikes)) * n_afferents).astype(np.int32)
    names = ("a_plus", "a_minus") if rule is Pair else ("a_plus", "w_out")
    more = {"tau_minus": tau[3]} if rule is Pair else {}
    state = init_state(rng.uniforms(seed, "weights", (1, n_neurons, n_afferents)))
    lif = LIF(tau[0], theta, tau[1], jump)
    rule = rule(**dict(zip(names, amplitude, strict=True)), tau_plus=tau[2], **more)
    out = advance(state, times, units, np.array([n_spikes]), lif, rule)
    assert (state["weights"] >= 0).all() and (state["weights"] <= 1).all()
    for name, value in state.items():
        assert np.isfinite(value).all(), name
    assert np.isin(out[2], times).all() and (np.abs(state["v"]) <= n_spikes).all()


@pytest.mark.parametrize("rate", [1e-3, 1e4])
@pytest.mark.parametrize("n_afferents", [1, 50])
def test_a_whole_experiment_at_extreme_rates(rate, n_afferents):
    result = firstspike.run("coincidence", n_afferents=n_afferents, rate=rate, n_periods=6, n_recorded=2, v_periods=1,
                            start_distance=-0.001, probe_duration=2.0, probe_presentations=2)  # fmt: skip
    weights = result["weights"]
    assert np.isfinite(weights).all() and weights.min() >= 0 and weights.max() <= 1


def test_a_million_steps_of_one_neuron_with_one_afferent():
    """Traces that only grow in scaled form must be rescaled before they overflow."""
    n = 1_000_000
    times = np.arange(1, n + 1)[None] * 1e-3
    state = init_state(np.full((1, 1, 1), 0.5))
    for tau in (1e-3, 10.0):
        state = init_state(np.full((1, 1, 1), 0.5))
        out = advance(
            state, times, np.zeros((1, n), np.int32), np.array([n]), LIF(10e-3, 2.0), Additive(0.01, 1e-4, tau)
        )
        assert np.isfinite(list(state.values())[3]).all() and 0 <= state["weights"][0, 0, 0] <= 1
        assert out[0].size > 1000


# ---- theory = simulation -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "rate", "tau"), [(100, 3.2, 18e-3), (300, 10.0, 5e-3), (1000, 2.0, 30e-3)])
def test_the_detector_of_the_theory_is_what_is_simulated(n, rate, tau):
    """Size, peak and noise of the best detector, each within 3 standard errors over 300 drawn patterns.

    The last 20 ms of random input are the pattern; a neuron with weight 1 from all that fire in it watches all of it.
    """
    from firstspike.theory.signal_to_noise import snr

    runs, window, before = 300, 20e-3, 2.0
    known = {k: float(v) for k, v in snr(n, rate, window, tau)._asdict().items()}
    times, units, counts = fill_poisson(range(runs), n, rate, 0.0, before + window)
    weights = np.zeros((runs, 1, n))
    for r in range(runs):
        here = times[r, : counts[r]] >= before
        weights[r, 0, units[r, : counts[r]][here]] = 1.0
    size = weights.sum(axis=(1, 2))
    grid = np.append(np.linspace(10 * tau, before, 200, endpoint=False), before + window)
    v = trajectory(weights, times, units, counts, LIF(tau), grid)[:, 0]
    noise, peak = v[:, :-1], v[:, -1]
    centre = tau * rate * size  # the mean that each neuron has; its deviation is taken about that
    for found, expected in (
        (size, known["n_selected"]),
        (peak, known["v_max"]),
        (noise.mean(axis=1), known["v_noise_mean"]),
        (((noise - centre[:, None]) ** 2).mean(axis=1), known["v_noise_std"] ** 2),
    ):
        error = found.std(ddof=1) / runs**0.5
        assert abs(found.mean() - expected) < 3 * error and error < 0.05 * expected, (found.mean(), expected, error)
    ratio = (peak.mean() - noise.mean()) / ((noise - centre[:, None]) ** 2).mean() ** 0.5
    assert ratio == pytest.approx(known["snr"], rel=0.05)
