"""Metadata of a model, from its checkpoint."""

from pixsed import __version__, cosmology
from pixsed.fit.metadata import FORMAT
from pixsed.simulate.priors import PRIORS
from pixsed.sps.sfh import LOG_SSFR_FLOOR
from pixsed.train.batches import space_of


def metadata(checkpoint, name):
    """Return the metadata of a model as a JSON-serialisable dict.

    Parameters
    ----------
    checkpoint : dict
    name : str
        Name of the model.
    """
    prior, space = PRIORS[checkpoint["prior"]], space_of(checkpoint["prior"])
    columns = prior.columns()
    described = {
        "format": FORMAT,
        "name": name,
        "pixsed_version": __version__,
        "bands": list(checkpoint["bands"]),
        "parameters": [
            {"name": key, "unit": columns[key][0], "description": columns[key][1]}
            for key in space.OUTPUTS
        ],
        "base_dim": 1 + len(space.ORDER),
        "prior": {
            "sfh": prior.NAME,
            "redshift": list(prior.Z_RANGE),
            "coordinates": [_describe_coordinate(c) for c in prior.COORDINATES],
            "log_ssfr_floor": LOG_SSFR_FLOOR,
        },
        "redshift_range": list(prior.Z_RANGE),
        "infer_redshift": checkpoint["sizes"].get("infer_redshift", False),
        "redshift_err_max": checkpoint["training"]["photo_z_max"],
        "sps": checkpoint["sps"],
        "cosmology": cosmology.NAME,
        "noise": checkpoint["noise"],
        "training": checkpoint["training"],
        "calibration": {},
    }
    if filters := checkpoint.get("filters"):
        described["filters"] = list(filters)
    return described


def _describe_coordinate(coordinate):
    """Return the metadata of a coordinate of a prior."""
    described = {"name": coordinate.name, "distribution": type(coordinate).__name__}
    if hasattr(coordinate, "low"):
        described |= {
            "low": coordinate.low,
            "high": coordinate.high,
            "log10": coordinate.log,
            "over_age_at_z": coordinate.name == "TSTART",
        }
    return described
