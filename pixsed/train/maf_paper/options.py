"""Options of the training of the paper's network."""

from dataclasses import dataclass, field

from pixsed.train.options import ResumableOptions, fixed

#: The paper's network, as arguments of `sbi.neural_nets.posterior_nn`
#: (Iglesias-Navarro et al. 2025, section 3.3).
SIZES = {"hidden_features": 500, "num_transforms": 15, "num_blocks": 2}


@dataclass(frozen=True)
class PaperOptions(ResumableOptions):
    """Options of `~pixsed.train.maf_paper.train`.

    A field marked as fixed determines the trained network: a checkpoint is resumed only with
    the same value. The default batch size is sbi's; the other defaults are the paper's.

    Attributes
    ----------
    epochs : int or None
        Largest number of epochs; None = no limit.
    batch : int
        Simulations per step.
    rate : float
        Learning rate.
    patience : int
        Number of epochs without a smaller held-out loss after which the training ends.
    seed : int
        Seed of the random numbers.
    sizes : dict
        Arguments of `sbi.neural_nets.posterior_nn` that replace those of `SIZES`.
    device : str
        "cpu" or "cuda".
    """

    epochs: int | None = None
    batch: int = fixed(200)
    rate: float = fixed(5e-4)
    patience: int = 20
    seed: int = fixed(42)
    sizes: dict = field(default_factory=dict, metadata={"fixed": True})
    device: str = "cpu"

    def key(self):
        """Return the fixed fields, with all arguments of `sbi.neural_nets.posterior_nn`."""
        return super().key() | {"sizes": SIZES | self.sizes}
