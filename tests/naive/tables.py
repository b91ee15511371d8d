"""Spike tables and grey images, spelt out value by value."""


def sorted_spikes(times, units):
    """Order of (time, unit) by repeated insertion."""
    rows = []
    for row in zip(times, units, strict=True):
        k = 0
        while k < len(rows) and rows[k] <= row:
            k += 1
        rows.insert(k, row)
    return [t for t, _ in rows], [u for _, u in rows]


def grey(pixels):
    """Rec. 601 of rows of (R, G, B), rounded half up."""
    return [[int((299 * r + 587 * g + 114 * b) / 1000 + 0.5) for r, g, b in row] for row in pixels]


def block_means(image, factor):
    """Mean of each factor x factor block of a list of rows."""
    height, width = len(image) // factor, len(image[0]) // factor
    out = []
    for y in range(height):
        row = []
        for x in range(width):
            block = [image[y * factor + i][x * factor + j] for i in range(factor) for j in range(factor)]
            row.append(sum(int(v) for v in block) / factor**2)
        out.append(row)
    return out
