"""The band of an image: its name by pixsed's convention, camera, pivot wavelength.

`F444W` for ACS/WFC, NIRCam and WFC3/IR; any other camera's name stands in
front: `NIRISS_F200W`, `UVIS_F814W`.
"""

import re

import numpy as np

from pixsed import bands
from pixsed.errors import PixsedError

_FILTER = re.compile(r"(?<![A-Z0-9])F\d{3,4}(?:LP|W2|W|M|N|X)(?![A-Z0-9])")
_NAME = re.compile(r"[A-Z0-9][A-Z0-9_-]*")
# Filters that are only used with a broad one in the other wheel: the narrower is the band.
_CROSSED = {
    "F162M": "F150W2",
    "F164N": "F150W2",
    "F323N": "F322W2",
    "F405N": "F444W",
    "F466N": "F444W",
    "F470N": "F444W",
}
# Words that may stand beside a filter: what they say of the camera, None where nothing.
_CAMERAS = {
    "NIRCAM": "",
    "NRCA": "",
    "NRCB": "",
    "NRC": "",
    "NIRISS": "NIRISS",
    "NIS": "NIRISS",
    "MIRI": "MIRI",
    "WFC": "",
    "HRC": "HRC",
    "SBC": "SBC",
    "UVIS": "UVIS",
    "UVIS1": "UVIS",
    "UVIS2": "UVIS",
    "IR": "",
    "WFPC2": "WFPC2",
    "NICMOS": "NICMOS",
    "NICMOS1": "NICMOS",
    "NICMOS2": "NICMOS",
    "NICMOS3": "NICMOS",
    "NIC1": "NICMOS",
    "NIC2": "NICMOS",
    "NIC3": "NICMOS",
    **dict.fromkeys(
        (
            "JWST",
            "HST",
            "ACS",
            "WFC3",
            "OPEN",
            "NONE",
            "N",
            "A",
            "NULL",
            "FILTER",
            "PC",
            "WF",
            "IMAGING",
            "IMAGE",
            "LONG",
            "SHORT",
            "CLEAR",
            "CLEARP",
            "CLEAR1L",
            "CLEAR1S",
            "CLEAR2L",
            "CLEAR2S",
        )
    ),
}
_WFC3_IR = frozenset(
    "F098M F105W F110W F125W F126N F127M F128N F130N F132N F139M F140W F153M F160W F164N "
    "F167N".split()
)
# Prefix of a band's name -> instrument, for the cameras that carry theirs.
_PREFIXES = {
    "UVIS": "WFC3/UVIS",
    "HRC": "ACS/HRC",
    "SBC": "ACS/SBC",
    "NIRISS": "NIRISS",
    "MIRI": "MIRI",
    "WFPC2": "WFPC2",
    "NICMOS": "NICMOS",
}


def check_band_name(name, source="BAND"):
    """Return `name` in upper case.

    Raises
    ------
    PixsedError
        If it cannot be a band's name: letters, digits, ``_`` and ``-``.
    """
    upper = str(name).strip().upper()
    if not _NAME.fullmatch(upper) or len(upper) > 40 or upper.endswith("_ERR"):
        raise PixsedError(
            f"{source}={name!r} must be letters, digits and _, got something else; try F444W"
        )
    return upper


def band_name(header, explicit=None, *, name="image"):
    """Return the band of an image.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        With FILTER and PUPIL (JWST), FILTER1 and FILTER2 (ACS) or BAND; INSTRUME and
        DETECTOR say the camera.
    explicit : str, optional
        The name given as ``BAND=``; it wins.
    name : str, optional
        The file, for the message.

    Raises
    ------
    PixsedError
        If nothing tells the band; the message says to write ``BAND=``.
    """
    if explicit:
        return check_band_name(explicit)
    found = band_name_or_none(header)
    if found is None:
        raise PixsedError(
            f"{name}: no FILTER, PUPIL, FILTER1, FILTER2 or BAND in its header tells the band"
            f"{_said(header)}; name it in front, as F444W={name}"
        )
    return found


