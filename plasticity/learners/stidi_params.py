"""Parameters of networks that learn when their spikes should come (STiDi-BP), dense or convolutional.

Mirsadeghi, Shalchian, Kheradpisheh & Masquelier (2021) Neurocomputing ("paper"); the convolutional form: the same
authors (2023) Neural Computing and Applications, doi 10.1007/s00521-023-08567-0 ("conv").
"""

from dataclasses import dataclass

from ...runtime.params import param

__all__ = ["STiDiParams"]


@dataclass
class STiDiParams:
    """Layers, neurons, what is wanted of the outputs, and how the weights follow."""

    maps: tuple[int, ...] = param((8,), "maps of each convolutional layer; none = all layers dense", low=1)
    kernels: tuple[int, ...] = param((5,), "height and width of their kernels", low=1, source="conv")
    pools: tuple[int, ...] = param((2,), "first-spike pooling after each of them; 1 = none", low=1, source="conv")
    hidden: tuple[int, ...] = param((100,), "neurons of each dense layer before the output", low=1)

    t_max: int = param(60, "time steps; a neuron that does not fire before is silent", low=4)
    pixel_max: float = param(255.0, "grey value that spikes at 0", above=0)
    pixel_cut: float = param(25.0, "grey values up to it are silent", low=0)
    input_share: float = param(0.5, "part of t_max that the input spikes are spread over", above=0, high=1)
    psp: str = param("relu", "what a spike does: rises on, stays, or falls", choices=("relu", "ramp", "triangle"))
    rise: float = param(20.0, "its rise to 1", unit="steps", above=0)
    fall: float = param(20.0, "its fall to 0 (triangle)", unit="steps", above=0)
    theta: tuple[float, ...] = param((1.0,), "threshold of all layers, or of each", above=0)
    steps: str = param(
        "all", "who fires at whole steps; hidden = the outputs at exact times", choices=("all", "hidden", "none")
    )
    compare: str = param("ge", "at a whole step, fire at the threshold (ge) or above it (gt)", choices=("ge", "gt"))

    mode: str = param("exact", "the gradient, or the published linear form of it", choices=("exact", "displacement"))
    loss: str = param("softmax", "cross-entropy of softmax(-beta t), or target times", choices=("softmax", "targets"))
    beta: float = param(0.3, "sharpness of the softmax", unit="1/steps", above=0)
    gap: float = param(3.0, "targets: how much later than the first the others should be", unit="steps", above=0)
    skip: float = param(0.02, "softmax: smaller sums of |displacement| are not learnt from", low=0)
    wake: bool = param(True, "silent outputs learn, too, as if they crossed with slope theta / rise")
    revive: float = param(
        0.0, "hidden neurons (dense) that fire for a smaller share of the images are drawn anew after a pass", low=0
    )
    slope_min: float = param(0.2, "exact: smallest slope that is divided by, in theta / rise", low=0)
    normalise_output: bool = param(True, "displacement: bring those of the output, too, to norm 1")
    kappa: float = param(1.0, "displacement: norm of what each hidden layer is told", unit="steps", above=0)

    active_inputs: tuple[float, ...] = param(
        (), "inputs of a neuron that spike, by layer, for the first weights; empty = a guess", above=0
    )
    optimiser: str = param("adam", "adam, or plain steps (sgd)", choices=("adam", "sgd"))
    rate: float = param(1e-3, "learning rate", low=0)
    conv_factor: float = param(2.0, "convolutional layers learn so much faster", low=0)
    rate_factor: float = param(0.7, "the rate after each pass", above=0, high=1)
    decay: float = param(0.0, "pull of the weights to 0 (sgd: after each step)", low=0)
    batch: int = param(10, "images a step", low=1)
    epochs: int = param(3, "passes over the training images", low=0)
    shuffle: bool = param(True, "a new order of images in each pass")
    backward_weights: str = param(
        "old", "displacements of a layer: by the weights before or after its step", choices=("old", "updated")
    )
    shift: int = param(0, "images are moved at random by up to so many pixels while learning", unit="px", low=0)
    drop: float = param(0.0, "share of the hidden neurons that are silent, anew for each image", low=0, high=0.9)
    drop_maps: float = param(0.0, "the same of the pooled outputs of convolutional layers", low=0, high=0.9)

    binary: bool = param(False, "synapses are +-alpha, the signs of real weights that learn")
    alpha_rate: float = param(0.0, "alpha of each layer learns so much faster than the weights; 0 = stays", low=0)

    random_state: int = param(0, "seed of first weights, order, shifts and silenced neurons", low=0)

    MAY_BE_EMPTY = ("maps", "kernels", "pools", "hidden", "active_inputs")

    def validate(self):
        """Raise ValueError unless all layers have their values and the options fit together."""
        for name in ("kernels", "pools"):
            if len(getattr(self, name)) != len(self.maps):
                raise ValueError(f"{name} must have {len(self.maps)} values, one a layer, got {getattr(self, name)}")
        n = len(self.maps) + len(self.hidden) + 1
        if self.active_inputs and len(self.active_inputs) != n:
            raise ValueError(f"active_inputs must have {n} values, one a layer, got {self.active_inputs}")
        if len(self.theta) not in (1, n):
            raise ValueError(f"theta must have 1 or {n} values, got {self.theta}")
        if self.pixel_cut >= self.pixel_max:
            raise ValueError(f"pixel_cut must be < pixel_max = {self.pixel_max}, got {self.pixel_cut}")
        if self.steps != "none":
            corners = {"relu": (), "ramp": ("rise",), "triangle": ("rise", "fall")}[self.psp]
            for name in corners:  # only then is the potential a line between whole steps
                if getattr(self, name) != int(getattr(self, name)):
                    raise ValueError(f"{name} must be whole with steps={self.steps}, got {getattr(self, name)}")
