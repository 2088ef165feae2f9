"""Bands of the shipped models: names, cameras, wavelengths and nominal depths.

ACS/WFC, NIRCam and WFC3/IR bands are named after their filter alone. The names of other bands
start with the camera (`pixsed.io.bandnames`).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Band:
    """Name, camera, wavelength and depth of a band.

    Attributes
    ----------
    name : str
        Name in every pixsed file.
    instrument : str
        ``"ACS"``, ``"WFC3/IR"`` or ``"NIRCAM"``.
    pivot_um : float
        Pivot wavelength in micron, from astro-sedpy.
    depth : float
        Nominal 1-sigma depth of a pixel in nJy.
    curve : str
        Name of the filter curve in astro-sedpy.
    """

    name: str
    instrument: str
    pivot_um: float
    depth: float
    curve: str


def _acs(name, pivot, depth5):
    return Band(name, "ACS", pivot, depth5 / 5.0, f"acs_wfc_{name.lower()}")


def _wfc3(name, pivot, depth5):
    return Band(name, "WFC3/IR", pivot, depth5 / 5.0, f"wfc3_ir_{name.lower()}")


def _nircam(name, pivot, depth5):
    return Band(name, "NIRCAM", pivot, depth5 / 5.0, f"jwst_{name.lower()}")


# The depths are 5-sigma depths of a pixel of 0.03 arcsec in nJy, from Hainline et al. (2024), as in
# Table 1 of Iglesias-Navarro et al. (2025). Bands not in that table use the depth of a
# neighbouring JADES band, or of CANDELS-Deep drizzled to 0.03 arcsec (WFC3/IR). Training depths
# are drawn within a factor of 300 of these values.
#: The 29 bands of the shipped models, in order of pivot wavelength.
BANDS = (
    _acs("F435W", 0.4327, 0.394),
    _acs("F606W", 0.5919, 0.611),
    _nircam("F070W", 0.7047, 0.8),
    _acs("F775W", 0.7693, 0.376),
    _acs("F814W", 0.8060, 1.388),
    _nircam("F090W", 0.9024, 0.601),
    _acs("F850LP", 0.9036, 0.724),
    _wfc3("F105W", 1.0551, 3.0),
    _nircam("F115W", 1.1541, 0.496),
    _wfc3("F125W", 1.2486, 3.0),
    _wfc3("F140W", 1.3923, 3.0),
    _nircam("F140M", 1.4053, 0.7),
    _nircam("F150W", 1.5009, 0.489),
    _wfc3("F160W", 1.5369, 3.0),
    _nircam("F162M", 1.6272, 0.7),
    _nircam("F182M", 1.8452, 1.361),
    _nircam("F200W", 1.9876, 0.509),
    _nircam("F210M", 2.0956, 0.987),
    _nircam("F250M", 2.5031, 0.6),
    _nircam("F277W", 2.7762, 0.367),
    _nircam("F300M", 2.9961, 0.6),
    _nircam("F335M", 3.3623, 0.616),
    _nircam("F356W", 3.5655, 0.416),
    _nircam("F360M", 3.6233, 0.6),
    _nircam("F410M", 4.0830, 0.547),
    _nircam("F430M", 4.2813, 1.327),
    _nircam("F444W", 4.4017, 0.472),
    _nircam("F460M", 4.6296, 1.813),
    _nircam("F480M", 4.8165, 1.351),
)

BY_NAME = {band.name: band for band in BANDS}

#: The 19 bands of Table 1 of Iglesias-Navarro et al. (2025).
PAPER_BANDS = (
    "F435W F606W F775W F814W F850LP F090W F115W F150W F182M F200W F210M "
    "F277W F335M F356W F410M F430M F444W F460M F480M"
).split()

#: Reference bands of the mean S/N of a pixel.
SNR_BANDS = ("F277W", "F356W", "F444W")
