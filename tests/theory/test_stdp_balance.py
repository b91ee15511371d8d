"""Drift, diffusion and stationary weights of the pair rule against a direct simulation; the self-consistent state."""

import numpy as np
import pytest
from naive.balance import monte_carlo

from firstspike.theory import pair_balance, pair_diffusion, pair_drift, stationary

RULE = 0.06, 0.063, 20e-3, 20e-3
F, R, DT = 20.0, 20.0, 1e-3


def in_steps(tau_plus, tau_minus, tau_k):
    """Integrals of the window's two sides, and what the trace keeps until the extra spikes, for spikes on a grid."""
    up, down, both = (np.exp(-DT * k) for k in (1 / tau_plus, 1 / tau_minus, 1 / tau_plus + 1 / tau_k))
    plus = DT / (1 - up)  # lags 0, 1, 2, ... steps
    return plus, DT * down / (1 - down), DT / tau_k * both / (1 - both)  # lags from one step on


def test_drift_and_diffusion():
    """Without bounds and with extra spikes that do not depend on the weight's own change."""
    extra, tau_k, seconds = 0.5, 10e-3, 1.0
    rule = 1e-3, 0.8e-3, 20e-3, 30e-3
    w = monte_carlo(4000, int(seconds / DT), DT, F, R, extra, tau_k, rule, bounded=False)
    change = (w - 0.5) / seconds
    plus, minus, kept = in_steps(*rule[2:], tau_k)
    drift = pair_drift(F, R, *rule[:2], plus, minus, extra=0.5 * extra, kept=kept)
    assert abs(change.mean() - drift) < 0.12 * abs(drift)
    assert change.var() * seconds == pytest.approx(pair_diffusion(F, R + 0.5 * extra * F, *rule), rel=0.15)


@pytest.mark.parametrize("soft", [False, True])
def test_stationary_distribution(soft):
    """Mean and spread after many relaxation times, for hard and for soft bounds."""
    extra, tau_k = 0.1, 10e-3
    w = monte_carlo(400, 20_000, DT, F, R, extra, tau_k, RULE, soft=soft)
    grid = np.linspace(0, 1, 401)
    up, down = (RULE[0] * (1 - grid), RULE[1] * grid) if soft else RULE[:2]
    plus, minus, kept = in_steps(*RULE[2:], tau_k)
    drift = pair_drift(F, R, up, down, plus, minus, extra=extra * grid, kept=kept)
    p = stationary(grid, drift, pair_diffusion(F, R, up, down, *RULE[2:]) + 0 * grid)
    mean = np.trapezoid(grid * p, grid)
    std = np.sqrt(np.trapezoid((grid - mean) ** 2 * p, grid))
    assert w.mean() == pytest.approx(mean, abs=0.05)
    assert w.std() == pytest.approx(std, rel=0.15)
    assert (std < 0.2) == soft  # one peak, or spread from bound to bound


def test_self_consistent_state():
    """The state keeps itself up: its weights make its rate, and its rate its weights; less rate for more depression."""
    model = 400, 20.0, 20e-3, 30.0
    found = [pair_balance(*model, 0.005, 0.005 * ratio, 20e-3, 20e-3) for ratio in (1.05, 1.2)]
    for b in found:
        assert np.trapezoid(b.density * b.weight, b.weight) == pytest.approx(b.mean_weight, rel=1e-3)
        assert np.trapezoid(b.density * b.weight**2, b.weight) == pytest.approx(b.mean_square, rel=0.02)
    assert found[0].rate_out > 2 * found[1].rate_out
    assert 0 < found[1].mean_weight < found[0].mean_weight < 1


def test_errors():
    with pytest.raises(ValueError, match="rate must be >= 0 Hz"):
        pair_drift(-1.0, R, *RULE)
    with pytest.raises(ValueError, match="diffusion must be > 0"):
        stationary([0.0, 1.0], [0.0, 0.0], [0.0, 1.0])
