"""Confusion table as a picture with numbers."""

import numpy as np

__all__ = ["class_names", "draw_confusion"]


def class_names(result):
    """Names of the classes of a result, or their numbers."""
    n = result["confusion"].shape[-2]
    return [str(c) for c in (result["class_name"] if "class_name" in result else range(n))]


def draw_confusion(ax, table, title="", names=None):
    """Rows true class, columns predicted class (last column, if used: no answer); colour = share of the row."""
    table = np.asarray(table, float)
    if not table[:, -1].any():
        table = table[:, :-1]
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    ax.imshow(share**0.5, cmap="cividis", vmin=0, vmax=1)  # square root: errors of a few per cent stay visible
    n_rows, n_columns = table.shape
    for i in range(n_rows if n_rows <= 12 else 0):
        for j in range(n_columns):
            if table[i, j]:
                colour = "black" if share[i, j] > 0.35 else "white"
                ax.text(j, i, f"{table[i, j]:.0f}", ha="center", va="center", fontsize=6, color=colour)
    names = list(names or map(str, range(n_rows)))
    ticks = names + ["none"] * (n_columns - n_rows)
    step = max(1, n_columns // 12)
    ax.set_xticks(range(0, n_columns, step), ticks[::step], fontsize=7)
    ax.set_yticks(range(0, n_rows, step), names[::step], fontsize=7)
    ax.set(xlabel="predicted", ylabel="true")
    ax.set_title(title, fontsize=9)
