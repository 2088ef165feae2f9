"""Noise models: the error of a simulated pixel, given its flux.

A noise model has a ``name`` and four methods. ``draw(flux, bands, rng)`` returns the errors of
fluxes (N, B) in nJy, and ``parts`` returns their two parts. ``noise_corr(bands)`` returns the
factor by which the noise of a sum exceeds the noise expected for independent pixels.
``describe()`` returns a dict for JSON, from which `from_description` restores the model.
"""

from dataclasses import replace
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


def choose_noise(text, bands, *, wide=False, floor=0.0, own=None):
    """Return a noise model, given its name or a file.

    Parameters
    ----------
    text : str
        ``"wide"``, ``"depth"``, or a file made by 'pixsed noise'.
    bands : sequence of str
        Bands that the model must include.
    wide : bool, optional
        Widen the noise of a file, as `widen` does.
    floor : float, optional
        Error of bright pixels divided by their flux, for the noise of a file.
    own : dict, optional
        Nominal depths [nJy] of bands that are not in `pixsed.bands`, for the noise of a name.

    Raises
    ------
    PixsedError
        If `text` is neither a name nor a file, or the noise lacks a band.
    """
    if text in NOISE_MODELS:
        if wide or floor:
            raise PixsedError(
                f"--widen and --noise-floor are for a measured noise table, not for {text!r}; "
                "try --noise wide"
            )
        model = NOISE_MODELS[text]
        depths(bands, own or {})  # raise an error now if a band has no depth
        return replace(model, base=DepthTable(own=own)) if own else model
    if not Path(text).exists():  # the reader refuses folders, pipes and devices
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
    """Return a noise model, given the dict that its ``describe()`` returned."""
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
    """Return the noise of typical pixels: the base of a widened model, or the model itself."""
    base = getattr(noise, "base", noise)
    if not isinstance(base, DepthTable):
        return base
    return replace(DEPTH, base=base) if base.own else DEPTH
