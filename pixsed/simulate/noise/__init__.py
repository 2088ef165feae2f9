"""Noise of simulated pixels: what error a pixel has, given its flux.

A noise model has a ``name``, ``draw(flux, bands, rng)``, the errors of fluxes (N, B) in
nJy, and ``parts``, the same in two parts; ``noise_corr(bands)``, how far the noise of a sum
exceeds that of independent pixels; and ``describe()``, a dict fit for JSON that
`from_description` turns back into it.
"""

from pathlib import Path

from pixsed.errors import PixsedError
from pixsed.io.formats.noise_table import read_noise
from pixsed.simulate.noise.binned import BinnedNoise
from pixsed.simulate.noise.depth import DepthTable, depths
from pixsed.simulate.noise.wide import DEPTH, WIDE, NoiseModel, widen

__all__ = [
    "BinnedNoise",
    "DEPTH",
    "DepthTable",
    "NOISE_MODELS",
    "NoiseModel",
    "WIDE",
    "choose_noise",
    "depths",
    "from_description",
    "nominal",
    "widen",
]

NOISE_MODELS = {model.name: model for model in (DEPTH, WIDE)}


def choose_noise(text, bands, *, wide=False, floor=0.0):
    """Return the noise model that a name or a file says.

    Parameters
    ----------
    text : str
        ``"wide"``, ``"depth"``, or a file of 'pixsed noise'.
    bands : sequence of str
        The bands that it must know.
    wide : bool, optional
        Widen what the file holds.
    floor : float, optional
        Error of bright pixels over their flux, of a file.

    Raises
    ------
    PixsedError
        If it is neither, or lacks a band.
    """
    if text in NOISE_MODELS:
        if wide or floor:
            raise PixsedError(
                f"--widen and --noise-floor are of a measured noise table, not of {text!r}; "
                "try --noise wide"
            )
        model = NOISE_MODELS[text]
        depths(bands)  # a band without a depth is told now
        return model
    if not Path(text).is_file():
        raise PixsedError(
            f"--noise {text}: no such file, and not one of {', '.join(NOISE_MODELS)}; "
            "measure the noise of your cubes with 'pixsed noise CUBE... -o noise.fits'"
        )
    table = read_noise(text)
    table.name = Path(text).name
    model = BinnedNoise(table, floor=floor)
    model.check_bands(bands)
    return widen(model) if wide else model


def from_description(said):
    """Return the noise model that ``describe()`` described."""
    said = dict(said)
    form = said.pop("form", None)
    if form == "binned":
        return BinnedNoise.from_description(said)
    if form == "depths":
        return DepthTable(**said)
    if "base" in said:
        said["base"] = from_description(said["base"])
    return NoiseModel(**said)


def nominal(noise):
    """Return the noise of most pixels: of a widened model, what it widens, as observed."""
    base = getattr(noise, "base", noise)
    return DEPTH if isinstance(base, DepthTable) else base
