"""Metadata of a model: JSON in its .onnx file, checked on reading."""

import json
from collections.abc import Callable
from typing import Any

from pixsed.checks import is_finite, is_whole
from pixsed.errors import PixsedError

#: Key of the custom metadata that holds the JSON, and the format of the JSON.
METADATA_KEY, FORMAT = "pixsed", 2
_ADVICE = "give a file made by pixsed export"


def _positive(value):
    return is_finite(value) and value > 0


def _not_negative(value):
    return is_finite(value) and value >= 0


def _count(value):
    return is_whole(value) and 1 <= value <= 10_000


def _text(value):
    return isinstance(value, str)


def _name(value):
    return isinstance(value, str) and value.strip() != "" and value.isprintable()


def _flag(value):
    return isinstance(value, bool)


def _list_of(good, least=1):
    return lambda value: isinstance(value, list) and len(value) >= least and all(map(good, value))


def _different(values):
    return _list_of(_name)(values) and len(set(values)) == len(values)


def _range(value):
    return _list_of(is_finite)(value) and len(value) == 2 and 0 <= value[0] < value[1]


def _objects(**fields):
    """Return a test of a list of dicts with these fields; those ending in _ may be missing."""

    def good(item):
        return isinstance(item, dict) and all(
            test(item[key.rstrip("_")]) if key.rstrip("_") in item else key.endswith("_")
            for key, test in fields.items()
        )

    return _list_of(good, 0)


def _parameters(value):
    described = _objects(name=_name, unit_=_text, description_=_text)(value)
    return described and _different([item["name"] for item in value])


def _levels(value):
    return _list_of(lambda level: is_finite(level) and 0 < level < 1)(value) and all(
        a < b for a, b in zip(value, value[1:], strict=False)
    )


def _error(value):
    return _not_negative(value) or _list_of(_not_negative)(value)


_COORDINATES = _objects(
    name=_name, low_=is_finite, high_=is_finite, log10_=_flag, over_age_at_z_=_flag
)
# Path of a value -> what it must be, a test, and whether it may be missing.
_RULES: dict[str, tuple[str, Callable[[Any], bool], bool]] = {
    "bands": ("a list of different names", _different, False),
    "parameters": ("a list of different names, with units", _parameters, False),
    "base_dim": ("a number of dimensions", _count, False),
    "name": ("a name", _name, True),
    "redshift_range": ("two redshifts", _range, True),
    "redshift_err_max": ("a number of 0 or more", _not_negative, True),
    "infer_redshift": ("true or false", _flag, True),
    "filters": ("a list of filters", _objects(name=_name, pivot_um=_positive), True),
    "flux_model": ("an object", lambda value: isinstance(value, dict), True),
    "flux_model.error": ("relative errors", _error, True),
    "flux_model.draws": ("a number of draws", _count, True),
    "quantiles": ("an object", lambda value: isinstance(value, dict), True),
    "quantiles.levels": ("ascending levels between 0 and 1", _levels, True),
    "quantiles.properties": ("a list of different names", _different, True),
    "prior": ("an object", lambda value: isinstance(value, dict), True),
    "prior.sfh": ("a text", _text, True),
    "prior.redshift": ("two redshifts", _range, True),
    "prior.log_ssfr_floor": ("a number", is_finite, True),
    "prior.coordinates": ("a list of coordinates", _COORDINATES, True),
    "sps": ("an object", lambda value: isinstance(value, dict), True),
    "calibration": ("an object", lambda value: isinstance(value, dict), True),
    "calibration.common": ("an object", lambda value: isinstance(value, dict), True),
    "calibration.common.snr": ("ascending S/N", _list_of(_positive), True),
    "calibration.common.LOGMSTAR": ("fractions", _list_of(is_finite), True),
    "calibration.common.LOGSFR": ("fractions", _list_of(is_finite), True),
}


def read_metadata(text: str | None, path) -> dict[str, Any]:
    """Return the metadata of a model.

    Parameters
    ----------
    text : str or None
        JSON; None if the file has none.
    path : path-like
        The model, for messages.

    Raises
    ------
    PixsedError
        If they are missing, of another format, or a value has another type than pixsed needs.
    """
    if text is None:
        raise PixsedError(f"{path} has no metadata {METADATA_KEY!r}; {_ADVICE}")
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PixsedError(f"{path}: its metadata cannot be read; {_ADVICE}") from error
    if not isinstance(metadata, dict):
        raise PixsedError(f"{path}: its metadata cannot be read; {_ADVICE}")
    missing = [key for key in ("bands", "parameters", "base_dim") if key not in metadata]
    if missing:
        raise PixsedError(f"{path}: its metadata lacks {', '.join(missing)}; {_ADVICE}")
    if metadata.get("format") != FORMAT:
        raise PixsedError(
            f"{path}: the model format must be {FORMAT}, got {metadata.get('format')}; "
            "update pixsed, or export the model again"
        )
    for key, (wanted, good, optional) in _RULES.items():
        value, found = value_at(metadata, key)
        if not (good(value) if found else optional):
            raise _wrong(path, key, wanted)
    _check_together(metadata, path)
    return metadata


def value_at(metadata, key):
    """Return the value at a path such as ``prior.sfh``, and whether there is one."""
    value = metadata
    for step in key.split("."):
        if not isinstance(value, dict) or step not in value:
            return None, False
        value = value[step]
    return value, True


def _check_together(metadata, path):
    """Check that lists have the same length, and that the parameters are complete."""
    if "LOGMSTAR" not in [item["name"] for item in metadata["parameters"]]:
        raise PixsedError(f"{path}: its parameters lack LOGMSTAR; {_ADVICE}")
    error, _ = value_at(metadata, "flux_model.error")
    if isinstance(error, list) and len(error) not in (1, len(metadata["bands"])):
        raise _wrong(path, "flux_model.error", "one number for each band")
    common, found = value_at(metadata, "calibration.common")
    if found and len({len(common.get(key, ())) for key in ("snr", "LOGMSTAR", "LOGSFR")}) > 1:
        raise _wrong(path, "calibration.common", "fractions for each S/N")
    low_high = [c for c in value_at(metadata, "prior.coordinates")[0] or () if "low" in c]
    if any("high" not in c or not c["low"] < c["high"] for c in low_high):
        raise _wrong(path, "prior.coordinates", "coordinates with a high above their low")


def _wrong(path, key, wanted):
    return PixsedError(
        f"{path}: {key} of its metadata must be {wanted}; {_ADVICE}, or export the model again"
    )
