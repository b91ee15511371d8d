"""Is a layer learning well? Numbers of competitive learning, one line of advice each, and both as a table.

Numbers of a layer: `dead_maps` (never won in the last pass), `win_share` (largest share of all wins that one map
has), `saturation` (share of weights near 0 or 1), `without_winner` (share of images), `mean_step` (mean step of the
winners), `convergence` (mean of w (1 - w): 0.16 at the start, near 0 when every weight has decided). A layer that
decides and learns by reward also has `hits`, `misses` and `silence` (shares of the images).
"""

__all__ = ["CONVERGED", "advice", "lines", "of_wins"]

CONVERGED = 0.01  # Kheradpisheh et al. 2018, doi 10.1016/j.neunet.2017.12.005: the layer may stop here
_MANY_DEAD = 0.1
_DOMINANT = 5.0  # times the fair share
_SILENT = 0.05
_EARLY_STEP = 0.5
_RIGHT = 0.9


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
    if numbers.get("silence", 0.0) > _SILENT:
        return f"{numbers['silence']:.0%} without answer: lower the threshold"
    if numbers.get("without_winner", 0.0) > _SILENT:
        return f"{numbers['without_winner']:.0%} without winner: lower the threshold"
    if numbers["dead_maps"] > _MANY_DEAD * n_maps:
        return f"{numbers['dead_maps']:.0f} of {n_maps} maps dead: fewer maps or more winners"
    # a layer that decides has no radius, and a map may well answer most images of its class
    if "hits" not in numbers and numbers["win_share"] > max(_DOMINANT / n_maps, 2 / 3 if n_maps < 8 else 0.0):
        return f"one map wins {numbers['win_share']:.0%}: larger radius or smaller init_std"
    if numbers.get("mean_step", _EARLY_STEP) < _EARLY_STEP:
        return f"winners at step {numbers['mean_step']:.1f}: raise the threshold"
    if numbers.get("hits", 1.0) < _RIGHT:
        return f"{numbers['hits']:.0%} right while learning: more passes"
    if "hits" not in numbers and numbers.get("convergence", 0.0) >= CONVERGED:
        return f"w(1-w) still {numbers['convergence']:.2g}: more passes"
    return "healthy"


def of_wins(wins, n_images: int, weights=None, low: float = 0.0, high: float = 1.0) -> dict:
    """Numbers of a layer from the wins of each map among `n_images` images with at most one winner each.

    `weights` between the bounds `low` and `high` add the saturation: the share within a twentieth of a bound.
    """
    total, most = int(sum(wins)), int(max(wins, default=0))
    out = {"dead_maps": sum(1 for w in wins if w == 0), "win_share": most / max(1, total)}
    out["without_winner"] = 1.0 - total / max(1, n_images)
    if weights is not None:
        edge = 0.05 * (high - low)
        out["saturation"] = float(((weights < low + edge) | (weights > high - edge)).mean())
    return out


def lines(layers: dict[str, dict], said: dict[str, str]) -> list[str]:
    """A table: one row a layer, a column for each number that any of them has, then the advice."""
    names = list(dict.fromkeys(name for numbers in layers.values() for name in numbers))
    rows = [["learning health", *(name.replace("_", " ") for name in names), "advice"]]
    for layer, numbers in layers.items():
        cells = [f"{numbers[name]:.3g}" if name in numbers else "" for name in names]
        rows.append([layer, *cells, said.get(layer, "")])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    out = []
    for row in rows:
        middle = [cell.rjust(w) for cell, w in zip(row[1:-1], widths[1:-1], strict=True)]
        out.append("  ".join([row[0].ljust(widths[0]), *middle, row[-1]]).rstrip())
    return out
