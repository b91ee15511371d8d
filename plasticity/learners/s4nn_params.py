"""Parameters of S4NN and BS4NN: fully connected networks of one-spike neurons that learn by gradients of spike times.

The defaults are those of the published digit networks: Kheradpisheh & Masquelier 2020, doi 10.1142/S0129065720500276,
and Kheradpisheh, Mirsadeghi & Masquelier 2021, doi 10.1007/s11063-021-10680-x (binary weights); "program" is what the
authors' programs do.
"""

from dataclasses import dataclass

from ...runtime.params import param

__all__ = ["BINARY_PRESETS", "PRESETS", "BS4NNParams", "S4NNParams"]


@dataclass
class S4NNParams:
    """Layers, neurons, targets, steps and what is done over a run. Tuples of rates and the like: a value a layer."""

    hidden: tuple[int, ...] = param((400,), "neurons of the hidden layers", low=1, source="program")
    n_steps: int = param(256, "time steps T; T stands for silence", low=4, high=32_767, source="program")
    largest: int = param(255, "grey level that fires at step 0", low=1, source="program")
    thetas: tuple[float, ...] = param((100.0, 100.0), "thresholds", above=0, source="program")
    init_low: tuple[float, ...] = param((0.0,), "first weights are drawn from this (one value, or one a layer) ...")
    init: tuple[float, ...] = param((5.0, 48.0), "... to this", above=0, source="program")
    rates: tuple[float, ...] = param((0.2, 0.2), "lengths of a step", low=0, source="program")
    decays: tuple[float, ...] = param((1e-6, 1e-6), "L2 decay, times the rate", low=0, below=1, source="program")
    gap: int = param(3, "losers should be so many steps later than the winner", low=0, source="program")
    silent_gap: int | None = param(
        None, "nobody fires: the label should have fired so many steps before T; none = gap; 0 = no error", low=0
    )
    label_limit: int | None = param(None, "the label is told to come at most so many steps earlier; none = any", low=1)
    lead: int = param(0, "the label should be so many steps ahead of the others", low=0)
    updated: bool = param(True, "errors go down through weights after their step", source="program")
    epochs: int = param(60, "passes over the training samples", low=0, source="up to 100 in the program")
    shuffle: bool = param(True, "a new order in each pass (program: no)")
    hold: float = param(0.75, "share of the passes before the rates shrink", low=0, high=1)
    last_rate: float = param(0.02, "factor of the rates at the end; they shrink exponentially", above=0, high=1)
    batch: int = param(1, "samples a step; more than 1: mean of their normalised steps, by Adam", low=1)
    beta2: float = param(0.999, "Adam's memory of squares", low=0, below=1)
    dead: float = param(0.001, "neurons that fire for a smaller share are drawn anew after a pass", low=0, high=1)
    rest: float = param(0.0, "share of the hidden neurons that stay silent, drawn for each sample", low=0, high=0.95)
    shift: int = param(0, "images are shown moved by up to so many pixels each way", unit="px", low=0)
    jitter: int = param(0, "and their spikes by up to so many steps", low=0)
    precision: str = param("float32", "type of weights and potentials", choices=("float32", "float64"))
    random_state: int = param(0, "seed")

    def validate(self):
        """Raise ValueError unless each layer has its values."""
        n = len(self.hidden) + 1
        for name in ("thetas", "init", "rates", "decays"):
            if len(getattr(self, name)) != n:
                raise ValueError(f"{name} must have {n} values, one a layer, got {getattr(self, name)}")
        if len(self.init_low) not in (1, n):
            raise ValueError(f"init_low must have 1 or {n} values, got {self.init_low}")
        lows = self.init_low if len(self.init_low) == n else self.init_low * n
        if not all(low < high for low, high in zip(lows, self.init, strict=True)):
            raise ValueError(f"init must be > init_low, got {self.init_low} and {self.init}")
        if self.largest > 65_535:
            raise ValueError(f"largest must be <= 65535, got {self.largest}")
        if self.batch > 1 and any(self.decays) and max(self.decays) > 0.1:
            raise ValueError(f"decays must be <= 0.1, got {self.decays}")


