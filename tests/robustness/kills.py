"""Runs that are killed at random moments and resumed until they end: ``run(n_kills, seed, folder)``.

The runs are forked from one process in which everything is imported and compiled (so this is a program of its own, not
to be called in a process with threads). After every kill the result file must be absent or whole, the checkpoint too;
at the end the content must be that of a run that nobody disturbed, and nothing may lie beside it.
"""

import collections
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

SETTINGS = dict(
    n_afferents=150,
    rate=20.0,
    n_periods=800,
    n_recorded=50,
    history_every=2,
    probe_duration=20.0,
    probe_presentations=3,
)
EVERY = 0.05  # s between checkpoints
LATEST = 0.6  # s after its start, a run is killed


def run(n_kills, seed, folder):
    """Counts of what happened."""
    import firstspike

    r, counts = random.Random(seed), collections.Counter()
    wanted = [firstspike.run("coincidence", seed=s, **SETTINGS).content_sha256 for s in range(2)]
    while counts["kills"] < n_kills:
        number = counts["runs"]
        out = Path(folder) / f"run{number}" / "a.h5"
        counts["runs"] += 1
        while True:
            ended = _attempt(out, number % 2, r.uniform(0.0, LATEST))
            if ended == 0:
                break
            counts["kills"] += ended == -signal.SIGKILL
            counts["failed_attempts"] += ended != -signal.SIGKILL
            counts[_state(out, wanted[number % 2])] += 1
            if counts["failed_attempts"] > 20:
                return dict(counts)
        same = firstspike.open(out).content_sha256 == wanted[number % 2]
        counts["equal" if same else "different"] += 1
        counts["left_over"] += len(list(out.parent.iterdir())) - 1
    return dict(counts)


def _attempt(out, seed, delay):
    """Start or resume a run in a process of its own; kill it after so many seconds. The code it ended with."""
    import firstspike

    pid = os.fork()
    if not pid:
        code = 1
        try:
            firstspike.run("coincidence", seed=seed, out=out, resume=True, checkpoint_every=EVERY, **SETTINGS)
            code = 0
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        finally:
            os._exit(code)
    end = time.monotonic() + delay
    while time.monotonic() < end:
        if (ended := os.waitpid(pid, os.WNOHANG))[0]:
            return os.waitstatus_to_exitcode(ended[1])
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _state(out, wanted):
    """What a killed run has left: nothing, a checkpoint, a result (both whole), or something broken."""
    from firstspike.runtime.checkpoint import checkpoint_path
    from firstspike.runtime.results import open_result

    try:
        if out.exists():
            return "left_result" if open_result(out).content_sha256 == wanted else "broken_result"
        if checkpoint_path(out).exists():
            return "left_checkpoint" if open_result(checkpoint_path(out)).kind == "checkpoint" else "broken_checkpoint"
    except ValueError:
        return "broken_result" if out.exists() else "broken_checkpoint"
    return "left_nothing"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        sys.stdout.write(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]), place)) + "\n")
