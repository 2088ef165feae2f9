"""Make the mock field of this folder: three model galaxies seen by HST and JWST.

    pixsed ssp --library fsps-public --spectra emulated.fits --refine 3 -o fsps.fits
    python data/make_mock_field.py --ssp fsps.fits --output data

needs ``pip install astro-sedpy bagpipes`` and the spectra of docs/explanation/ssp.rst. The same
grid, versions of the packages and seed give the same bytes.

Every pixel of a galaxy is a stellar population with a tau-delayed history, put
through pixsed's own forward model; the planes are convolved with analytic PSFs
and given a sky and independent noise of about the depth of JADES.
"""

import argparse
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from scipy.ndimage import binary_closing, label
from scipy.signal import fftconvolve

from pixsed.bands import BY_NAME
from pixsed.cosmology import age, kpc_per_arcsec
from pixsed.io.units import njy_per_unit

SHAPE = (150, 150)
PIXEL = 0.03  # arcsec
PSF_SIZE = 41
MOFFAT_BETA = 3.5
# FWHM in arcsec of the PSF in mosaics drizzled to 0.03 arcsec, rounded.
FWHM = {
    "F435W": 0.105,
    "F606W": 0.105,
    "F814W": 0.11,
    "F115W": 0.06,
    "F150W": 0.065,
    "F200W": 0.075,
    "F277W": 0.11,
    "F356W": 0.13,
    "F410M": 0.145,
    "F444W": 0.155,
}
# ACS/WFC calibration of about 2003: PHOTFLAM, PHOTPLAM, and the filter wheels.
ACS = {
    "F435W": (3.141e-19, 4329.9, "F435W", "CLEAR2L"),
    "F606W": (7.779e-20, 5921.9, "F606W", "CLEAR2L"),
    "F814W": (6.939e-20, 8045.5, "CLEAR1L", "F814W"),
}
# Variance by the source's own photons is this part of flux times depth.
PHOTON_NOISE = 0.05
CENTRE = (53.162, -27.789)
ANGLE = np.radians(34.0)


@dataclass
class Part:
    """A component of a galaxy: mass, shape (pixels, degrees), and gradients in r / r_e.

    A pair is the value at the centre and its change at one effective radius, exponentially
    saturating for A_V and linear, up to two radii, for the others.
    """

    log_mass: float
    x: float
    y: float
    r_e: float
    n: float
    q: float
    pa: float
    start: tuple  # t_i over the age of the Universe
    log_tau: tuple  # Gyr
    mh: tuple
    av: tuple


@dataclass
class Galaxy:
    """An id, a redshift and its parts."""

    id: int
    z: float
    parts: list


GALAXIES = [
    # A disc with an old bulge-like centre, and a young clump in its outskirts.
    Galaxy(
        1,
        0.9,
        [
            Part(
                10.35,
                48.0,
                98.0,
                11.0,
                1.3,
                0.62,
                25.0,
                (0.18, 0.22),
                (0.05, 0.35),
                (0.15, -0.25),
                (0.9, -0.5),
            ),
            Part(
                8.35,
                62.0,
                109.0,
                2.2,
                0.6,
                0.9,
                0.0,
                (0.90, 0.0),
                (-0.8, 0.0),
                (-0.3, 0.0),
                (0.3, 0.0),
            ),
        ],
    ),
    # Dusty in the middle, star-forming outside.
    Galaxy(
        2,
        2.1,
        [
            Part(
                10.35,
                106.0,
                48.0,
                7.0,
                1.0,
                0.75,
                120.0,
                (0.25, 0.20),
                (0.0, 0.3),
                (0.0, -0.3),
                (1.7, -1.0),
            ),
            Part(
                8.6,
                97.0,
                41.0,
                1.8,
                0.6,
                1.0,
                0.0,
                (0.88, 0.0),
                (-0.7, 0.0),
                (-0.5, 0.0),
                (0.4, 0.0),
            ),
        ],
    ),
    # Compact and young.
    Galaxy(
        3,
        4.0,
        [
            Part(
                9.75,
                112.0,
                113.0,
                4.2,
                1.0,
                0.7,
                70.0,
                (0.45, 0.15),
                (-0.3, 0.2),
                (-0.7, -0.2),
                (0.6, -0.35),
            ),
        ],
    ),
]


