"""Surrogates: published values, derivative against differences of the primitive, kinks, precision, errors."""

import math

import numpy as np
import pytest

from firstspike.plasticity.layers.surrogates import SURROGATES, Surrogate, check_surrogate

POINTS = [-1, -0.3, 0, 0.2, 0.75]
VALUES = {
    "sigmoid": [0.0706508249, 0.711577763, 1, 0.855638786, 0.180706639],
    "atan": [0.0919996684, 0.529586853, 1, 0.7169568, 0.152633248],
    "piecewise_quadratic": [0, 0.7, 1, 0.8, 0.25],
    "triangle": [0, 0.7, 1, 0.8, 0.25],
    "piecewise_exp": [0.183939721, 0.37040911, 0.5, 0.409365377, 0.236183276],
    "soft_sign": [0.111111111, 0.390625, 1, 0.510204082, 0.16],
    "super_spike": [0.25, 0.591715976, 1, 0.694444444, 0.326530612],
    "erf": [0.0206669854, 0.787243432, 1.12837917, 0.961541299, 0.118930289],
    "rect": [0, 1, 1, 1, 0],
    "piecewise_leaky_relu": [0.01, 0.5, 0.5, 0.5, 0.5],
    "s2net": [4.53958077e-05, 0.0451766597, 0.25, 0.104993585, 0.000552473073],
    "sgl": [0.000453958077, 0.451766597, 2.5, 1.04993585, 0.00552473073],
    "fast_sigmoid": [0.00147928994, 0.0138408304, 1, 0.0277777778, 0.00256369172],
    "nonzero_sign_log_abs": [0.5, 0.769230769, 1, 0.833333333, 0.571428571],
    "q_pseudo_spike": [0.111111111, 0.390625, 1, 0.510204082, 0.16],
    "squarewave_fourier": [0.353553391, 0.48618496, 0.5, 0.49384417, 0.415734806],
}


def test_every_surrogate_has_values():
    assert VALUES.keys() == SURROGATES.keys()


@pytest.mark.parametrize("name", VALUES)
def test_derivatives(name):
    _, derivative, slopes = SURROGATES[name]
    np.testing.assert_allclose([derivative(float(u), *slopes) for u in POINTS], VALUES[name], rtol=1e-8, atol=1e-15)


def test_four_terms_of_the_square_wave():
    values = [SURROGATES["squarewave_fourier"].derivative(float(u), 8.0, 4.0) for u in POINTS]
    np.testing.assert_allclose(values, [-0.353553391, 1.05772966, 1.5, 1.29290082, -0.172202995], rtol=1e-8)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("factor", [1.0, 1.7])
def test_primitive(name, factor):
    """Central differences of the primitive give the derivative; it does not jump at 0 and at kinks."""
    primitive, derivative, slopes = SURROGATES[name]
    slopes = (factor * slopes[0], *slopes[1:])
    for u in (-2.2, -1.3, -0.31, -0.02, 0.01, 0.17, 0.44, 0.83, 3.1):
        slope = (primitive(u + 1e-6, *slopes) - primitive(u - 1e-6, *slopes)) / 2e-6
        assert abs(slope - derivative(u, *slopes)) < 1e-8 * max(1, abs(slope))
    a = slopes[0]
    for kink in (0.0, 1 / a, -1 / a, 0.5 / a, -0.5 / a, a, -a):
        jump = primitive(kink + 1e-9, *slopes) - primitive(kink - 1e-9, *slopes)
        assert abs(jump) < 1e-7


def test_outer_value_at_kinks():
    assert SURROGATES["rect"].derivative(0.5, 1.0) == SURROGATES["rect"].derivative(-0.5, 1.0) == 0
    assert SURROGATES["triangle"].derivative(0.5, 2.0) == 0
    assert SURROGATES["piecewise_leaky_relu"].derivative(-1.0, 1.0, 0.01) == 0.01


@pytest.mark.parametrize("name", ["sigmoid", "s2net", "sgl", "piecewise_exp", "erf"])
def test_far_from_threshold(name):
    primitive, derivative, slopes = SURROGATES[name]
    for u in (-1e4, 1e4):
        assert derivative(u, *slopes) == 0
        assert math.isfinite(primitive(u, *slopes))


def test_choice():
    assert check_surrogate("atan").slopes == (2.0,)
    assert check_surrogate(("atan", 5)).slopes == (5.0,)
    assert check_surrogate(("squarewave_fourier", 4)).slopes == (4.0, 2.0)
    assert check_surrogate(("squarewave_fourier", 4, 3)).slopes == (4.0, 3.0)
    own = Surrogate(min, max, (1.0,))
    assert check_surrogate(own) is own


@pytest.mark.parametrize(
    "choice, message",
    [
        ("tan", "surrogate must be a Surrogate or one of sigmoid, atan"),
        ((len,), "surrogate must be a Surrogate"),
        (("atan", 0), "surrogate atan takes up to 1 slopes > 0, got .0"),
        (("atan", float("nan")), "slopes > 0"),
        (("atan", 1, 2), "up to 1 slopes"),
    ],
)
def test_errors(choice, message):
    with pytest.raises(ValueError, match=message):
        check_surrogate(choice)
