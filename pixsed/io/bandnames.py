"""Band of an image: its name in pixsed's convention, its camera and its pivot wavelength.

Bands of ACS/WFC, NIRCam and WFC3/IR are named after their filter, such as `F444W`. For other
cameras the name has a prefix: `NIRISS_F200W`, `UVIS_F814W`, `MIRI_F770W`. The channels of IRAC are
`IRAC_CH1` to `IRAC_CH4`, as in catalogues. WFC3/IR F164N is `IR_F164N`, because NIRCam has a
filter of that name.
"""

import re

import numpy as np

from pixsed import bands
from pixsed.errors import PixsedError

_FILTER = re.compile(r"(?<![A-Z0-9])F\d{3,4}(?:LP|W2|W|M|N|X)(?![A-Z0-9])")
_IRAC = re.compile(r"IRAC(?:CH|I)?([1-4])")
_NAME = re.compile(r"[A-Z0-9][A-Z0-9_-]*")
# Filters used only behind a broader one in the other wheel; the band is the narrower one.
_CROSSED = {
    "F162M": "F150W2",
    "F164N": "F150W2",
    "F323N": "F322W2",
    "F405N": "F444W",
    "F466N": "F444W",
    "F470N": "F444W",
}
# Words that may appear beside a filter -> prefix of the camera; None if they imply no camera.
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
            "IR",
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
# WFC3/IR filters whose names NIRCam has as well.
_OF_BOTH = frozenset({"F164N"})
# Prefix of a band's name -> instrument.
_PREFIXES = {
    "UVIS": "WFC3/UVIS",
    "IR": "WFC3/IR",
    "HRC": "ACS/HRC",
    "SBC": "ACS/SBC",
    "NIRISS": "NIRISS",
    "MIRI": "MIRI",
    "WFPC2": "WFPC2",
    "NICMOS": "NICMOS",
    "IRAC": "IRAC",
}


def check_band_name(name, source="BAND"):
    """Return the name of a band in upper case.

    Raises
    ------
    PixsedError
        If it is not made of letters, digits, ``_`` and ``-``, is longer than 40 characters, or ends
        in ``_ERR``.
    """
    upper = str(name).strip().upper()
    if not _NAME.fullmatch(upper) or len(upper) > 40 or upper.endswith("_ERR"):
        raise PixsedError(f"{source}={name!r} must have only letters, digits, _ and -; try F444W")
    return upper


def band_name(header, explicit=None, *, name="image"):
    """Return the band of an image.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        Header with FILTER and PUPIL (JWST), FILTER1 and FILTER2 (ACS), CHNLNUM (IRAC) or BAND.
        INSTRUME and DETECTOR give the camera.
    explicit : str, optional
        Name given as ``BAND=``; it overrides the header.
    name : str, optional
        File name, for the message.

    Raises
    ------
    PixsedError
        If the header does not identify the band; the message suggests ``BAND=``.
    """
    if explicit:
        return check_band_name(explicit)
    found = band_name_or_none(header)
    if found is None:
        raise PixsedError(
            f"{name}: no FILTER, PUPIL, FILTER1, FILTER2 or BAND in its header gives the band"
            f"{_said(header)}; put it before the name, as F444W={name}"
        )
    return found


def _said(header):
    """Return the header cards that may name the band, for a message."""
    said = [
        f"{key} {str(header[key]).strip()!r}"
        for key in ("FILTER", "PUPIL", "FILTER1", "FILTER2", "BAND")
        if key in header
    ]
    return f" ({', '.join(said)})" if said else ""


def band_name_or_none(header):
    """Return the band named in a header, or None if there is no or more than one band."""
    for keys in (("FILTER", "PUPIL"), ("FILTER1", "FILTER2"), ("BAND",)):
        text = " ".join(str(header.get(key, "")).upper() for key in keys)
        if _FILTER.search(text.replace("_", " ")):
            return _band_of(text, header)
    if (channel := _irac_channel(header)) is not None:
        return channel
    # Filters of other telescopes do not look like F444W.
    band = str(header.get("BAND", "")).strip().upper()
    return band if band and _NAME.fullmatch(band) else None


