"""Small pictures of objects, named by reward: one layer of neurons that see the whole picture, the first spike answers.

The smallest network that learns by reward: oriented filters, at each place the strongest orientation only, ranks, and
neurons of which one an image learns. Machinery, measures and figures are those of :mod:`~firstspike.sims.digits_rstdp`;
here are the data: views of objects, ETH-80 or a folder of that layout.

Views of one object are much alike. With ``held_out=3`` three objects of each class are kept for the test, the way to
ask whether a *new* cup is known as a cup; with ``held_out=0`` a random quarter of the views is.

References: Mozafari et al. (2019) Front. Neurosci. 13:625, doi 10.3389/fnins.2019.00625; Leibe & Schiele (2003) CVPR,
doi 10.1109/CVPR.2003.1211497.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

from ..plasticity.learners.rstdp_params import PRESETS as NETWORKS
from ..plasticity.learners.rstdp_params import RSTDPParams
from ..runtime.params import param
from .digits_rstdp import DEVICES, classifier, network, run_all, summary

__all__ = [
    "DEVICES",
    "FIGURES",
    "PRESETS",
    "Objects",
    "classifier",
    "expected",
    "figure",
    "inputs",
    "load_part",
    "memory",
    "network",
    "simulate",
    "summary",
]

TITLE = "Objects by reward: one layer of one-spike neurons, the first spike answers"
REFERENCES = "doi:10.3389/fnins.2019.00625; doi:10.1109/CVPR.2003.1211497"
FIGURES = ("overview", "confusion", "features", "anytime", "learning")


@dataclass
class Objects(RSTDPParams):
    """The network's parameters and the data. The first weights come from the run's seeds."""

    random_state: ClassVar[int] = 0  # not a parameter here

    data: str = param("eth80", "eth80, or a folder or archive: views of objects as in ETH-80", option=True)
    classes: tuple[str, ...] = param(("cup", "dog"), "classes of objects; labels count in this order; empty = all")
    size: int = param(64, "pictures are brought to this height and width", unit="px", low=8)
    held_out: int = param(3, "objects of each class that make up the test part; 0 = a quarter of all views", low=0)
    split_seed: int = param(0, "draws which objects or views are held out", low=0)
    n_train: int | None = param(None, "training pictures; none = all", low=10, option=True)
    n_test: int | None = param(None, "test pictures; none = all", low=1, option=True)
    epochs: int = param(20, "passes over the training pictures", low=0, option=True)  # type: ignore[assignment]
    controls: bool = param(True, "also score the network untrained and with permuted synapses", option=True)

    MAY_BE_EMPTY = (*RSTDPParams.MAY_BE_EMPTY, "classes")

    def validate(self):
        """Rules across fields; ValueError says which one is broken."""
        super().validate()
        if self.data != "eth80" and not Path(self.data).exists():
            raise ValueError(f"data must be eth80, or a folder or archive of that layout; got {self.data!r}")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes must differ, got {self.classes}")


def _preset(**changes):
    values = {f.name: getattr(NETWORKS["tutorial"], f.name) for f in fields(RSTDPParams) if f.name != "random_state"}
    return Objects(**(values | changes))


PRESETS = {
    "tutorial": _preset(),
    "tutorial_views": _preset(held_out=0),
    "tutorial_stdp": _preset(reward=False, epochs=30),
    "eth80": _preset(classes=(), epochs=60),
}


def inputs(params: Objects) -> dict:
    """SHA-256 of the user's pictures, if the run is of such."""
    from .own_spikes import sha256_of

    return {} if params.data == "eth80" else {"data": sha256_of(Path(params.data))}


def memory(params: Objects, n_seeds: int) -> int:
    """Bytes that a run needs, roughly: pictures, their time maps, weights."""
    n = (params.n_train or 3000) + (params.n_test or 1000)
    return int(n * params.size**2 * 13 + n_seeds * 80 * 4 * params.kernel**2 * 8)


def load_part(params: Objects, data: str, part: str, n: int | None = None):
    """Pictures uint8 (N, size, size), labels (N,), names of the classes, of one part; in a random, fixed order.

    The first `n` of them, so that a few are of all classes.
    """
    import numpy as np

    from ..datasets.eth80 import read_eth80, split_by_object
    from ..runtime import rng

    path = None if data == "eth80" else data
    views = read_eth80(path, params.classes or None, (params.size, params.size))
    if params.held_out:
        chosen = split_by_object(views.labels, views.objects, params.held_out, params.split_seed)
    else:
        order = rng.permutation(params.split_seed, "objects/views", len(views.labels))
        chosen = order[len(order) // 4 :], order[: len(order) // 4]
    mine = np.asarray(chosen[part == "test"])
    mine = mine[rng.permutation(params.split_seed, f"objects/order/{part}", len(mine))][:n]
    return views.images[mine], views.labels[mine], list(views.class_names)


def simulate(params: Objects, run):
    """Train and score over the seeds of `run`; a Result."""
    import numpy as np

    from .training import Data

    parts = [load_part(params, params.data, part, getattr(params, f"n_{part}")) for part in ("train", "test")]
    data = Data(params.data, *parts[0][:2], *parts[1][:2])
    result = run_all(params, data, run, TITLE, REFERENCES)
    result.add("class_name", np.array(parts[0][2]), ("true_class",), "1", "name of each class")
    return result


def expected(params: Objects) -> dict[str, float]:
    """Empty: no number was published for this network and these pictures."""
    return {}


def figure(result, name=None):
    """Figure `name` of `FIGURES` (default: the overview), a matplotlib Figure."""
    from .figures import draw

    return draw("digits_rstdp", FIGURES, result, name)
