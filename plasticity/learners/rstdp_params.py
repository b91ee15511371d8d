"""Parameters of the network that learns to answer by reward (R-STDP): the layers of SDNN, then a deciding layer.

The defaults are the published digit network with three layers: Mozafari et al. 2019, doi 10.1016/j.patcog.2019.05.015
("paper"); the authors' program: Mozafari et al. 2019, doi 10.3389/fnins.2019.00625 ("port").
"""

from dataclasses import dataclass, fields

from ...runtime.params import param
from .sdnn_params import SDNNParams

__all__ = ["PRESETS", "RSTDPParams"]


@dataclass
class RSTDPParams(SDNNParams):
    """Front end and STDP layers as in SDNNParams, then the layer that answers and learns by reward."""

    filter_sizes: tuple[int, ...] = param((3, 7, 13), "window of each filter", unit="px", low=3, source="port")
    filter_scales: tuple[float, ...] = param(
        (3 / 9, 7 / 9, 13 / 9), "width of the centre, for each window", unit="px", above=0, source="port"
    )
    filter_padding: int = param(6, "zeros around the image", unit="px", low=0, source="port")
    maps: tuple[int, ...] = param((30, 250), "feature maps", low=1, source="port")
    kernels: tuple[int, ...] = param((5, 3), "height and width of the kernels", low=1, source="port")
    paddings: tuple[int, ...] = param((2, 1), "silent border before each convolution", low=0, source="port")
    thetas: tuple[float, ...] = param((15.0, 10.0), "thresholds", above=0, source="port")
    pool_sizes: tuple[int, ...] = param((2, 3), "pooling windows", low=1, source="port")
    pool_strides: tuple[int, ...] = param((2, 3), "pooling strides", low=1, source="port")
    pool_paddings: tuple[int, ...] = param((0, 0), "silent border before pooling", low=0, source="port")
    winners: tuple[int, ...] = param((5, 8), "neurons that learn from one image, at most", low=1, source="port")
    radii: tuple[int, ...] = param((3, 1), "a winner keeps others away up to this distance", low=0, source="port")
    doubling: tuple[int, ...] = param((500, 500), "images after which a_plus doubles; 0 = never", low=0, source="port")
    inhibit_inputs: tuple[bool, ...] = param((False, False), "learning sees one spike a position, over the input maps")
    feature_epochs: tuple[int, ...] = param(
        (2, 4), "passes of the layers before the deciding one", low=0, source="port"
    )

    epochs: int = param(40, "passes of the deciding layer; 680 published", low=0)  # type: ignore[assignment]
    per_class: int = param(20, "maps of the deciding layer for each class", low=1, source="port")
    kernel: int = param(5, "height and width of its kernels", low=1, source="port")
    padding: int = param(2, "silent border before it", low=0, source="port")
    theta: float | None = param(None, "its threshold; none = the largest final potential answers", above=0)
    reward: bool = param(True, "learn by reward; no = by STDP, then each map answers what it won most often")
    reward_before: float = param(0.004, "right answer: inputs before the output", source="port")
    reward_after: float = param(-0.003, "right answer: other inputs", source="port")
    punish_before: float = param(-0.004, "wrong answer: inputs before the output", source="port")
    punish_after: float = param(0.0005, "wrong answer: other inputs", source="port")
    reward_lower: float = param(0.2, "lower bound of its weights", source="port")
    reward_upper: float = param(0.8, "upper bound of its weights", source="port")
    reward_stabiliser: bool = param(False, "its changes shrink towards the bounds", source="port")
    least: float = param(0.0, "factor of rewards without misses, and of punishments without hits", low=0, source="port")
    span: float = param(1.0, "what the share of misses (of hits) adds to it", low=0, source="port")
    block: int = param(1000, "images after which the factors are set; 0 = one pass", low=0, source="port")
    anneal: tuple[float, ...] = param(
        (), "from these shares of the passes on, amplitudes shrink by anneal_factor each time", low=0, high=1
    )
    anneal_factor: float = param(0.3, "see anneal", above=0, high=1)
    shifts: int = param(
        0,
        "the deciding layer is also shown each image moved by so many pixels in 4 directions; 0 = none",
        unit="px",
        low=0,
    )
    shuffle: bool = param(False, "a new order of images in each pass of the deciding layer")
    drop: float = param(0.0, "share of the deciding maps that rest during a pass", low=0, high=0.95)
    revive: float = param(
        0.0,
        "when amplitudes shrink, maps that won at most this part of the mean begin anew beside a busy map of their "
        "class; 0 = never",
        low=0,
        high=1,
    )

    MAY_BE_EMPTY = (*(n for n in SDNNParams.MAY_BE_EMPTY if n != "epochs"), "feature_epochs", "anneal")

    def features_params(self, **changes) -> SDNNParams:
        """The parameters of the layers before the deciding one."""
        values = {f.name: getattr(self, f.name) for f in fields(SDNNParams)}
        return SDNNParams(**(values | {"epochs": self.feature_epochs} | changes))

    def validate(self):
        """Raise ValueError unless all layers have their values and the bounds make sense."""
        if len(self.feature_epochs) != len(self.maps):
            raise ValueError(
                f"feature_epochs must have {len(self.maps)} values, one a layer, got {self.feature_epochs}"
            )
        self.features_params().validate()
        if self.revive and not self.anneal:
            raise ValueError(f"revive = {self.revive} acts when amplitudes shrink: give anneal, too, as (0.6, 0.8)")
        if not self.reward_lower < self.reward_upper:
            raise ValueError(f"reward_upper must be > reward_lower = {self.reward_lower}, got {self.reward_upper}")


PRESETS = {
    "mozafari2019": RSTDPParams(epochs=680),
    # Two small image classes: oriented filters, the strongest one at each place, one layer that sees the whole image.
    "tutorial": RSTDPParams(
        filter="gabor",
        filter_sizes=(3,),
        filter_scales=(1.0,),
        filter_padding=0,
        filter_threshold=0.0,
        norm_radius=0,
        competition="before",
        time_pool=(3, 2, 0),
        **{name: () for name in SDNNParams.MAY_BE_EMPTY if name != "epochs"},
        feature_epochs=(),
        epochs=20,
        per_class=10,
        kernel=30,
        padding=0,
        theta=20.0,
        reward_before=0.05,
        reward_after=-0.015,
        punish_before=-0.05,
        punish_after=0.0005,
        reward_lower=0.0,
        reward_upper=1.0,
        reward_stabiliser=True,
        least=1.0,
        span=0.0,
        block=0,
        shuffle=True,
    ),
}
