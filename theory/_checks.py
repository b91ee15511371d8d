"""Checks of the arguments of the theory: each returns a float64 array or raises ValueError naming the parameter."""

import numpy as np


def _fail(name, rule, values, bad):
    first = values[bad].flat[0] if values.ndim else values[()]
    raise ValueError(f"{name} must be {rule}, got {first:g}")


def finite(name, value):
    """`value` as a float64 array; every element must be finite."""
    array = np.asarray(value, dtype=np.float64)
    bad = ~np.isfinite(array)
    if bad.any():
        _fail(name, "finite", array, bad)
    return array


def positive(name, value, unit=""):
    """`value` as a float64 array; every element must be finite and > 0."""
    array = finite(name, value)
    bad = ~(array > 0)
    if bad.any():
        _fail(name, f"> 0 {unit}".rstrip(), array, bad)
    return array


def not_negative(name, value, unit=""):
    """`value` as a float64 array; every element must be finite and >= 0."""
    array = finite(name, value)
    bad = ~(array >= 0)
    if bad.any():
        _fail(name, f">= 0 {unit}".rstrip(), array, bad)
    return array


def count(name, value):
    """`value` as a float64 array; every element must be a whole number >= 1."""
    array = finite(name, value)
    bad = (array < 1) | (array != np.floor(array))
    if bad.any():
        _fail(name, "a whole number >= 1", array, bad)
    return array