def _irac_channel(header):
    """Return the band of an IRAC image, or None."""
    instrument = str(header.get("INSTRUME", "")).strip().upper()
    if instrument not in ("", "IRAC"):
        return None
    texts = [str(header.get(key, "")).upper() for key in ("FILTER", "BAND")]
    if instrument:
        texts = [f"IRAC{text}" for text in (*texts, header.get("CHNLNUM", ""))]
    for text in texts:
        # Spitzer/IRAC.I1 of filter services, IRAC_CH1, IRAC1.
        words = re.sub(r"[^A-Z0-9]|SPITZER", "", text).replace("IRACIRAC", "IRAC")
        if found := _IRAC.fullmatch(words):
            return f"IRAC_CH{found[1]}"
    return None


def _band_of(text, header):
    """Return the band named in a text, or None if the text names more than one."""
    words = re.findall(r"[A-Z0-9]+", text)
    filters = {word for word in words if _FILTER.fullmatch(word)}
    if len(filters) > 1:
        # Two filters in series, unless the text describes a sum of images.
        filters = {word for word in filters if filters == {word, _CROSSED.get(word)}}
        if "+" in text or "&" in text:
            return None
    others = [word for word in words if not _FILTER.fullmatch(word)]
    # An unknown word may be a grism, a polariser or another camera.
    if len(filters) != 1 or not set(others) <= set(_CAMERAS):
        return None
    filter_ = filters.pop()
    told = {_CAMERAS[word] for word in others} - {None}
    if "IR" in others:
        told.add(_wfc3_prefix(filter_, "IR"))
    elif not told and "WFC3" in others:
        told = {_wfc3_prefix(filter_, "")}
    elif not told and "ACS" in others:
        told = {""}
    if str(header.get("INSTRUME", "")).strip():
        told.add(_camera_prefix(header, filter_))
    if len(told) > 1:
        return None
    prefix = told.pop() if told else ""
    return f"{prefix}_{filter_}" if prefix else filter_


def _camera_prefix(header, filter_):
    """Return the prefix of the camera in names of bands, or an empty string."""
    instrument = str(header.get("INSTRUME", "")).strip().upper()
    detector = str(header.get("DETECTOR", "")).strip().upper()
    instrument, _, channel = instrument.replace(" ", "/").replace("-", "/").partition("/")
    detector = channel or detector
    if instrument in ("", "NIRCAM"):
        return ""
    if instrument == "ACS":
        return detector if detector in ("HRC", "SBC") else ""
    if instrument == "WFC3":
        return _wfc3_prefix(filter_, detector)
    return re.sub(r"[^A-Z0-9]", "", instrument)


def _wfc3_prefix(filter_, detector):
    """Return the prefix of a WFC3 band; the filter tells the detector if its name does not."""
    if detector == "UVIS" or (detector != "IR" and filter_ not in _WFC3_IR):
        return "UVIS"
    return "IR" if filter_ in _OF_BOTH else ""


def filter_name(band):
    """Return the filter of a band without its camera, such as ``F814W`` of ``UVIS_F814W``."""
    prefix, _, rest = band.partition("_")
    return rest if prefix in _PREFIXES and rest else band


def instrument_name(band, header=None):
    """Return the instrument of a band, such as ``ACS``, ``NIRCAM`` or ``WFC3/IR``, or ``""``."""
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
    """Return the pivot wavelength of a band in micron, or NaN if it is not known.

    Known bands are in `pixsed.bands`; for others the header's PHOTPLAM (Angstrom) is used.
    """
    if band in bands.BY_NAME:
        return bands.BY_NAME[band].pivot_um
    value = (header or {}).get("PHOTPLAM")
    if isinstance(value, int | float) and np.isfinite(value) and value > 0:
        # Angstrom to micron. Not by astropy, whose factor of 1.0000000000000002e-4 would turn
        # 15000 Angstrom into 1.5000000000000002 micron.
        return float(value) / 1e4
    return float("nan")