def _said(header):
    """Return what the cards of the band do say, for a message."""
    said = [
        f"{key} {str(header[key]).strip()!r}"
        for key in ("FILTER", "PUPIL", "FILTER1", "FILTER2", "BAND")
        if key in header
    ]
    return f" ({', '.join(said)})" if said else ""


def band_name_or_none(header):
    """Return the band that a header tells, or None where it does not tell one alone."""
    for keys in (("FILTER", "PUPIL"), ("FILTER1", "FILTER2"), ("BAND",)):
        text = " ".join(str(header.get(key, "")).upper() for key in keys)
        if _FILTER.search(text.replace("_", " ")):
            return _band_of(text, header)
    # A filter of another telescope, or a camera's own name for it, is no F444W.
    band = str(header.get("BAND", "")).strip().upper()
    return band if band and _NAME.fullmatch(band) else None


def _band_of(text, header):
    """Return the band of cards' text that holds a filter; None if it is of more than one."""
    words = re.findall(r"[A-Z0-9]+", text)
    filters = {word for word in words if _FILTER.fullmatch(word)}
    if len(filters) > 1:
        # One in front of the other; but a sum or a ratio of images is neither.
        filters = {word for word in filters if filters == {word, _CROSSED.get(word)}}
        if "+" in text or "&" in text:
            return None
    others = [word for word in words if not _FILTER.fullmatch(word)]
    # What is not known may be a grism, a polariser or another camera.
    if len(filters) != 1 or not set(others) <= set(_CAMERAS):
        return None
    filter_ = filters.pop()
    told = {_CAMERAS[word] for word in others} - {None}
    if not told and "WFC3" in others:
        told = {"" if filter_ in _WFC3_IR else "UVIS"}
    elif not told and "ACS" in others:
        told = {""}
    if str(header.get("INSTRUME", "")).strip():
        told.add(_camera_prefix(header, filter_))
    if len(told) > 1:
        return None
    prefix = told.pop() if told else ""
    return f"{prefix}_{filter_}" if prefix else filter_


def _camera_prefix(header, filter_):
    """Return the camera's name where bands carry it, else an empty string."""
    instrument = str(header.get("INSTRUME", "")).strip().upper()
    detector = str(header.get("DETECTOR", "")).strip().upper()
    instrument, _, channel = instrument.replace(" ", "/").replace("-", "/").partition("/")
    detector = channel or detector
    if instrument in ("", "NIRCAM"):
        return ""
    if instrument == "ACS":
        return detector if detector in ("HRC", "SBC") else ""
    if instrument == "WFC3":
        is_ir = detector == "IR" or (detector != "UVIS" and filter_ in _WFC3_IR)
        return "" if is_ir else "UVIS"
    return re.sub(r"[^A-Z0-9]", "", instrument)


def filter_name(band):
    """Return the bare filter of a band: ``F814W`` of ``UVIS_F814W``."""
    prefix, _, rest = band.partition("_")
    return rest if prefix in _PREFIXES and rest else band


def instrument_name(band, header=None):
    """Return the instrument of a band, as ``ACS``, ``NIRCAM``, ``WFC3/IR``, or ``""``."""
    if band in bands.BY_NAME:
        return bands.BY_NAME[band].instrument
    prefix = band.partition("_")[0]
    if prefix in _PREFIXES:
        return _PREFIXES[prefix]
    instrument = str((header or {}).get("INSTRUME", "")).strip().upper()
    if instrument == "WFC3" and band in _WFC3_IR:
        return "WFC3/IR"
    return instrument


def pivot_um(band, header=None):
    """Return the pivot wavelength of a band in micron; NaN where nothing tells it.

    Known bands by `pixsed.bands`, others by the header's PHOTPLAM (Angstrom).
    """
    if band in bands.BY_NAME:
        return bands.BY_NAME[band].pivot_um
    value = (header or {}).get("PHOTPLAM")
    if isinstance(value, int | float) and np.isfinite(value) and value > 0:
        return float(value) / 1e4
    return float("nan")
