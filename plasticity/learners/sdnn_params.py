"""Parameters of the convolutional network of one-spike neurons that learns by STDP, layer after layer (SDNN).

A tuple has one entry a layer, except those of the front end; without any entry there is the front end alone.
Kheradpisheh, Ganjtabesh, Thorpe & Masquelier 2018, doi 10.1016/j.neunet.2017.12.005 ("paper"); the authors' program for
digits ("port"): Mozafari et al. 2019, doi 10.3389/fnins.2019.00625.
"""

from dataclasses import dataclass

from ...runtime.params import param
from ..rules.order import RULES
from ..rules.own import check_name

__all__ = ["PRESETS", "SDNNParams"]

_LAYERED = (
    "maps kernels paddings thetas winners radii pool_sizes pool_strides pool_paddings epochs doubling "
    "inhibit_inputs stop_at"
).split()


@dataclass
class SDNNParams:
    """Front end, layers, learning. The defaults are the two-layer digit network of the port."""

    MAY_BE_EMPTY = tuple(_LAYERED)

    n_steps: int = param(15, "time steps of one image; a silent neuron is n_steps", low=1, high=255, source="port")
    filter: str = param("dog", "contrast filter", choices=("dog", "log", "gabor"), source="port")
    filter_sizes: tuple[int, ...] = param((7,), "window of each filter", unit="px", low=3, source="port")
    filter_scales: tuple[float, ...] = param(
        (1.0,), "width of the centre, for each window", unit="px", above=0, source="port"
    )
    filter_ratio: float = param(2.0, "width of the surround / width of the centre (dog)", above=1, source="port")
    polarity: str = param("both", "on-centre and off-centre maps", choices=("both", "on"), source="port")
    orientations: tuple[float, ...] = param((22.5, 67.5, 112.5, 157.5), "orientations (gabor)", unit="deg")
    filter_padding: int = param(3, "zeros around the image", unit="px", low=0, source="port")
    filter_threshold: float = param(50.0, "smaller responses are silent", low=0, source="port")
    pixel_scale: float = param(1.0, "multiplies the pixels; the threshold supposes 0..255", above=0)
    norm_radius: int = param(8, "radius of the local mean that divides responses; 0 = none", low=0, source="port")
    filter_pool: tuple[int, ...] = param(
        (1, 1, 0), "largest response of a window: its size, stride and padding; 1,1,0 = none", unit="px", low=0
    )
    lateral: str = param("none", "lateral inhibition", choices=("none", "delay", "spyketorch"), source="port")
    competition: str = param(
        "none",
        "only the strongest map of a position spikes: before or after ranking",
        choices=("none", "before", "after"),
    )
    bins: str = param("spyketorch", "ranks to time steps", choices=("spyketorch", "equal"), source="port")
    time_pool: tuple[int, ...] = param(
        (1, 1, 0), "earliest input spike of a window: its size, stride and padding; 1,1,0 = none", unit="px", low=0
    )

    maps: tuple[int, ...] = param((32, 150), "feature maps", low=1, source="port")
    kernels: tuple[int, ...] = param((5, 2), "height and width of the kernels", low=1, source="port")
    paddings: tuple[int, ...] = param((2, 1), "silent border before each convolution", low=0, source="port")
    thetas: tuple[float, ...] = param((10.0, 1.0), "thresholds", above=0, source="port")
    strict: bool = param(True, "fire above the threshold, not at it", source="port")
    pool_sizes: tuple[int, ...] = param((2, 2), "pooling windows", low=1, source="port")
    pool_strides: tuple[int, ...] = param((2, 2), "pooling strides", low=1, source="port")
    pool_paddings: tuple[int, ...] = param((1, 1), "silent border before pooling", low=0, source="port")

    winners: tuple[int, ...] = param((5, 8), "neurons that learn from one image, at most", low=1, source="port")
    radii: tuple[int, ...] = param((2, 1), "a winner keeps others away up to this distance", low=0, source="port")
    epochs: tuple[int, ...] = param((2, 20), "passes over the images; 0 = untrained", low=0, source="port")
    rule: str = param("stdp", "learning rule: stdp, or your own as FILE.py[:Class]", source="port")
    rule_parameters: str = param("", "further parameters of the rule, as name=number,name=number")
    a_plus: float = param(0.004, "first amplitude for inputs before the output", above=0, source="port")
    a_ratio: float = param(-0.75, "amplitude for other inputs / a_plus", below=0, source="port")
    a_max: float = param(0.15, "a_plus grows no further", above=0, source="port")
    doubling: tuple[int, ...] = param((500, 0), "images after which a_plus doubles; 0 = never", low=0, source="port")
    stabiliser: bool = param(True, "changes shrink as w (1 - w)", source="port")
    inhibit_inputs: tuple[bool, ...] = param(
        (False, True), "learning sees one spike a position, over the input maps", source="port"
    )
    inhibit_at_inference: bool = param(False, "one spike a position, over maps, in every forward pass", source="port")
    stop_at: tuple[float, ...] = param((0.0, 0.0), "stop a layer when its mean w (1 - w) is below", low=0)
    init_mean: float = param(0.8, "mean of the first weights", source="port")
    init_std: float = param(0.05, "standard deviation of the first weights", low=0, source="port")
    features: str = param("spiked", "output: spiked at all, or (T - step) / T", choices=("spiked", "latency"))
    random_state: int = param(0, "seed of the first weights")

    def validate(self):
        """Raise ValueError unless all layers, and all filters, have their values."""
        for name in _LAYERED:
            if len(getattr(self, name)) != len(self.maps):
                raise ValueError(f"{name} must have {len(self.maps)} values, one a layer, got {getattr(self, name)}")
        check_name(self.rule, RULES, self.rule_parameters)
        if len(self.filter_scales) != len(self.filter_sizes):
            raise ValueError(
                f"filter_scales must have {len(self.filter_sizes)} values, one a window, got {self.filter_scales}"
            )
        for name in ("filter_pool", "time_pool"):
            pool = getattr(self, name)
            if len(pool) != 3 or min(pool[:2]) < 1 or 2 * pool[2] > pool[0]:
                raise ValueError(f"{name} must be window >= 1, stride >= 1 and padding <= window / 2, got {pool}")
        if any(size % 2 == 0 for size in self.filter_sizes):
            raise ValueError(f"filter_sizes must be odd, got {self.filter_sizes}")
        if any(2 * p > k for p, k in zip(self.pool_paddings, self.pool_sizes, strict=True)):
            raise ValueError(f"pool_paddings must be <= half of pool_sizes, got {self.pool_paddings}")


PRESETS = {
    "sdnn_mnist_port": SDNNParams(),
    # Structure and thresholds from the paper; winners, radii, steps and stopping as for the port where it is silent.
    "sdnn_mnist_paper": SDNNParams(
        n_steps=30,
        maps=(30, 100),
        kernels=(5, 5),
        paddings=(0, 0),
        thetas=(15.0, 10.0),
        pool_paddings=(0, 0),
        epochs=(2, 4),
        doubling=(500, 500),
        inhibit_inputs=(False, False),
        stop_at=(0.01, 0.01),
    ),
}
