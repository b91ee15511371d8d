"""What output spikes say about patterns that are pasted into some of many slots of equal length.

Slot k = floor(t / length) of a run shows pattern shown[run, k mod n_slots] (-1: none). Over the slots first <= k <
last, for every run (R), neuron (M) and pattern (P):

    presentations  slots that show the pattern                                                   (R, P)
    hit            such slots with at least one output spike                                     (R, M, P)
    latency        s, mean over them of (first output spike in the slot - its start); inf: none  (R, M, P)
    false_alarm    output spikes in slots without a pattern                                      (R, M)
    covered        slots with a pattern in which any neuron of the run fires                     (R, P)

Reference: J. Hathway & D. F. M. Goodman (2018), ReScience 4(1)#6.
"""

from typing import NamedTuple

import numpy as np

from .detection import EDGE

__all__ = ["SlotMeasures", "finding", "slot_measures", "slots_of"]


class SlotMeasures(NamedTuple):
    """Counts over a stretch of slots; see the head of this file."""

    n_spikes: np.ndarray  # (R, M)
    presentations: np.ndarray
    hit: np.ndarray
    latency: np.ndarray
    false_alarm: np.ndarray
    covered: np.ndarray

    @property
    def hit_rate(self):
        """Share of the presentations of a pattern with an output spike, (R, M, P); NaN without presentations."""
        shown = self.presentations[:, None, :]
        return np.where(shown > 0, self.hit / np.maximum(shown, 1), np.nan)


def slots_of(time, length):
    """Slot of each output spike (int64) and the time since its start, s."""
    slot = np.floor((time + EDGE) / length).astype(np.int64)  # a clock's spike on an edge belongs to the slot it opens
    return slot, time - slot * length


def slot_measures(run, neuron, time, shown, length, shape, first, last) -> SlotMeasures:
    """Count over the slots `first` <= k < `last`.

    Parameters
    ----------
    run, neuron : int arrays (n,)
        Of each output spike.
    time : float array (n,)
        s, from the start.
    shown : int array (R, n_slots)
        Pattern of each slot, -1: none; read again from the start after its end.
    length : float
        Of a slot, s.
    shape : (int, int, int)
        Runs R, neurons M, patterns P.
    first, last : int
        Half-open range of slots.
    """
    n_runs, n_neurons, n_patterns = shape
    if not 0 <= first <= last:
        raise ValueError(f"first and last must satisfy 0 <= first <= last, got {first} and {last}")
    k, lag = slots_of(time, length)
    use = (k >= first) & (k < last)
    run, neuron, k, lag = (np.asarray(x)[use] for x in (run, neuron, k, lag))
    range_shown = shown[:, np.arange(first, last) % shown.shape[1]]
    presentations = np.stack([(range_shown == p).sum(axis=1) for p in range(n_patterns)], axis=1)
    label = shown[run, k % shown.shape[1]].astype(np.int64)
    cell = run.astype(np.int64) * n_neurons + neuron
    n_cells = n_runs * n_neurons
    false_alarm = np.bincount(cell[label < 0], minlength=n_cells)
    inside = label >= 0
    # First spike of each neuron in each slot with a pattern.
    order = np.lexsort((lag[inside], k[inside], cell[inside]))
    c, s, p, t = (x[inside][order] for x in (cell, k, label, lag))
    new = np.ones(c.size, bool)
    new[1:] = (c[1:] != c[:-1]) | (s[1:] != s[:-1])
    where = c[new] * n_patterns + p[new]
    hit = np.bincount(where, minlength=n_cells * n_patterns)
    total = np.bincount(where, weights=t[new], minlength=n_cells * n_patterns)
    latency = np.where(hit > 0, total / np.maximum(hit, 1), np.inf)
    slots = np.unique(np.stack([c // n_neurons, s, p]), axis=1) if c.size else np.zeros((3, 0), np.int64)
    return SlotMeasures(
        n_spikes=np.bincount(cell, minlength=n_cells).reshape(n_runs, n_neurons),
        presentations=presentations,
        hit=hit.reshape(shape),
        latency=latency.reshape(shape),
        false_alarm=false_alarm.reshape(n_runs, n_neurons),
        covered=np.bincount(slots[0] * n_patterns + slots[2], minlength=n_runs * n_patterns).reshape(
            n_runs, n_patterns
        ),
    )


def finding(run, neuron, time, shown, length, shape):
    """When each neuron fired its last false alarm: time (s; 0: never), and output spikes up to it, both (R, M)."""
    n_cells = shape[0] * shape[1]
    cell = np.asarray(run, np.int64) * shape[1] + neuron
    k, _ = slots_of(time, length)
    false = shown[run, k % shown.shape[1]] < 0
    last = np.zeros(n_cells)
    np.maximum.at(last, cell[false], time[false])
    n = np.bincount(cell[time <= last[cell]], minlength=n_cells)
    return last.reshape(shape[:2]), n.reshape(shape[:2])
