"""Parameters of the spiking network that learns its delays (DelaySNN).

Hammouamri, Khalfaoui-Hassani & Masquelier 2023, arXiv:2306.17670 ("paper"); defaults: the published network for spoken
digits given as 140 channels of spike counts in steps of 10 ms.
"""

from dataclasses import dataclass

from ...runtime.params import param

__all__ = ["DelaysParams"]


@dataclass
class DelaysParams:
    """Network, delays and how they learn."""

    MAY_BE_EMPTY = ("hidden",)

    delays: str = param(
        "learned",
        "none = all inputs at once; fixed = random ones stay",
        choices=("none", "fixed", "learned"),
        option=True,
    )
    hidden: tuple[int, ...] = param((256, 256), "neurons of each hidden layer", low=1, source="paper")
    max_delay: int = param(25, "steps of the delay window, odd: delays 0 .. max_delay - 1", low=1, source="paper")
    copies: int = param(1, "synapses with a delay of their own between two neurons", low=1, source="paper")
    version: str = param(
        "gauss", "shape of a synapse in time while it learns", choices=("gauss", "triangle", "bilinear"), source="paper"
    )
    sigma_min: float = param(0.27, "least width of the bump (gauss)", unit="steps", above=0, source="paper")
    width: str = param(
        "decreasing",
        "of the bumps: decreasing to 0.5 steps in a quarter of the passes, constant, or then hardened to the least",
        choices=("decreasing", "constant", "harden"),
        source="paper",
    )
    dt: float = param(10e-3, "duration of a step", unit="s", above=0, source="paper")
    tau: float = param(10.05e-3, "membrane time constant, >= dt", unit="s", above=0, source="paper")
    learn_tau: bool = param(False, "learn one time constant a layer", source="paper")
    theta: float = param(1.0, "threshold", above=0, source="paper")
    surrogate: str = param("atan", "its derivative stands for that of the spike", source="paper")
    slope: float = param(5.0, "slope of the surrogate", above=0, source="paper")
    detach_reset: bool = param(True, "the gradient does not pass through the reset", source="paper")
    dropout: float = param(
        0.4, "share of hidden neurons that rest, anew for each sample", low=0, below=1, source="paper"
    )

    epochs: int = param(150, "passes over the training samples", low=0, option=True, source="paper")
    refit_epochs: int | None = param(
        None, "passes with rounded delays after that; none = a third of epochs, 0 = no refit", low=0
    )
    batch_size: int = param(256, "samples a step", low=1, source="paper")
    rate: float = param(
        1e-3, "base learning rate; the one-cycle schedule reaches 5 times that", above=0, source="paper"
    )
    position_rate: float = param(
        0.1, "learning rate of the delays, falling as a cosine", unit="steps", low=0, source="paper"
    )
    weight_decay: float = param(1e-5, "pulls the weights to 0", low=0, source="paper")
    random_state: int = param(0, "seed of first weights, delays, order and dropout", low=0)

    def validate(self):
        """Raise ValueError for an even window, a membrane faster than a step or an unknown surrogate."""
        from ..layers.surrogates import check_surrogate

        check_surrogate((self.surrogate, self.slope))
        if self.max_delay % 2 == 0:
            raise ValueError(f"max_delay must be odd, got {self.max_delay}")
        if self.tau < self.dt or (self.learn_tau and self.tau == self.dt):
            raise ValueError(f"tau must be {'>' if self.learn_tau else '>='} dt = {self.dt} s, got {self.tau}")
