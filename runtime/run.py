"""One run: its seeds, threads and progress; interruption, checkpoints, and the way back in.

A simulation is ``simulate(params, run)``. It asks ``run.restored`` for the state to go on from (None: start), and calls
``run.tick(snapshot, done, note)`` between slices of at most half a second. Whether that shows progress, writes a
checkpoint or ends the run is no business of the simulation.
"""

import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from .checkpoint import save_checkpoint
from .device import check_device
from .progress import reporter
from .provenance import usable_cores

__all__ = ["Interrupted", "Run"]


class Interrupted(KeyboardInterrupt):
    """The run was asked to end, at the fraction `done`; `checkpoint` is where it can go on from, or None."""

    def __init__(self, signal_number, checkpoint, done):
        super().__init__(f"ended by signal {signal_number} at {100 * done:.0f} %")
        self.exit_code = 128 + signal_number
        self.checkpoint, self.done = checkpoint, done


class Run:
    """What a simulation is given besides its parameters.

    Parameters
    ----------
    seed : int
        First seed.
    n_seeds : int
        The run covers seeds ``seed, seed + 1, ...``: an axis of its result.
    threads : int
        0 = all usable cores. Results do not depend on it.
    device : str
        ``"cpu"``, ``"cuda"`` or ``"cuda:K"``; checked, see :mod:`~firstspike.runtime.device`.
    progress : str
        auto, bar, log or none.
    title : str
        Shown with the progress.
    """

    def __init__(self, seed=0, n_seeds=1, threads=1, device="cpu", progress="none", title=""):
        if not 0 <= int(seed) < 2**63:
            raise ValueError(f"seed must be >= 0 and < 2**63, got {seed}")
        if n_seeds < 1:
            raise ValueError(f"seeds must be >= 1, got {n_seeds}")
        if threads < 0:
            raise ValueError(f"threads must be >= 0, got {threads}")
        cores = usable_cores()
        self.seed, self.seeds = int(seed), tuple(range(int(seed), int(seed) + n_seeds))
        self.threads = min(threads, cores) if threads else cores
        self.device = check_device(device)
        self.restored: dict | None = None
        self._report = reporter(progress, title)
        self._checkpoint: Path | None = None
        self._parameters: dict = {}
        self._every, self._saved_at = 0.0, time.monotonic()
        self._signal = 0
        self._last = (None, 0.0)

    def keep(self, checkpoint, parameters: dict, every: float = 60.0) -> None:
        """Write checkpoints to this path, at most one in `every` seconds (0: only when interrupted)."""
        self._checkpoint, self._parameters, self._every = Path(checkpoint), parameters, every
        self._saved_at = time.monotonic()

    def tick(self, snapshot, done: float, note: str = "") -> None:
        """Say how far the run is.

        Parameters
        ----------
        snapshot : callable
            Without arguments; gives all that is needed to go on from here, as a dict of arrays. Called only when a
            checkpoint is due; it may return the arrays themselves.
        done : float
            Fraction of the run, 0..1.
        note : str
            One number of the science, shown with the progress.

        Raises
        ------
        Interrupted
            The run was asked to end (Ctrl-C, SIGTERM). The checkpoint is written.
        """
        self._report(done, note)
        self._last = (snapshot, done)
        due = self._every and time.monotonic() - self._saved_at >= self._every
        if self._checkpoint is not None and (due or self._signal):
            save_checkpoint(self._checkpoint, snapshot(), self._parameters, done)
            self._saved_at = time.monotonic()
        if self._signal:
            raise Interrupted(self._signal, self._checkpoint, done)

    def wait(self, function, *args, **kwargs):
        """``function(...)`` of somebody else's compiled code that may take long: Ctrl-C is answered all the same.

        It runs in a thread of its own; interrupted, the run is left at its last tick. Outside of :meth:`signals` the
        function is plainly called.
        """
        if not self._listening:
            return function(*args, **kwargs)
        box: dict = {}

        def work():
            try:
                box["value"] = function(*args, **kwargs)
            except BaseException as error:
                box["error"] = error

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.1)
            if self._signal and self._last[0] is None:  # nothing done yet that would be worth keeping
                raise Interrupted(self._signal, None, 0.0)
            if self._signal:
                self.tick(*self._last)
        if "error" in box:
            raise box["error"]
        return box["value"]

    _listening = False

    @contextmanager
    def signals(self):
        """Turn Ctrl-C and SIGTERM into :class:`Interrupted` at the next tick; a second Ctrl-C ends at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def remember(number, _frame):
            self._signal = number
            signal.signal(signal.SIGINT, signal.default_int_handler)

        numbers = [signal.SIGINT, signal.SIGTERM]
        before = [signal.signal(number, remember) for number in numbers]
        self._listening = True
        try:
            yield
        finally:
            self._listening = False
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
