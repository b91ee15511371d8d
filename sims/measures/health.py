"""Is a layer learning well? Numbers of unsupervised competitive learning, and a line of advice for each layer.

Numbers of a layer: `dead_maps` (never won in the last pass), `win_share` (largest share of all wins that one map
has), `saturation` (share of weights near 0 or 1), `without_winner` (share of images), `mean_step` (mean step of the
winners), `convergence` (mean of w (1 - w): 0.16 at the start, near 0 when every weight has decided).
"""

import math

__all__ = ["advice", "line"]

CONVERGED = 0.01  # Kheradpisheh et al. 2018, doi 10.1016/j.neunet.2017.12.005: the layer may stop here
_MANY_DEAD = 0.1
_DOMINANT = 5.0  # times the fair share
_SILENT = 0.05
_EARLY_STEP = 0.5


def advice(numbers: dict, n_maps: int, n_epochs: int = 1) -> str:
    """The most important thing to do about a layer, ``"healthy"`` if there is none.

    Parameters
    ----------
    numbers : dict
        As above.
    n_maps : int
        Number of maps of the layer.
    n_epochs : int
        Passes of learning; 0 = the layer was left as it was.
    """
    if n_epochs == 0:
        return "not trained"
    if numbers["without_winner"] > _SILENT:
        return f"no winner in {numbers['without_winner']:.0%} of the images: lower the threshold"
    if numbers["dead_maps"] > _MANY_DEAD * n_maps:
        return f"{numbers['dead_maps']:.0f} of {n_maps} maps never win: fewer maps, more winners or smaller init_std"
    if numbers["win_share"] > max(_DOMINANT / n_maps, 2 / 3 if n_maps < 8 else 0.0):
        return f"one map has {numbers['win_share']:.0%} of the wins: more winners, larger radius or smaller init_std"
    if numbers["mean_step"] < _EARLY_STEP:
        return f"winners fire at step {numbers['mean_step']:.1f}, before most input: raise the threshold"
    if numbers["convergence"] >= CONVERGED:
        return f"w(1-w) is {numbers['convergence']:.3f}, not yet < {CONVERGED}: more passes or shorter doubling"
    return "healthy"


def line(numbers: dict, n_maps: int, n_epochs: int = 1) -> str:
    """One line: the numbers of a layer and the advice."""
    step = "-" if math.isnan(numbers["mean_step"]) else f"{numbers['mean_step']:.1f}"
    return (
        f"{advice(numbers, n_maps, n_epochs)} (w(1-w) {numbers['convergence']:.2g}, dead maps "
        f"{numbers['dead_maps']:.3g} of {n_maps}, top map wins {numbers['win_share']:.1%}, saturated "
        f"{numbers['saturation']:.0%}, no winner {numbers['without_winner']:.1%}, mean step {step})"
    )
