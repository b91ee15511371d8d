"""Surrogates: the function whose derivative stands in for that of a spike, d Heaviside(u) / du, on the way back.

u = h - theta is the distance to threshold. A surrogate is two scalar functions without decorator, the primitive sigma
and its derivative, and the default slopes that both take after u. A network uses the derivative only; with the
primitive in place of the spike ("soft" mode) it is smooth, and finite differences can check a gradient. At a kink the
outer value holds. A new one, complete:

    def ramp(u, w):
        return 0.0 if u < -w else (1.0 if u >= w else 0.5 + 0.5 * u / w)

    def ramp_slope(u, w):
        return 0.5 / w if abs(u) < w else 0.0

    lif_forward(p, x, mode, surrogate=Surrogate(ramp, ramp_slope, (1.0,)))

Write numbers with a point (2.0, not 2): the compiler gives them the precision of the array. ``s2net`` is the logistic
derivative without its factor: at slope 10 its gradients are a tenth of those of ``sgl``.

References: E. O. Neftci, H. Mostafa & F. Zenke (2019), IEEE Signal Process. Mag. 36:51 (review); F. Zenke &
S. Ganguli (2018), Neural Comput. 30:1514 (super_spike); W. Fang et al. (2023), Sci. Adv. 9:eadi1480 (most others).
"""

from math import atan, cos, erfc, exp, log, sin
from typing import NamedTuple

__all__ = ["SURROGATES", "Surrogate", "check_surrogate"]

_PI = 3.141592653589793
_HALF_PI = 1.5707963267948966
_ROOT_PI = 1.772453850905516


class Surrogate(NamedTuple):
    """Primitive ``(u, *slopes)``, derivative ``(u, *slopes)`` and default slopes."""

    primitive: object
    derivative: object
    slopes: tuple


def _sigmoid(u, a):
    e = exp(-abs(a * u))
    return 1.0 / (1.0 + e) if u >= 0.0 else e / (1.0 + e)


def _sigmoid_slope(u, a):
    e = exp(-abs(a * u))
    return a * e / ((1.0 + e) * (1.0 + e))


def _s2net(u, a):
    e = exp(-abs(a * u))
    return (1.0 / (1.0 + e) if u >= 0.0 else e / (1.0 + e)) / a


def _s2net_slope(u, a):
    e = exp(-abs(a * u))
    return e / ((1.0 + e) * (1.0 + e))


def _atan(u, a):
    return atan(_HALF_PI * a * u) / _PI + 0.5


def _atan_slope(u, a):
    z = _HALF_PI * a * u
    return 0.5 * a / (1.0 + z * z)


def _triangle(u, a):
    inside = 0.5 + a * u - 0.5 * a * a * u * abs(u)
    return inside if a * abs(u) < 1.0 else (1.0 if u > 0.0 else 0.0)


def _triangle_slope(u, a):
    inside = a - a * a * abs(u)
    return inside if inside > 0.0 else 0.0


def _piecewise_exp(u, a):
    e = 0.5 * exp(-a * abs(u))
    return 1.0 - e if u >= 0.0 else e


def _piecewise_exp_slope(u, a):
    return 0.5 * a * exp(-a * abs(u))


def _soft_sign(u, a):
    return 0.5 * (a * u / (1.0 + abs(a * u)) + 1.0)


def _soft_sign_slope(u, a):
    z = 1.0 / a + abs(u)
    return 0.5 / (a * z * z)


def _super_spike(u, a):
    return a * u / (1.0 + abs(u))


def _super_spike_slope(u, a):
    z = 1.0 + abs(u)
    return a / (z * z)


def _erf(u, a):
    return 0.5 * erfc(-a * u)


def _erf_slope(u, a):
    return a / _ROOT_PI * exp(-(a * u) * (a * u))


def _rect(u, a):
    inside = a * u + 0.5
    return inside if 2.0 * a * abs(u) < 1.0 else (1.0 if u > 0.0 else 0.0)


def _rect_slope(u, a):
    return a if 2.0 * a * abs(u) < 1.0 else 0.0