def moffat(fwhm):
    """Return a PSF, normalised to 1, averaged over pixels of 0.03 arcsec."""
    sub = 9
    half = PSF_SIZE // 2
    axis = (np.arange(PSF_SIZE * sub) + 0.5) / sub - 0.5 - half
    alpha = fwhm / PIXEL / 2 / np.sqrt(2 ** (1 / MOFFAT_BETA) - 1)
    r2 = axis[:, None] ** 2 + axis**2
    fine = (1 + r2 / alpha**2) ** -MOFFAT_BETA
    psf = fine.reshape(PSF_SIZE, sub, PSF_SIZE, sub).mean(axis=(1, 3))
    return psf / psf.sum()


def sersic(part):
    """Return the fraction of the mass in every pixel, and the radius in r_e, both of SHAPE."""
    sub = 5
    axis = [(np.arange(size * sub) + 0.5) / sub - 0.5 for size in SHAPE]
    dy, dx = axis[0][:, None] - part.y, axis[1] - part.x
    pa = np.radians(part.pa)
    along = dx * np.cos(pa) + dy * np.sin(pa)
    across = (dy * np.cos(pa) - dx * np.sin(pa)) / part.q
    r = np.hypot(along, across) / part.r_e
    b = 2 * part.n - 1 / 3 + 0.009876 / part.n
    density = np.where(r < 6, np.exp(-b * r ** (1 / part.n)), 0.0)

    def mean(fine):
        return fine.reshape(SHAPE[0], sub, SHAPE[1], sub).mean(axis=(1, 3))

    return mean(density) / mean(density).sum(), mean(r)


def populate(galaxy, part, model):
    """Return the planes of a part: fluxes (B, ny, nx) in nJy, and of formed mass,
    surviving mass, SFR, and age, [M/H] and A_V times surviving mass."""
    from pixsed.sps.sfh import TauDelayed

    fraction, r = sersic(part)
    inside = fraction > 1e-9
    mass = 10.0**part.log_mass * fraction[inside]
    x = np.minimum(r[inside], 2.0)
    universe = np.full(x.shape, age(galaxy.z))
    history = TauDelayed(
        10 ** (part.log_tau[0] + part.log_tau[1] * x),
        (part.start[0] + part.start[1] * x).clip(0, 0.97) * universe,
        universe,
    )
    weights = model.weights(history)
    mh = (part.mh[0] + part.mh[1] * x).clip(-2.3, 0.4)
    av = part.av[0] + part.av[1] * -np.expm1(-x) / -np.expm1(-1.0)
    av = av.clip(0, 4)
    fluxes = model.fluxes(np.full(x.shape, galaxy.z), weights, mh, av)
    surviving = mass * model.surviving(weights, mh)
    values = {
        "MFORM": mass,
        "MSTAR": surviving,
        "SFR": mass * 10 ** history.log_sfr(),
        "AGE": surviving * history.mass_weighted_age(),
        "METAL": surviving * mh,
        "AV": surviving * av,
    }
    planes = {name: np.zeros(SHAPE) for name in values}
    for name, value in values.items():
        planes[name][inside] = value
    images = np.zeros((len(model.bands), *SHAPE))
    images[:, inside] = (fluxes * mass[:, None]).T
    return images, planes


def wcs_header():
    """Return a TAN WCS turned by ANGLE, its reference pixel off the centre."""
    scale = PIXEL / 3600
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crval = list(CENTRE)
    wcs.wcs.crpix = [SHAPE[1] / 2 + 0.5, SHAPE[0] / 2 + 0.5]
    cos, sin = np.cos(ANGLE) * scale, np.sin(ANGLE) * scale
    wcs.wcs.cd = [[-cos, sin], [sin, cos]]
    header = wcs.to_header()
    # As mosaics have it: CD, not PC and CDELT.
    for key in ("PC1_1", "PC1_2", "PC2_1", "PC2_2", "CDELT1", "CDELT2"):
        header.remove(key, ignore_missing=True)
    for (i, j), value in np.ndenumerate(wcs.wcs.cd):
        header[f"CD{i + 1}_{j + 1}"] = value
    header["RADESYS"] = "ICRS"
    return header, wcs


