"""A run of neurons on a tape: input made once, replayed, learning on; what is recorded; how it goes on after a stop.

Each of R seeds has its tape and G groups of M neurons on it (neurons of a group inhibit each other). A slice of the
tape (20 slots, 1 s by default) is one step. Seeds go one after the other, as many at a time as there are threads: a
tape takes 115 MB at full length. Where a seed stands is arrays alone; its tape is made anew after a stop.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ...datasets.slots import SlotInput, involved, labels
from ...datasets.tape import SLICE, Tape
from ...plasticity.events import SRM, advance_srm, advance_srm_clock, init_srm, record_srm
from .detection import convergence, weight_histogram

__all__ = ["N_BINS", "Outcome", "patterns_of", "replay"]

N_BINS = 20
V_STEP = 2e-4  # s between two samples of a recorded V(t)
_CATCH_UP = 20  # slices made at a time after a stop


@dataclass
class Outcome:
    """What a run leaves. C = G M cells; H steps in all; the spikes are sorted by seed, then time."""

    source: SlotInput
    shown: np.ndarray  # (R, n_slots) int8
    member: np.ndarray  # (R, P, N) bool
    state: dict  # of init_srm, each array with a first axis R
    position: np.ndarray  # (R,) steps done
    histogram: np.ndarray  # (R, C, H, 2, N_BINS) uint16: weights of involved and other afferents
    conv: np.ndarray  # (R, C, H)
    v: np.ndarray  # (2, C, samples), first seed: V at the start and at the end
    spikes: list  # R lists of (cell, time)
    duration: float  # s, of a tape

    def columns(self):
        """Output spikes: seed index, cell (int32), time (s)."""
        parts = [(r, *part) for r, parts in enumerate(self.spikes) for part in parts]
        if not parts:
            return np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0)
        run = np.concatenate([np.full(c.size, r, np.int32) for r, c, _ in parts])
        return run, np.concatenate([c for _, c, _ in parts]).astype(np.int32), np.concatenate([t for *_, t in parts])

    def snapshot(self):
        """All that is needed to go on, as a flat dict of arrays."""
        run, cell, time = self.columns()
        state = {f"neurons.{name}": array for name, array in self.state.items()}
        own = {name: getattr(self, name) for name in ("position", "histogram", "conv", "v")}
        return state | own | {"spike_run": run, "spike_cell": cell, "spike_time": time}

    def restore(self, snapshot):
        """Put a snapshot back."""
        for name, array in self.state.items():
            array[...] = snapshot[f"neurons.{name}"]
        for name in ("position", "histogram", "conv", "v"):
            getattr(self, name)[...] = snapshot[name]
        run, cell, time = (snapshot[f"spike_{name}"] for name in ("run", "cell", "time"))
        self.spikes = [[(cell[run == r], time[run == r])] for r in range(len(self.spikes))]


def replay(run, source: SlotInput, srm: SRM, rule, start, *, replays, clock_step=0.0, v_duration=0.0) -> Outcome:
    """Take all seeds of `run` through their tapes `replays` times.

    Parameters
    ----------
    run : Run
        Seeds, threads, progress.
    source : SlotInput
        Parameters of the input.
    srm, rule
        Neuron (``inhibition``: one number, or one a group) and trace rule.
    start : function
        seed -> first weights (G, M, N).
    replays : int
        How often each tape is played.
    clock_step : float
        s; 0: exact.
    v_duration : float
        s of V(t) kept at the start and at the beginning of the last slice, of the first seed; not with a clock.
    """
    out = _blank(run, source, start, replays, 0.0 if clock_step else v_duration)
    if run.restored is not None:
        out.restore(run.restored)
    total, active = out.conv.shape[2], []
    with ThreadPoolExecutor(run.threads) as pool:
        spread = pool.map if run.threads > 1 else map
        while True:
            active = [job for job in active if out.position[job.r] < total]
            waiting = [r for r in range(len(run.seeds)) if out.position[r] < total and r not in {j.r for j in active}]
            active += [
                _Job(r, Tape(run.seeds[r], source), out, srm, rule, clock_step)
                for r in waiting[: run.threads - len(active)]
            ]
            if not active:
                return out
            list(spread(_Job.step, active))
            rate = sum(t.size for _, t in out.spikes[active[0].r][-1:]) / (SLICE * source.slot)
            note = f"{rate / out.conv.shape[1]:.1f} output spikes/s"
            run.tick(out.snapshot, out.position.sum() / (total * len(run.seeds)), note)


def _blank(run, source, start, replays, v_duration):
    shown = np.stack([labels(seed, source) for seed in run.seeds])
    member = np.stack([involved(seed, source) for seed in run.seeds])
    states = [init_srm(start(seed)) for seed in run.seeds]
    state = {name: np.stack([s[name] for s in states]) for name in states[0]}
    n_runs, g, m = state["a"].shape
    steps = -(-source.n_slots // SLICE) * replays
    n_v = round(min(v_duration, SLICE * source.slot, source.n_slots * source.slot) / V_STEP)
    return Outcome(
        source, shown, member, state, np.zeros(n_runs, np.int64),
        np.zeros((n_runs, g * m, steps, 2, N_BINS), np.uint16), np.zeros((n_runs, g * m, steps)),
        np.zeros((2 if n_v else 0, g * m, n_v)), [[] for _ in run.seeds], source.n_slots * source.slot,
    )  # fmt: skip


class _Job:
    """One seed on its way: tape, views of its state, memory for a slice."""

    def __init__(self, r, tape, out, srm, rule, clock_step):
        self.r, self.tape, self.out, self.srm, self.rule, self.clock_step = r, tape, out, srm, rule, clock_step
        self.state = {name: array[r] for name, array in out.state.items()}
        self.any = out.member[r].any(axis=0)
        self.chunk = None

    def step(self):
        """One slice; or, after a stop, some of the tape made anew."""
        out, r, tape = self.out, self.r, self.tape
        k = int(out.position[r])
        replay, index = divmod(k, tape.n_slices)
        if (tape.n_slices if replay else index) > tape.n_made:
            tape.make(_CATCH_UP)
            return
        self.chunk = chunk = tape.read(index, replay, self.chunk)
        self._look(k, chunk)
        last = k + 1 == out.conv.shape[2]
        slots = tape.params.n_slots * replay + min((index + 1) * SLICE, tape.params.n_slots)
        if self.clock_step:
            stop = slots * tape.params.slot
            found = advance_srm_clock(self.state, *chunk, self.srm, self.rule, dt=self.clock_step, stop=stop)
        else:
            stop = slots * tape.params.slot if last else -np.inf
            found = advance_srm(self.state, *chunk, self.srm, self.rule, stop=stop)
        group, neuron, time = found
        order = np.argsort(time, kind="stable")
        cell = (group * self.state["a"].shape[1] + neuron)[order].astype(np.int32)
        out.spikes[r].append((cell, time[order]))
        weights = self.state["weights"].reshape(-1, self.any.size)
        for side, some in enumerate((weights[:, self.any], weights[:, ~self.any])):
            out.histogram[r, :, k, side] = weight_histogram(some, N_BINS)
        out.conv[r, :, k] = convergence(weights)[1]
        out.position[r] = k + 1

    def _look(self, k, chunk):
        """Record V(t) where it is wanted."""
        steps, n = self.out.conv.shape[2], self.out.v.shape[2]
        for window, at in enumerate((0, steps - 1)):
            if self.r == 0 and k == at and n:
                start = (
                    k // self.tape.n_slices * self.tape.duration
                    + k % self.tape.n_slices * SLICE * self.tape.params.slot
                )
                v = record_srm(self.state, *chunk, self.srm, self.rule, grid=start + V_STEP * np.arange(n))
                self.out.v[window] = v.reshape(-1, n)


def patterns_of(seed: int, source: SlotInput):
    """Frozen patterns of a run: list of (time in the slot (s), afferent), empty for one that is never shown."""
    tape = Tape(seed, source)
    wanted = {int(p) for p in tape.labels if p >= 0}
    while tape.n_made < tape.n_slices and any(tape.pattern[p] is None for p in wanted) and not source.fresh:
        tape.make(1)
    return [p if p is not None else (np.zeros(0), np.zeros(0, np.int32)) for p in tape.pattern]
