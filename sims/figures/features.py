"""What the maps of a convolutional network have learnt, drawn in the plane of the image."""

import numpy as np

__all__ = ["draw_grid"]


def draw_grid(ax, patterns, columns=None, most=60, title=""):
    """Small pictures side by side: patterns (F, h, w), each scaled to its own range, at most `most` of them.

    Zero is mid-grey, positive bright, negative dark, so that on- and off-centre parts can be told apart.
    """
    patterns = np.asarray(patterns, float)
    shown = patterns[:most]
    n, h, w = shown.shape
    columns = columns or int(np.ceil(np.sqrt(2 * n)))
    rows = -(-n // columns)
    canvas = np.full((rows * (h + 1) + 1, columns * (w + 1) + 1), np.nan)
    for i, pattern in enumerate(shown):
        largest = np.abs(pattern).max()
        top, left = (i // columns) * (h + 1) + 1, (i % columns) * (w + 1) + 1
        canvas[top : top + h, left : left + w] = pattern / largest if largest > 0 else 0.0
    ax.imshow(np.ma.masked_invalid(canvas), cmap="gray", vmin=-1 if canvas[~np.isnan(canvas)].min() < 0 else 0, vmax=1)
    ax.set_xticks([])
    ax.set_yticks([])
    for side in ax.spines.values():
        side.set_visible(False)
    more = f" (first {n} of {len(patterns)})" if n < len(patterns) else ""
    ax.set_title(title + more, fontsize=9)
