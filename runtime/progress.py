"""Progress on stderr: a bar on a terminal, otherwise sparse lines that suit log files."""

import sys
import time

__all__ = ["reporter"]

_EVERY = 60.0  # s between log lines


def reporter(mode: str = "auto", title: str = ""):
    """A function ``report(done, note)`` with done in 0..1; mode is auto, bar, log, none, or such a function itself."""
    if callable(mode):
        return mode
    if mode == "auto":
        mode = "bar" if sys.stderr.isatty() else "log"
    if mode == "none":
        return lambda done, note="": None
    return _Bar(title) if mode == "bar" else _Log(title)


class _Log:
    """One line at the start, at most one a minute, one at the end of whatever lasted longer than a second."""

    def __init__(self, title):
        self.title, self.start = title, time.monotonic()
        self.last = self.start
        sys.stderr.write(f"{title}: started\n")

    def __call__(self, done, note=""):
        now = time.monotonic()
        finished = done >= 1 and now - self.start > 1
        if finished or now - self.last >= _EVERY:
            self.last = now
            left = "" if done >= 1 or done <= 0 else f", {_clock((now - self.start) * (1 - done) / done)} left"
            text = f"{self.title}: {100 * done:3.0f} % after {_clock(now - self.start)}{left}"
            sys.stderr.write(f"{text}{'; ' + note if note else ''}\n")
            sys.stderr.flush()


class _Bar:
    def __init__(self, title):
        import click

        self.note = ""
        self.shown = 0
        self.bar = click.progressbar(
            length=1000, label=title, file=sys.stderr, show_eta=True, item_show_func=lambda _: self.note or None
        )
        self.bar.render_progress()

    def __call__(self, done, note=""):
        self.note = note
        step = int(1000 * min(done, 1.0)) - self.shown
        if step > 0:
            self.shown += step
            self.bar.update(step, current_item=note)
        if done >= 1:
            self.bar.render_finish()


def _clock(seconds):
    seconds = int(seconds)
    if seconds < 60:
        return f"{seconds} s"
    return (
        f"{seconds // 60} min {seconds % 60} s" if seconds < 3600 else f"{seconds // 3600} h {seconds % 3600 // 60} min"
    )
