"""Bands that pixsed knows: names, cameras, wavelengths and nominal depths.

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
        ``"ACS"``, ``"WFC3/UVIS"``, ``"WFC3/IR"``, ``"NIRCAM"``, ``"NIRISS"``, ``"MIRI"`` or
        ``"IRAC"``.
    pivot_um : float
        Pivot wavelength in micron, from the filter curve.
    depth : float
        Nominal 1-sigma depth of a pixel in nJy.
    curve : str
        Name of the filter curve in astro-sedpy; empty if the curve comes with pixsed.
    """

    name: str
    instrument: str
    pivot_um: float
    depth: float
    curve: str


def _acs(name, pivot, depth5):
    return Band(name, "ACS", pivot, depth5 / 5.0, f"acs_wfc_{name.lower()}")


def _uvis(name, pivot, depth5, *, own=False):
    curve = "" if own else f"wfc3_uvis_{name.lower()}"
    return Band(f"UVIS_{name}", "WFC3/UVIS", pivot, depth5 / 5.0, curve)


def _wfc3(name, pivot, depth5):
    return Band(name, "WFC3/IR", pivot, depth5 / 5.0, f"wfc3_ir_{name.lower()}")


def _nircam(name, pivot, depth5, *, own=False):
    return Band(name, "NIRCAM", pivot, depth5 / 5.0, "" if own else f"jwst_{name.lower()}")


def _niriss(name, pivot, depth5):
    curve = f"jwst_niriss_{name.lower()}"
    return Band(f"NIRISS_{name}", "NIRISS", pivot, depth5 / 5.0, curve)


def _miri(name, pivot, depth5):
    return Band(f"MIRI_{name}", "MIRI", pivot, depth5 / 5.0, f"jwst_{name.lower()}")


def _irac(name, pivot, depth5):
    return Band(f"IRAC_{name}", "IRAC", pivot, depth5 / 5.0, f"spitzer_irac_{name.lower()}")


