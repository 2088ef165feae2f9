"""Options of the training of the default network."""

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path

from pixsed.errors import PixsedError

#: Fraction of the training in which the encoder learns alone.
ENCODER_FRACTION = 1 / 3


@dataclass(frozen=True)
class NetworkSizes:
    """Sizes of `~pixsed.train.network.flow.PixelFlow`.

    Attributes
    ----------
    width, blocks : int
        Width and number of blocks of the encoder's residual network.
    context : int
        Size of the encoder's context.
    hidden, bins : int
        Width of the conditioners, and number of bins of the splines.
    flow_width, flow_blocks : int
        Width and number of blocks of the flow's own residual network. The sharpest posteriors
        have the steepest gradients; they may dominate this network, but not the encoder.
    direct : bool
        The conditioners take the encoder's description of a pixel too, not only the output of
        the flow's own network. Many coordinates make this large.
    """

    width: int = 320
    blocks: int = 4
    context: int = 128
    hidden: int = 64
    bins: int = 10
    flow_width: int = 256
    flow_blocks: int = 4
    direct: bool = True


def fixed(default):
    """Return a dataclass field that must not change when a training is resumed."""
    return field(default=default, metadata={"fixed": True})


class ResumableOptions:
    """Base class for options with fields that must not change when a training is resumed."""

    def key(self):
        """Return the fields made by `fixed`, as a dict for a checkpoint."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.metadata.get("fixed")}
        return {k: asdict(v) if is_dataclass(v) else v for k, v in values.items()}

    def check_resumable(self, saved, path):
        """Check that the training of a checkpoint can be resumed with these options.

        Parameters
        ----------
        saved : dict
            Returned by `key` for the options of the checkpoint.
        path : path-like
            Path of the checkpoint, for messages.

        Raises
        ------
        PixsedError
            If a fixed field differs. More epochs are allowed.
        """
        for name, value in self.key().items():
            if saved[name] != value and not (name == "epochs" and value > saved[name]):
                raise PixsedError(
                    f"{path} was trained with {name} {saved[name]}, not {value}; "
                    "give the same value, or train again"
                )


@dataclass(frozen=True)
class TrainOptions(ResumableOptions):
    """Options of `~pixsed.train.train.train`.

    A field marked as fixed determines the trained network: a checkpoint is resumed only with
    the same value, or with more epochs. The other fields may change when a training is resumed:
    `mixed` and `device` change the network by rounding errors, and `patience` changes the epoch
    at which a stage ends.

    Attributes
    ----------
    epochs : int
        Passes over the simulations.
    batch : int
        Simulations per step.
    rate : float
        Largest learning rate.
    seed : int
        Seed of the random numbers.
    sizes : `NetworkSizes` or None
        None: those of the checkpoint that is continued or started from, or else the default of
        the prior's space.
    infer_redshift : bool
        Train a network that ignores the observed redshift and infers it.
    encoder_fraction : float
        Fraction of the training in which the encoder learns alone; 0 to continue with a flow
        that is trained already.
    patience : int or None
        End a stage after this number of epochs without a smaller held-out loss.
    minutes : float or None
        Train for this time instead of `epochs`; the learning rate then falls with time. The
        time includes the preparation before the first epoch, and a quarter of it is kept for the
        stages after the last, which end earlier if it is short. The result depends on the speed
        of the machine, and the training cannot be resumed.
    mixed : bool or None
        Evaluate the residual networks in bfloat16; None = on cuda only.
    device : str
        "cpu" or "cuda".
    """

    epochs: int = fixed(24)
    batch: int = fixed(1024)
    rate: float = fixed(1e-3)
    seed: int = fixed(42)
    sizes: NetworkSizes | None = fixed(None)
    infer_redshift: bool = fixed(False)
    encoder_fraction: float = fixed(ENCODER_FRACTION)
    patience: int | None = None
    minutes: float | None = None
    mixed: bool | None = None
    device: str = "cpu"

    @property
    def resolved_mixed(self):
        """Return `mixed`, with None replaced by the default of the device."""
        return self.device == "cuda" if self.mixed is None else self.mixed


def member_paths(output, members):
    """Return the checkpoint files of an ensemble: tau.ckpt, tau-2.ckpt and so on."""
    path = Path(output)
    others = [path.with_name(f"{path.stem}-{i}{path.suffix}") for i in range(2, members + 1)]
    return [output, *others]