def band_headers(band, wcs):
    """Return the cards of a band's PRIMARY and of its SCI, as the cameras' pipelines write."""
    primary, sci = fits.Header(), fits.Header()
    primary["TELESCOP"] = "HST" if band in ACS else "JWST"
    primary["INSTRUME"] = BY_NAME[band].instrument
    if band in ACS:
        photflam, photplam, filter1, filter2 = ACS[band]
        primary["DETECTOR"] = "WFC"
        primary["FILTER1"], primary["FILTER2"] = filter1, filter2
        sci["BUNIT"] = "ELECTRONS/S"
        sci["PHOTFLAM"] = (photflam, "[erg/s/cm2/Angstrom] of 1 electron/s")
        sci["PHOTPLAM"] = (photplam, "[Angstrom] pivot wavelength")
    else:
        primary["DETECTOR"] = "MULTIPLE"
        primary["CHANNEL"] = "SHORT" if BY_NAME[band].pivot_um < 2.4 else "LONG"
        primary["FILTER"], primary["PUPIL"] = band, "CLEAR"
        sci["BUNIT"] = "MJy/sr"
        sci["PIXAR_SR"] = (np.radians(PIXEL / 3600) ** 2, "[sr] area of a pixel")
        sci["PIXAR_A2"] = (PIXEL**2, "[arcsec2] area of a pixel")
    primary["MOCK"] = (True, "model galaxies, no observation")
    return primary, sci


def convolve(image, psf):
    """Convolve on the same grid, clipping the FFT's negative noise."""
    return np.maximum(fftconvolve(image, psf, mode="same"), 0.0)


def observe(truth, band, wcs, rng):
    """Return an HDU list of SCI and ERR: sky and noise added, in the camera's unit."""
    depth = BY_NAME[band].depth
    ny, nx = SHAPE
    y, x = np.mgrid[:ny, :nx]
    sky = depth * (1.5 + 0.4 * (x / nx - 0.5) - 0.3 * (y / ny - 0.5))
    # Dither patterns leave the exposure a little uneven.
    sigma = depth * (1 + 0.03 * np.sin(x / 23.0 + y / 31.0))
    sigma = np.sqrt(sigma**2 + PHOTON_NOISE * depth * truth)
    image = truth + sky + sigma * rng.standard_normal(SHAPE)
    primary, sci = band_headers(band, wcs)
    sci.update(wcs)
    factor = njy_per_unit(sci, name=band)
    err = fits.Header(sci, copy=True)
    return fits.HDUList(
        [
            fits.PrimaryHDU(header=primary),
            fits.ImageHDU((image / factor).astype(np.float32), sci, name="SCI"),
            fits.ImageHDU((sigma / factor).astype(np.float32), err, name="ERR"),
        ]
    )


def segment(images, bands):
    """Return the map of ids: pixels whose mean S/N over the three long bands is above 1."""
    depth = [BY_NAME[b].depth for b in ("F277W", "F356W", "F444W")]
    where = [bands.index(b) for b in ("F277W", "F356W", "F444W")]
    per_galaxy = {
        g: np.mean([im[i] / d for i, d in zip(where, depth, strict=True)], axis=0)
        for g, im in images.items()
    }
    ids = np.array(sorted(per_galaxy))
    stack = np.stack([per_galaxy[g] for g in ids])
    seg = np.where(stack.sum(axis=0) > 1.0, ids[stack.argmax(axis=0)], 0)
    result = np.zeros(SHAPE, dtype=np.int16)
    for g in ids:
        parts, count = label(binary_closing(seg == g))
        if count:
            largest = 1 + np.argmax(np.bincount(parts.ravel())[1:])
            result[(parts == largest) & (result == 0)] = g
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default=Path(__file__).parent, type=Path, metavar="DIR")
    parser.add_argument("--ssp", metavar="FILE", help="grid made by 'pixsed ssp'; default: BC03")
    parser.add_argument("--seed", type=int, default=20)
    args = parser.parse_args()

    from pixsed.sps import bc03
    from pixsed.sps.photometry import PhotometryModel
    from pixsed.sps.ssp import read_ssp

    grid = read_ssp(args.ssp) if args.ssp else bc03.build()
    bands = list(FWHM)
    model = PhotometryModel(grid, bands, z_max=5.0)
    psfs = {band: moffat(fwhm) for band, fwhm in FWHM.items()}
    cards, wcs = wcs_header()
    rng = np.random.default_rng(args.seed)

    matched, images, truth = {}, np.zeros((len(bands), *SHAPE)), {}
    for galaxy in GALAXIES:
        flux, planes = np.zeros_like(images), {}
        for part in galaxy.parts:
            part_flux, part_planes = populate(galaxy, part, model)
            flux += part_flux
            for name, plane in part_planes.items():
                planes[name] = planes.get(name, 0.0) + plane
        for i, band in enumerate(bands):
            images[i] += convolve(flux[i], psfs[band])
        # What a fit of images matched to F444W is to find.
        matched[galaxy.id] = np.stack([convolve(plane, psfs["F444W"]) for plane in flux])
        truth[galaxy.id] = {
            "total": {name: planes[name].sum() for name in ("MFORM", "MSTAR", "SFR")},
            "maps": {k: fftconvolve(v, psfs["F444W"], mode="same") for k, v in planes.items()},
        }
    seg = segment(matched, bands)

    args.output.mkdir(parents=True, exist_ok=True)

    def write(hdus, name):
        hdus.writeto(args.output / name, overwrite=True, output_verify="exception")

    for i, band in enumerate(bands):
        write(observe(images[i], band, cards, rng), f"mock_{band}.fits")
        header = fits.Header()
        header["FILTER"] = band
        header["PIXSCALE"] = (PIXEL, "[arcsec] side of a pixel")
        header["FWHM"] = (FWHM[band], "[arcsec] of the Moffat function")
        header["BETA"] = (MOFFAT_BETA, "exponent of the Moffat function")
        psf = fits.PrimaryHDU(psfs[band].astype(np.float32), header)
        write(fits.HDUList([psf]), f"mock_psf_{band}.fits")

    write(
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(seg, cards.copy(), name="SEG")]),
        "mock_seg.fits",
    )

    catalog = Table({"id": [g.id for g in GALAXIES]})
    sky = wcs.pixel_to_world([g.parts[0].x for g in GALAXIES], [g.parts[0].y for g in GALAXIES])
    catalog["ra"], catalog["dec"] = np.round(sky.ra.deg, 7), np.round(sky.dec.deg, 7)
    catalog["ra"].unit = catalog["dec"].unit = "deg"
    catalog["z_spec"] = [g.z for g in GALAXIES]
    catalog.write(args.output / "mock_catalog.ecsv", format="ascii.ecsv", overwrite=True)

    write(truth_hdus(truth, seg, cards), "mock_truth.fits")


