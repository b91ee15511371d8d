"""Confusion table as a picture with numbers."""

import numpy as np

__all__ = ["draw_confusion"]


def draw_confusion(ax, table, title=""):
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
    ticks = [str(c) for c in range(n_columns)]
    if n_columns > n_rows:
        ticks[-1] = "none"
    step = max(1, n_columns // 12)
    ax.set_xticks(range(0, n_columns, step), ticks[::step], fontsize=7)
    ax.set_yticks(range(0, n_rows, step), [str(c) for c in range(n_rows)][::step], fontsize=7)
    ax.set(xlabel="predicted", ylabel="true")
    ax.set_title(title, fontsize=9)
