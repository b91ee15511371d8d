"""Relative spike timing: a task that only a network with memory of exact delays can solve.

C channels fire once each, one every `spacing` steps; the class y is the order pi_y in which they fire:

    channel i fires at t0 + spacing * pi_y(i),   t0 uniform on 0..T - span,   span = (C - 1) spacing + 1

Each of these spikes is deleted with probability `p_delete`; in each step and channel a background spike comes with
probability `p_background` (a logical or). With spacing >= 1 no step holds more than one spike of the pattern, and any
order of the channels gives the same set of input vectors. A network without delays and without leak, whose readout
sums over time, sees that set only: its accuracy is exactly that of chance, 1 / K. Needs no file and no download.
"""

from dataclasses import dataclass

from ..runtime.params import param

__all__ = ["SETTINGS", "RelativeTiming", "orders", "relative_timing"]

_BLOCK = 1 << 22  # random numbers at a time


@dataclass
class RelativeTiming:
    """Parameters of the task; see the head of the file."""

    n_channels: int = param(8, "channels", unit="1", low=1)
    n_classes: int = param(10, "classes, each an order of the channels", unit="1", low=1)
    spacing: int = param(4, "from one channel's spike to the next one's", unit="steps", low=1)
    n_steps: int = param(48, "length of a sample", unit="steps", low=1)
    p_background: float = param(0.02, "background spike, each step and channel", unit="1", low=0, high=1)
    p_delete: float = param(0.0, "loss of a spike of the pattern", unit="1", low=0, high=1)

    @property
    def span(self) -> int:
        """Steps from the first to the last spike of a pattern, both counted."""
        return (self.n_channels - 1) * self.spacing + 1

    def validate(self):
        """Raise ValueError if the pattern does not fit, or there are not so many orders."""
        if self.span > self.n_steps:
            raise ValueError(f"n_steps must be >= (n_channels - 1) * spacing + 1 = {self.span}, got {self.n_steps}")
        most = 1
        for k in range(2, self.n_channels + 1):
            most *= k
            if most >= self.n_classes:
                break
        if most < self.n_classes:
            raise ValueError(f"n_classes must be <= {most}, the orders of {self.n_channels} channels")


#: a: leak alone does not help, the pattern is slow; b: dense in time, with deletions, a slow membrane gets far
SETTINGS = {
    "a": RelativeTiming(),
    "b": RelativeTiming(n_channels=16, spacing=1, n_steps=32, p_delete=0.1),
}


def _task(setting):
    from ..runtime.params import check

    if isinstance(setting, str):
        if setting not in SETTINGS:
            raise ValueError(f"setting must be one of {', '.join(SETTINGS)} or a RelativeTiming, got {setting!r}")
        return SETTINGS[setting]
    check(setting)
    return setting


def orders(setting="a", seed: int = 0):
    """The order pi_y of each class, int64 (K, C): channel i fires as number ``orders[y, i]``.

    All K differ; they are the first different ones of the permutations drawn from the streams
    "datasets/timing/order/0", ".../1", ... of `seed`.

    Examples
    --------
    >>> found = orders("a", seed=1)
    >>> found.shape, sorted(found[0].tolist())
    ((10, 8), [0, 1, 2, 3, 4, 5, 6, 7])
    """
    import numpy as np

    from ..runtime import rng

    task, found, draw = _task(setting), [], 0
    while len(found) < task.n_classes:
        order = rng.permutation(seed, f"datasets/timing/order/{draw}", task.n_channels)
        draw += 1
        if not any(np.array_equal(order, other) for other in found):
            found.append(order)
    return np.stack(found)


def relative_timing(n: int, part: str = "train", setting="a", seed: int = 0):
    """Draw samples of the task.

    Parameters
    ----------
    n : int
        Number of samples; the first n of a longer draw are the same.
    part : str
        "train", "valid" or "test" (any name): each has random numbers of its own, all have the same orders.
    setting : {"a", "b"} or RelativeTiming
        The task.
    seed : int
        Of orders and samples.

    Returns
    -------
    x : uint8 (n, T, C)
        1 = spike.
    y : int64 (n,)
        Class.

    Raises
    ------
    ValueError
        n < 1, an unknown setting, or one out of range.

    Examples
    --------
    >>> x, y = relative_timing(3, setting=RelativeTiming(n_channels=3, n_classes=2, p_background=0.0))
    >>> x.shape, x.dtype.name, x.sum(1).tolist()
    ((3, 48, 3), 'uint8', [[1, 1, 1], [1, 1, 1], [1, 1, 1]])
    """
    import numpy as np

    from ..runtime import rng

    if n < 1:
        raise ValueError(f"n must be >= 1, got {n}")
    task, order = _task(setting), orders(setting, seed)
    name = f"datasets/timing/{part}"
    size = task.n_steps * task.n_channels

    y = (rng.uniforms(seed, f"{name}/label", n) * task.n_classes).astype(np.int64)
    start = (rng.uniforms(seed, f"{name}/onset", n) * (task.n_steps - task.span + 1)).astype(np.int64)
    keep = rng.uniforms(seed, f"{name}/delete", (n, task.n_channels)) >= task.p_delete
    x = np.empty((n, task.n_steps, task.n_channels), np.uint8)
    step = max(1, _BLOCK // size)
    for first in range(0, n, step):
        out = x[first : first + step]
        np.less(
            rng.uniforms(seed, f"{name}/background", out.shape, start=first * size),
            task.p_background,
            out=out.view(bool),
        )
    sample, channel = np.nonzero(keep)
    x[sample, start[sample] + task.spacing * order[y[sample], channel], channel] = 1
    return x, y