TRUTH_MAPS = {
    "LOGMFORM": "dex(solMass)",
    "LOGMSTAR": "dex(solMass)",
    "LOGSIGMA": "dex(solMass kpc-2)",
    "LOGSFR": "dex(solMass yr-1)",
    "AGE": "Gyr",
    "METAL": "dex",
    "AV": "mag",
}


def truth_hdus(truth, seg, cards):
    """Return maps of what is true at the resolution of F444W, and the table of masses."""
    maps = {name: np.full(SHAPE, np.nan, dtype=np.float32) for name in TRUTH_MAPS}
    rows = []
    for galaxy in GALAXIES:
        inside = seg == galaxy.id
        planes = {k: v[inside] for k, v in truth[galaxy.id]["maps"].items()}
        mass = planes["MSTAR"]
        area = (kpc_per_arcsec(galaxy.z) * PIXEL) ** 2
        values = {
            "LOGMFORM": np.log10(planes["MFORM"]),
            "LOGMSTAR": np.log10(mass),
            "LOGSIGMA": np.log10(mass / area),
            "LOGSFR": np.log10(planes["SFR"]),
            "AGE": planes["AGE"] / mass,
            "METAL": planes["METAL"] / mass,
            "AV": planes["AV"] / mass,
        }
        for name, value in values.items():
            maps[name][inside] = value
        total = truth[galaxy.id]["total"]
        rows.append(
            (
                galaxy.id,
                galaxy.z,
                int(inside.sum()),
                np.log10(planes["MFORM"].sum()),
                np.log10(mass.sum()),
                np.log10(planes["SFR"].sum()),
                np.log10(total["MFORM"]),
                np.log10(total["MSTAR"]),
            )
        )
    hdus = [fits.PrimaryHDU()]
    hdus[0].header["COMMENT"] = (
        "Truth at the resolution of F444W, in the segments. AGE, METAL and AV are weighted by "
        "surviving mass."
    )
    for name, unit in TRUTH_MAPS.items():
        header = cards.copy()
        header["BUNIT"] = unit
        hdus.append(fits.ImageHDU(maps[name], header, name=name))
    names = "ID REDSHIFT NPIX LOGMFORM LOGMSTAR LOGSFR TOT_LOGMFORM TOT_LOGMSTAR".split()
    # FITS has no unit for logarithms; the comments of the columns tell theirs.
    columns = [
        fits.Column(
            name,
            "J" if name in ("ID", "NPIX") else "D",
            array=np.array(values),
        )
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    ]
    table = fits.BinTableHDU.from_columns(columns, name="MASSES")
    for number, name in enumerate(names, 1):
        if unit := TRUTH_MAPS.get(name.removeprefix("TOT_")):
            table.header[f"TCOMM{number}"] = f"log10, {unit}"
    return fits.HDUList([*hdus, table])


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        main()