# The depths are 5-sigma depths of a pixel of 0.03 arcsec in nJy. Training depths are drawn within
# a factor of 300 of these values, so that only their ratios matter, roughly.
# - Bands of Table 1 of Iglesias-Navarro et al. (2025): that table, from Hainline et al. (2024).
#   Other broad and medium bands of ACS and NIRCam: a neighbouring JADES band.
# - The other depths were published in apertures. A depth in an aperture of 0.3 (0.4) arcsec
#   diameter is fainter by 2.4 (2.7) mag in a pixel, for independent pixels.
# - WFC3/IR: CANDELS-Deep drizzled to 0.03 arcsec (Grogin et al. 2011); F098M the Early Release
#   Science (Windhorst et al. 2011); F110W, and ACS F475W, F555W and F625W, as CLASH (Postman et
#   al. 2012), 27.2 to 27.8 mag.
# - WFC3/UVIS: F275W and F336W as HDUV (Oesch et al. 2018), about 27.6 and 28 mag; UVCANDELS is
#   0.6 mag shallower. F390W as CLASH. The others as one or two orbits, 26.7 to 27.8 mag.
# - NIRISS: about 29 mag, between CANUCS (Willott et al. 2022) and NGDEEP (Bagley et al. 2024);
#   medium bands 0.4 mag less.
# - NIRCam F150W2 and F322W2: the JADES bands within them, for twice the width.
# - Narrow bands: 25.8 to 26.5 mag, as JELS (Duncan et al. 2025), in apertures of 0.6 arcsec.
# - MIRI: 0.15 and 0.2 uJy for a point source, as SMILES (Alberts et al. 2024), in a pixel.
# - IRAC: 26.5 mag for a point source, as S-CANDELS (Ashby et al. 2015). Its pixels are not
#   fitted, only total fluxes of catalogues. The errors of such fluxes exceed those of a pixel by
#   a factor of about 10 in NIRCam; the depths here are those of IRAC over the same factor.
#: All bands, in order of pivot wavelength.
BANDS = (
    _uvis("F275W", 0.2710, 3.0),
    _uvis("F336W", 0.3355, 2.0),
    _uvis("F390W", 0.3922, 4.0),
    _uvis("F438W", 0.4325, 6.0, own=True),
    _acs("F435W", 0.4327, 0.394),
    _acs("F475W", 0.4745, 2.8),
    _uvis("F475W", 0.4774, 3.0),
    _uvis("F555W", 0.5308, 3.0),
    _acs("F555W", 0.5360, 2.8),
    _uvis("F606W", 0.5887, 2.5),
    _acs("F606W", 0.5919, 0.611),
    _uvis("F625W", 0.6242, 5.0, own=True),
    _acs("F625W", 0.6311, 4.0),
    _nircam("F070W", 0.7047, 0.8),
    _uvis("F775W", 0.7648, 5.0, own=True),
    _acs("F775W", 0.7693, 0.376),
    _uvis("F814W", 0.8030, 4.0),
    _acs("F814W", 0.8060, 1.388),
    _niriss("F090W", 0.9007, 1.0),
    _nircam("F090W", 0.9024, 0.601),
    _acs("F850LP", 0.9036, 0.724),
    _wfc3("F098M", 0.9865, 4.0),
    _wfc3("F105W", 1.0551, 3.0),
    _wfc3("F110W", 1.1534, 2.3),
    _nircam("F115W", 1.1541, 0.496),
    _niriss("F115W", 1.1569, 1.0),
    _wfc3("F125W", 1.2486, 3.0),
    _wfc3("F140W", 1.3923, 3.0),
    _niriss("F140M", 1.4038, 1.5),
    _nircam("F140M", 1.4053, 0.7),
    _niriss("F150W", 1.4931, 1.0),
    _nircam("F150W", 1.5009, 0.489),
    _wfc3("F160W", 1.5369, 3.0),
    _niriss("F158M", 1.5847, 1.5),
    _nircam("F162M", 1.6272, 0.7),
    _nircam("F164N", 1.6445, 4.0, own=True),
    _nircam("F150W2", 1.6718, 0.4),
    _nircam("F182M", 1.8452, 1.361),
    _nircam("F187N", 1.8739, 4.0, own=True),
    _niriss("F200W", 1.9859, 1.0),
    _nircam("F200W", 1.9876, 0.509),
    _nircam("F210M", 2.0956, 0.987),
    _nircam("F212N", 2.1213, 4.0, own=True),
    _nircam("F250M", 2.5031, 0.6),
    _nircam("F277W", 2.7762, 0.367),
    _nircam("F300M", 2.9961, 0.6),
    _nircam("F323N", 3.2369, 4.0, own=True),
    _nircam("F322W2", 3.2468, 0.3),
    _nircam("F335M", 3.3623, 0.616),
    _irac("CH1", 3.5508, 10.0),
    _nircam("F356W", 3.5655, 0.416),
    _nircam("F360M", 3.6233, 0.6),
    _nircam("F405N", 4.0517, 4.0, own=True),
    _nircam("F410M", 4.0830, 0.547),
    _nircam("F430M", 4.2813, 1.327),
    _nircam("F444W", 4.4017, 0.472),
    _irac("CH2", 4.4960, 12.0),
    _nircam("F460M", 4.6296, 1.813),
    _nircam("F466N", 4.6544, 6.0, own=True),
    _nircam("F470N", 4.7078, 6.0, own=True),
    _nircam("F480M", 4.8165, 1.351),
    _miri("F560W", 5.6353, 5.0),
    _miri("F770W", 7.6393, 6.0),
)

BY_NAME = {band.name: band for band in BANDS}

#: The 29 bands of ACS, NIRCam (broad and medium) and WFC3/IR of the models `tau` and `dirichlet`.
BASIC_BANDS = (
    "F435W F606W F070W F775W F814W F090W F850LP F105W F115W F125W F140W F140M F150W F160W F162M "
    "F182M F200W F210M F250M F277W F300M F335M F356W F360M F410M F430M F444W F460M F480M"
).split()

#: The 19 bands of Table 1 of Iglesias-Navarro et al. (2025).
PAPER_BANDS = (
    "F435W F606W F775W F814W F850LP F090W F115W F150W F182M F200W F210M "
    "F277W F335M F356W F410M F430M F444W F460M F480M"
).split()

#: Reference bands of the mean S/N of a pixel.
SNR_BANDS = ("F277W", "F356W", "F444W")