@dataclass
class BS4NNParams(S4NNParams):
    """As S4NNParams, for layers whose weights are signs times a scale."""

    hidden: tuple[int, ...] = param((600,), "neurons of the hidden layers", low=1, source="program")
    rates: tuple[float, ...] = param((0.1, 0.1), "lengths of a step", low=0, source="program")
    decays: tuple[float, ...] = param((0.0, 0.0), "no decay", low=0, high=0, source="program")
    gap: int = param(1, "losers should be so many steps later than the winner", low=0, source="program")
    epochs: int = param(200, "passes over the training samples", low=0, source="program")
    scales: tuple[float, ...] = param((5.0, 5.0), "first scales of the layers", above=0, source="program")
    scale_rates: tuple[float, ...] = param((0.01, 0.01), "steps of the scales", low=0, source="program")
    scale_mean: bool = param(True, "a scale follows the mean over its synapses, not the sum", source="program")
    replacement: bool = param(False, "draw the samples of a pass with replacement (program: yes)")

    def validate(self):
        """Raise ValueError unless each layer has its values and binary layers are trained one by one."""
        super().validate()
        for name in ("scales", "scale_rates"):
            if len(getattr(self, name)) != len(self.thetas):
                raise ValueError(f"{name} must have {len(self.thetas)} values, one a layer, got {getattr(self, name)}")
        if self.batch != 1:
            raise ValueError(f"batch must be 1 with binary weights, got {self.batch}")


_DIGITS = S4NNParams(
    hidden=(100,), n_steps=16, gap=1, init=(10.0, 40.0), rates=(0.6, 0.6), epochs=60, hold=0.0, last_rate=0.05
)

# first weights of both signs, and a label that is told no more than its rivals
_OWN = {"label_limit": 3, "gap": 3, "hold": 0.0}
# and is to be ahead of them
_LEAD = {"gap": 10, "label_limit": 10, "lead": 10}
_WIDE = _OWN | {"hidden": (1000,), "init_low": (-4.0, -15.0)}

PRESETS = {
    "mnist": S4NNParams(rates=(0.4, 0.4), hold=0.3),
    "s4nn2020": S4NNParams(epochs=100, shuffle=False, hold=1.0),
    "mnist1000": S4NNParams(hidden=(1000,), init=(5.0, 19.0), rates=(0.6, 0.16), hold=0.3, rest=0.3),
    "sparse": S4NNParams(**_WIDE, init=(6.0, 20.0), rates=(0.6, 0.12), rest=0.25, epochs=20),
    "fashion": S4NNParams(**(_WIDE | _LEAD), init=(5.0, 20.0), rates=(0.3, 0.15), rest=0.2, epochs=20),
    "digits": _DIGITS,
    # two classes of photographs of 160 x 250 pixels
    "caltech": S4NNParams(
        **_LEAD,
        hidden=(4,),
        init_low=(0.00024, -40.0),
        init=(0.0061, 57.0),
        rates=(0.0002, 1.12),
        decays=(0.0, 0.0),
        epochs=40,
        hold=0.3,
        dead=0.0,
    ),
}

BINARY_PRESETS = {
    "mnist": BS4NNParams(**_OWN, init_low=(-1.0, -20.0), init=(4.0, 30.0), rates=(4.0, 0.3), last_rate=0.01, epochs=60),
    "bs4nn2021": BS4NNParams(hold=1.0, silent_gap=0, replacement=True),
    "fashion": BS4NNParams(
        **_OWN,
        hidden=(1000,),
        init_low=(-4.0, -30.0),
        init=(5.0, 40.0),
        rates=(1.5, 0.5),
        last_rate=0.01,
        rest=0.1,
        epochs=20,
    ),
    "digits": BS4NNParams(
        hidden=(300,),
        scales=(25.0, 8.0),
        init_low=(-1.0, -1.0),
        init=(1.0, 1.0),
        rates=(0.003, 0.003),
        gap=3,
        epochs=80,
        hold=0.0,
        last_rate=0.04,
    ),
}