def _leaky_relu(u, w, c):
    inside = u / (2.0 * w) + 0.5
    return inside if abs(u) < w else (1.0 + c * (u - w) if u > 0.0 else c * (u + w))


def _leaky_relu_slope(u, w, c):
    return 0.5 / w if abs(u) < w else c


def _fast_sigmoid(u, k):
    return u / (1.0 + k * abs(u))


def _fast_sigmoid_slope(u, k):
    z = 1.0 + k * abs(u)
    return 1.0 / (z * z)


def _log_abs(u, a):
    size = log(a * abs(u) + 1.0)
    return size if u >= 0.0 else -size


def _log_abs_slope(u, a):
    return 1.0 / (1.0 / a + abs(u))


def _q_pseudo_spike(u, a):
    tail = 0.5 * (1.0 + 2.0 * abs(u) / (a - 1.0)) ** (1.0 - a)
    return 1.0 - tail if u >= 0.0 else tail


def _q_pseudo_spike_slope(u, a):
    return (1.0 + 2.0 * abs(u) / (a - 1.0)) ** -a


def _fourier(u, period, n):
    k, total = 1.0, 0.0
    while k < 2.0 * n - 2.0:
        total += sin(2.0 * _PI * k * u / period) / k
        k += 2.0
    return 0.5 + 2.0 / _PI * total


def _fourier_slope(u, period, n):
    k, total = 1.0, 0.0
    while k < 2.0 * n - 2.0:
        total += cos(2.0 * _PI * k * u / period)
        k += 2.0
    return 4.0 / period * total


#: name -> (primitive, derivative, default slopes)
SURROGATES = {
    "sigmoid": Surrogate(_sigmoid, _sigmoid_slope, (4.0,)),
    "atan": Surrogate(_atan, _atan_slope, (2.0,)),
    "piecewise_quadratic": Surrogate(_triangle, _triangle_slope, (1.0,)),
    "piecewise_exp": Surrogate(_piecewise_exp, _piecewise_exp_slope, (1.0,)),
    "soft_sign": Surrogate(_soft_sign, _soft_sign_slope, (2.0,)),
    "super_spike": Surrogate(_super_spike, _super_spike_slope, (1.0,)),
    "erf": Surrogate(_erf, _erf_slope, (2.0,)),
    "rect": Surrogate(_rect, _rect_slope, (1.0,)),
    "piecewise_leaky_relu": Surrogate(_leaky_relu, _leaky_relu_slope, (1.0, 0.01)),
    "fast_sigmoid": Surrogate(_fast_sigmoid, _fast_sigmoid_slope, (25.0,)),
    "s2net": Surrogate(_s2net, _s2net_slope, (10.0,)),
    "sgl": Surrogate(_sigmoid, _sigmoid_slope, (10.0,)),
    "nonzero_sign_log_abs": Surrogate(_log_abs, _log_abs_slope, (1.0,)),
    "q_pseudo_spike": Surrogate(_q_pseudo_spike, _q_pseudo_spike_slope, (2.0,)),
    "squarewave_fourier": Surrogate(_fourier, _fourier_slope, (8.0, 2.0)),
}
SURROGATES["triangle"] = SURROGATES["piecewise_quadratic"]


def check_surrogate(surrogate):
    """The :class:`Surrogate` meant by a name, by a name and slopes, ``("atan", 5.0)``, or by a Surrogate itself.

    Raises
    ------
    ValueError
        If the name is none of SURROGATES, or the number of slopes or their values do not fit.
    """
    if isinstance(surrogate, Surrogate):
        return surrogate
    name, *slopes = (surrogate,) if isinstance(surrogate, str) else surrogate
    if name not in SURROGATES:
        raise ValueError(f"surrogate must be a Surrogate or one of {', '.join(SURROGATES)}, got {name!r}")
    found = SURROGATES[name]
    if len(slopes) > len(found.slopes) or not all(0 < s < float("inf") for s in slopes):
        raise ValueError(f"surrogate {name} takes up to {len(found.slopes)} slopes > 0, got {slopes}")
    return found._replace(slopes=(*map(float, slopes), *found.slopes[len(slopes) :]))
