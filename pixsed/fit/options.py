"""Options of a fit: options that change the results, and options that organise the work."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from pixsed.checks import (
    MAX_SAMPLES,
    MAX_SEED,
    check_choice,
    check_number,
    check_numbers,
    plain_number,
)
from pixsed.errors import PixsedError
from pixsed.fit.runtime import PROVIDERS
from pixsed.fit.zero_points import ZeroPoint, check_zero_points
from pixsed.properties import check_quantiles

#: Ways of fitting: draws of the flow, or the marginal quantiles of a second network in one pass.
ENGINES = ("flow", "quantile")
#: Minimum mean S/N of a pixel that is fitted, unless the options say otherwise.
DEFAULT_SNR_MIN = 5.0
_RANGES: dict[str, dict[str, Any]] = {
    "samples": {"least": 2, "most": MAX_SAMPLES, "whole": True},
    "snr_min": {"finite": False},
    "error_floor": {"least": 0, "most": 1},
    "seed": {"least": 0, "most": MAX_SEED, "whole": True},
}


def _option(default: Any, changes_data: tuple[str, ...] = ENGINES) -> Any:
    """Return a field of `FitOptions`.

    Parameters
    ----------
    default : object
    changes_data : tuple of str, optional
        Engines whose results depend on the value.
    """
    return field(default=default, metadata={"changes_data": changes_data})


@dataclass(frozen=True)
class FitOptions:
    """Options of the fit of each pixel of an image, or row of a table.

    The metadata of each field list the engines whose results depend on it; `key` uses them.

    Parameters
    ----------
    samples : int or None, optional
        Number of posterior draws per pixel; the quantile engine draws none. None stands for 128
        quasi-random draws in a fit, and 500 independent draws in a sum of masses.
    quantiles : sequence of float, optional
        Quantiles of the posterior to return. The median is always among them, and first.
    engine : {"flow", "quantile"}, optional
        Draw from the flow, or take the marginal quantiles of a second network, which is much
        faster.
    provider : {"cpu", "cuda"}, optional
        Where onnxruntime runs the network. A `~pixsed.fit.model.Model` that is passed to a
        function runs where it was loaded.
    snr_min : float or None, optional
        Minimum mean S/N over the reference bands (`pixsed.snr.mean_snr`). None stands for 5
        for pixels, and for no cut for the rows of a table.
    error_floor : float, optional
        Fraction of the flux added to the errors in quadrature.
    zero_points : path-like, or sequence of (band, offset) or (band, offset, floor), optional
        Corrections of the data by band: the offset in mag is added to the observed magnitudes,
        and the floor, a fraction of the flux, to the errors in quadrature. A path is a table with
        columns BAND, OFFSET or FACTOR, and FLOOR (`pixsed.fit.zero_points.read_zero_points`).
        Bands without an entry are unchanged.
    seed : int, optional
        Seed of the draws.
    all_pixels : bool, optional
        Fit pixels outside the segments of the segmentation map too.
    redshift : float or None, optional
        Replaces the redshift in the file; its error is then 0 unless `redshift_err` is given.
    redshift_err : float or None, optional
        Replaces the 1-sigma redshift error in the file; 0 means that the redshift is exact.
    model_fluxes : bool, optional
        Add the predicted fluxes ``<BAND>_MODEL`` [nJy], from which CHI2 is computed. The quantile
        engine predicts none.

    Raises
    ------
    PixsedError
        If the engine is unknown, a quantile, samples, error_floor or seed is out of range, zero
        points cannot be read, or model_fluxes are asked of the quantile engine.

    Examples
    --------
    >>> from pixsed.fit.options import FitOptions
    >>> FitOptions(quantiles=(0.16, 0.84)).quantiles
    (0.5, 0.16, 0.84)
    """

    samples: int | None = _option(None, changes_data=("flow",))
    quantiles: tuple[float, ...] = _option((0.16, 0.5, 0.84))
    engine: str = _option("flow")
    provider: str = _option("cpu")
    snr_min: float | None = _option(None)
    error_floor: float = _option(0.0)
    zero_points: Any = _option(())
    seed: int = _option(42, changes_data=("flow",))
    all_pixels: bool = _option(False)
    redshift: float | None = _option(None)
    redshift_err: float | None = _option(None)
    model_fluxes: bool = _option(False, changes_data=("flow",))

    def __post_init__(self) -> None:
        check_choice("engine", self.engine, ENGINES)
        check_choice("provider", self.provider, PROVIDERS)
        object.__setattr__(self, "quantiles", check_quantiles(self.quantiles))
        for name in ("all_pixels", "model_fluxes"):
            object.__setattr__(self, name, bool(getattr(self, name)))
        if self.model_fluxes and self.engine == "quantile":
            raise PixsedError(
                "model_fluxes goes with engine 'flow', got 'quantile', which predicts no fluxes"
            )
        found: tuple[ZeroPoint, ...] = check_zero_points(self.zero_points)
        object.__setattr__(self, "zero_points", found)
        check_numbers(self, _RANGES)  # JSON and headers take no numpy scalars
        for name in ("redshift", "redshift_err"):  # their range is in `pixsed.redshifts`
            object.__setattr__(self, name, plain_number(name, getattr(self, name)))

    def with_defaults(self, **defaults: Any) -> FitOptions:
        """Return a copy with these values in place of fields that are None."""
        return replace(self, **{k: v for k, v in defaults.items() if getattr(self, k) is None})

    @property
    def key(self) -> dict[str, Any]:
        """Options that change the results, as ``{"--seed": 42}``; used to check ``--resume``."""
        return {
            f"--{option.name.replace('_', '-')}": getattr(self, option.name)
            for option in fields(self)
            if self.engine in option.metadata["changes_data"]
        }


@dataclass(frozen=True)
class ExecutionOptions:
    """Options that divide the work of a fit, and the policy for existing files.

    The values of the maps do not depend on them.

    Parameters
    ----------
    jobs : int, optional
        Number of threads; for many cubes, the number of processes times threads.
    scheduler : str, optional
        Address of a Dask scheduler whose workers do the fits instead.
    tile : tuple of int, optional
        (ny, nx) of the tiles; strips of whole rows by default. A binned image is one tile.
    part : tuple of int, optional
        (I, N): the I-th of N stripes of rows of one image, or every N-th of many cubes.
    overwrite : bool, optional
        Replace output files that exist.
    resume : bool, optional
        Continue the output of an interrupted fit; skip outputs that are finished.
    command : str, optional
        Command line for the provenance; by default that of this process.
    """

    jobs: int = 1
    scheduler: str | None = None
    tile: tuple[int, int] | None = None
    part: tuple[int, int] | None = None
    overwrite: bool = False
    resume: bool = False
    command: str | None = None

    def __post_init__(self) -> None:
        check_number("jobs", self.jobs, 1, whole=True)
