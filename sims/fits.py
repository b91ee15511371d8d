"""Networks fitted one after the other in one run: progress, resuming, seconds, and what is found of each.

An experiment whose learner answers by itself says only what it fits and what it looks at:

    fits = Fits(run, [f"seed {seed}" for seed in run.seeds])
    for fit, seed in zip(fits, run.seeds):
        net = fit(network(params, random_state=seed), images, labels)
        if "said" not in fit:
            fit["said"] = fit.answers(net.predict, test_images)
            fit.tick(1.0, "tested")

What a fit holds, and the state of its network, stand in the run's checkpoint: a run that goes on finds them there, and
a network that was fitted takes its last state up and learns nothing more. An experiment with readouts and controls
around its learner has :mod:`~firstspike.sims.training` for that.
"""

import time

import numpy as np

__all__ = ["Fit", "Fits", "add_seconds"]

_SLICE = 500  # images between two reports of progress


class Fits:
    """The fits of a run, in order; `names` are shown with the progress if there are several.

    `share` is the part of each one's work that is learning, `span` that of all fits in the run.
    """

    def __init__(self, run, names, share=0.97, span=1.0):
        self.run, self.names, self.share, self.span = run, tuple(names), share, span
        self.kept = dict(run.restored or {})

    def __len__(self):
        return len(self.names)

    def __iter__(self):
        return (Fit(self, i) for i in range(len(self)))

    def all(self, name):
        """What the fits hold under `name`, one row a fit."""
        return np.array([self.kept[f"{i}.{name}"] for i in range(len(self))])

    def tick(self, done, note, more=dict):
        """Progress of the whole run; `more()` goes into a checkpoint beside what is kept."""
        self.run.tick(lambda: self.kept | more(), done, note)


class Fit:
    """One fit of a run, and a mapping of what was found: names to arrays."""

    def __init__(self, fits, i):
        self._fits, self.head, self._number = fits, f"{i}.", i
        self._label = f"{fits.names[i]}: " if len(fits) > 1 else ""
        self.wait = fits.run.wait

    def __contains__(self, name):
        return self.head + name in self._fits.kept

    def __getitem__(self, name):
        return self._fits.kept[self.head + name]

    def __setitem__(self, name, value):
        self._fits.kept[self.head + name] = np.asarray(value)

    def tick(self, fraction, note, more=dict):
        """Say how far this fit is, 0..1."""
        fits = self._fits
        fits.tick(fits.span * (self._number + fraction) / len(fits), self._label + note, more)

    def __call__(self, learner, *data):
        """Fit `learner` to `data`, or take it up where the run was interrupted; the learner."""
        head, latest = self.head + "net.", []
        if self._fits.run.device != "cpu":
            learner.device = self._fits.run.device
        before = float(self["fit_seconds"]) if "fit_seconds" in self else 0.0  # without interrupted sessions
        started = time.perf_counter()

        def state():
            return {head + name: value for name, value in latest[-1]().items()}

        def progress(fraction, note, snapshot):
            latest[:] = [snapshot]
            self["fit_seconds"] = before + time.perf_counter() - started
            self.tick(self._fits.share * fraction, note, state)

        known = {k.removeprefix(head): v for k, v in self._fits.kept.items() if k.startswith(head)}
        learner.fit(*data, progress=progress, resume=known or None)
        if latest:
            self._fits.kept.update(state())
        self["fit_seconds"] = before + time.perf_counter() - started
        return learner

    def answers(self, function, images):
        """``function`` of slices of the images, put together (each part of a tuple by itself); measures the speed."""
        function(images[:1])  # compiled before the clock starts
        started, parts = time.perf_counter(), []
        for first in range(0, len(images), _SLICE):
            parts.append(function(images[first : first + _SLICE]))
            self.tick(self._fits.share + 0.01 * first / len(images), "test")
        self["images_per_second"] = len(images) / (time.perf_counter() - started)
        if isinstance(parts[0], tuple):
            return tuple(np.concatenate(part) for part in zip(*parts, strict=True))
        return np.concatenate(parts)


def add_seconds(result, fits) -> None:
    """Seconds of learning, and speed of answers if it was measured, into the provenance of a Result."""
    result.provenance["train_seconds"] = float(fits.all("fit_seconds").sum())
    if "0.images_per_second" in fits.kept:
        result.provenance["images_per_second"] = float(fits.all("images_per_second").mean())
