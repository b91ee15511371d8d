"""Is a layer learning well? One line of advice from the numbers of unsupervised competitive learning.

Numbers of a layer: `dead_maps` (never won in the last pass), `win_share` (largest share of all wins that one map
has), `saturation` (share of weights near 0 or 1), `without_winner` (share of images), `mean_step` (mean step of the
winners), `convergence` (mean of w (1 - w): 0.16 at the start, near 0 when every weight has decided).
"""

__all__ = ["CONVERGED", "advice"]

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
        return f"{numbers['without_winner']:.0%} without winner: lower the threshold"
    if numbers["dead_maps"] > _MANY_DEAD * n_maps:
        return f"{numbers['dead_maps']:.0f} of {n_maps} maps dead: fewer maps or more winners"
    if numbers["win_share"] > max(_DOMINANT / n_maps, 2 / 3 if n_maps < 8 else 0.0):
        return f"one map wins {numbers['win_share']:.0%}: larger radius or smaller init_std"
    if numbers["mean_step"] < _EARLY_STEP:
        return f"winners at step {numbers['mean_step']:.1f}: raise the threshold"
    if numbers["convergence"] >= CONVERGED:
        return f"w(1-w) still {numbers['convergence']:.2g}: more passes"
    return "healthy"
