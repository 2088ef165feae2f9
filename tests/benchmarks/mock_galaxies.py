"""Mock field of galaxies of known mass: images, PSFs, segmentation map, catalogue and truths.

    python tests/benchmarks/mock_galaxies.py --ssp bc03.fits --prior tau -n 60 --seed 1 -o field
    cd field
    for f in F*.fits; do
        pixsed psfmatch $f --psf psf_$f --target psf_F444W.fits -o matched_$f
    done
    pixsed cutout matched_F*.fits --segmap seg.fits --catalog catalog.ecsv --all -o cubes/
    pixsed sum-mass cubes/*.fits --model tau -o masses.ecsv

Each galaxy has two Sersic components at one redshift: a disc, and a bulge or clump near its centre
with 2 to 25 % of the mass. Each component has two populations of
the prior, of its centre and of its outskirts, which differ by `--gradient` in the cumulative
probability of every coordinate. A pixel is a mixture of these four populations, by its radius.
The formed mass is such that the mean S/N of the brightest pixel in F277W, F356W and F444W is
log-uniform in 5 to 60.

The noise of a band is white noise through a 3 x 3 kernel, like that of drizzling, with the nominal
depth of the band; ERR has the scatter of a pixel. PSFs are Moffat functions, or the files of
--psf. The images have no sky and no neighbours in front of each other: galaxies are on a grid.

truth.ecsv has one row per galaxy: ID, REDSHIFT, and LOGMSTAR_TRUE, LOGMFORM_TRUE, LOGSFR_TRUE and
LOGSFR10_TRUE of all of its light, and those within its segment (..._SEG_TRUE), after convolution
with the PSF of F444W.

Needs the packages of pixsed[sps].
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.modeling.models import Sersic2D
from astropy.table import Table
from astropy.wcs import WCS
from scipy.ndimage import label
from scipy.signal import fftconvolve

from pixsed.bands import BY_NAME, PAPER_BANDS

PIXEL = 0.03  # arcsec
STAMP = 90  # pixels, side of the square of a galaxy
#: White noise through this kernel has a correlation of neighbours like that of drizzled images.
DRIZZLE = np.array([[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]])
PEAK_SNR = (5.0, 60.0)
REFERENCE = ("F277W", "F356W", "F444W")
MASSES = ("LOGMSTAR", "LOGMFORM", "LOGSFR", "LOGSFR10")


@dataclass
class Galaxy:
    """Light and mass of a galaxy on its stamp.

    Attributes
    ----------
    redshift : float
    flux : `~numpy.ndarray`, shape (B, S, S)
        nJy, without PSF, for the formed mass of `amounts`.
    amounts : dict of `~numpy.ndarray`, shape (S, S)
        Surviving mass, formed mass and rates, solMass and solMass / yr, by name in `MASSES`
        without LOG.
    """

    redshift: float
    flux: np.ndarray
    amounts: dict


def moffat(fwhm, size=61):
    """Return a Moffat PSF of exponent 3.5, normalised to 1; FWHM in arcsec."""
    sub = 5
    axis = (np.arange(size * sub) + 0.5) / sub - size / 2
    alpha = fwhm / PIXEL / 2 / np.sqrt(2 ** (1 / 3.5) - 1)
    fine = (1 + (axis[:, None] ** 2 + axis**2) / alpha**2) ** -3.5
    psf = fine.reshape(size, sub, size, sub).mean(axis=(1, 3))
    return psf / psf.sum()


def fwhm_of(band):
    """Return a typical FWHM of a band in a drizzled mosaic, arcsec."""
    pivot = BY_NAME[band].pivot_um
    if BY_NAME[band].instrument.startswith("ACS"):
        return 0.105
    return max(0.06, 0.035 * pivot)


def mass_map(log_mass, x, y, r_e, n, q, angle):
    """Return the mass (S, S) of a Sersic component within 6 r_e, and the radius in r_e."""
    sub = 5
    axis = (np.arange(STAMP * sub) + 0.5) / sub - 0.5
    dy, dx = axis[:, None] - y, axis - x
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = (dy * np.cos(angle) - dx * np.sin(angle)) / q
    r = np.hypot(along, across) / r_e
    shape = Sersic2D(1, r_e, n, x, y, 1 - q, angle)
    density = np.where(r < 6, shape(axis[None, :], axis[:, None]), 0.0)

    def mean(fine):
        return fine.reshape(STAMP, sub, STAMP, sub).mean(axis=(1, 3))

    density = mean(density)
    return 10.0**log_mass * density / density.sum(), mean(r)


class Populations:
    """Photometry, and amounts per solar mass formed, of populations of a prior."""

    def __init__(self, prior, ssps, bands):
        from pixsed.sps.photometry import PhotometryModel

        self.prior = prior
        law, top = prior.ATTENUATION, prior.Z_RANGE[1] + 0.1
        self.model = PhotometryModel(ssps, bands, z_max=top, av_max=prior.AV_MAX, attenuation=law)

    def __call__(self, z, unit):
        """Return fluxes (N, B) in nJy, and a dict of amounts (N,), for 1 solMass formed."""
        history = self.prior.history(z, unit)
        values = self.prior.values(z, unit)
        weights = self.model.weights(history)
        library = values.get("LIBRARY")
        flux = self.model.fluxes(
            z,
            weights,
            values["METAL"],
            self.prior.dust(values),
            log_u=values.get("LOGU"),
            library=library,
        )
        amounts = {
            "MFORM": np.ones(len(z)),
            "MSTAR": self.model.surviving(weights, values["METAL"], library),
            "SFR": 10.0 ** history.log_sfr(),
            "SFR10": 10.0 ** history.log_sfr(0.01),
        }
        return flux, amounts


def units_of_galaxy(prior, gradient, rng):
    """Return cumulative probabilities (4, D): centre and outskirts of both components."""
    size = prior.size()
    centres = rng.random((2, size))
    outer = centres + gradient * rng.standard_normal((2, size))
    outer = 1.0 - np.abs(1.0 - np.abs(outer) % 2.0)  # reflected at 0 and 1
    unit = np.clip(np.stack([centres[0], outer[0], centres[1], outer[1]]), 1e-6, 1 - 1e-6)
    names = [c.name for c in prior.COORDINATES]
    unit[:, names.index("AV")] *= 0.5  # up to 2 mag
    return unit


def make_galaxy(populations, redshift, gradient, rng):
    """Return a `Galaxy` of 1e10 solMass formed."""
    unit = units_of_galaxy(populations.prior, gradient, rng)
    light, per_mass = populations(np.full(4, redshift), unit)
    centre = (STAMP - 1) / 2 + rng.uniform(-0.5, 0.5, 2)
    r_e = np.exp(rng.uniform(np.log(4.0), np.log(11.0)))
    minor = rng.uniform(0.02, 0.25)
    flux, amounts = np.zeros((light.shape[1], STAMP, STAMP)), {}
    offset = 0.7 * r_e * rng.uniform(-1.0, 1.0, 2)
    parts = [
        (np.log10(1 - minor), *centre, r_e, rng.uniform(0.7, 2.0)),
        (np.log10(minor), *(centre + offset), 0.35 * r_e, rng.uniform(0.5, 3.0)),
    ]
    for number, part in enumerate(parts):
        q, angle = rng.uniform(0.4, 1.0), rng.uniform(0.0, np.pi)
        mass, r = mass_map(10.0 + part[0], *part[1:], q, angle)
        outside = 1.0 - np.exp(-r)
        for row, weight in ((2 * number, 1.0 - outside), (2 * number + 1, outside)):
            here = mass * weight
            flux += light[row][:, None, None] * here
            for name, values in per_mass.items():
                amounts[name] = amounts.get(name, 0.0) + values[row] * here
    return Galaxy(float(redshift), flux, amounts)


def scaled(galaxy, bands, psf, rng):
    """Return a galaxy whose brightest pixel has the S/N that is drawn, and a plausible mass."""
    where = [bands.index(band) for band in REFERENCE if band in bands]
    depth = np.array([BY_NAME[bands[i]].depth for i in where])
    seen = fftconvolve(galaxy.flux[where], psf[None], mode="same", axes=(1, 2))
    peak = (seen / depth[:, None, None]).mean(axis=0).max()
    wanted = np.exp(rng.uniform(*np.log(PEAK_SNR)))
    factor = wanted / peak
    amounts = {name: values * factor for name, values in galaxy.amounts.items()}
    return Galaxy(galaxy.redshift, galaxy.flux * factor, amounts)


def wcs_header(shape):
    """Return the header of a TAN WCS."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.cunit = ["RA---TAN", "DEC--TAN"], ["deg", "deg"]
    wcs.wcs.crval = [53.16, -27.79]
    wcs.wcs.crpix = [shape[1] / 2 + 0.5, shape[0] / 2 + 0.5]
    wcs.wcs.cdelt = [-PIXEL / 3600, PIXEL / 3600]
    return wcs.to_header(), wcs


def correlated_noise(shape, rng):
    """Return noise of unit variance with the correlation of `DRIZZLE`."""
    kernel = DRIZZLE / np.sqrt((DRIZZLE**2).sum())
    white = rng.standard_normal((shape[0] + 2, shape[1] + 2))
    return fftconvolve(white, kernel, mode="valid")


def segments(snr, count, columns):
    """Return the segmentation map: connected pixels around each galaxy with a mean S/N above 1."""
    result = np.zeros(snr.shape, dtype=np.int32)
    for number in range(count):
        here = place(number, columns)
        parts, found = label(snr[here] > 1.0)
        if found:
            peak = np.unravel_index(np.argmax(snr[here]), parts.shape)
            result[here][parts == parts[peak]] = number + 1
    return result


def place(number, columns):
    """Return the slices of the stamp of a galaxy in the field."""
    row, column = divmod(number, columns)
    return (
        slice(row * STAMP, (row + 1) * STAMP),
        slice(column * STAMP, (column + 1) * STAMP),
    )


def read_psf(folder, band):
    """Return the PSF of a band from a file whose name contains it, or a Moffat function."""
    if folder is None:
        return moffat(fwhm_of(band))
    found = sorted(Path(folder).glob(f"*{band}*.fits"))
    if not found:
        raise SystemExit(f"{folder} has no PSF of {band}")
    with fits.open(found[0]) as hdus:
        data = next(hdu.data for hdu in hdus if hdu.data is not None).astype(float)
    return data / data.sum()


def write_field(galaxies, bands, psfs, output, rng):
    """Write the images, PSFs, segmentation map, catalogue and truths of a field."""
    columns = int(np.ceil(np.sqrt(len(galaxies))))
    shape = (-(-len(galaxies) // columns) * STAMP, columns * STAMP)
    header, wcs = wcs_header(shape)
    snr = np.zeros(shape)
    for i, band in enumerate(bands):
        depth = BY_NAME[band].depth
        image, matched = np.zeros(shape), np.zeros(shape)
        for number, galaxy in enumerate(galaxies):
            here = place(number, columns)
            image[here] = fftconvolve(galaxy.flux[i], psfs[band], mode="same")
            if band in REFERENCE:
                matched[here] = fftconvolve(galaxy.flux[i], psfs["F444W"], mode="same")
        snr += matched / depth / sum(one in bands for one in REFERENCE)
        cards = header.copy()
        cards["FILTER"], cards["BUNIT"] = band, "nJy"
        cards["INSTRUME"] = BY_NAME[band].instrument
        seen = image + depth * correlated_noise(shape, rng)
        hdus = [
            fits.PrimaryHDU(),
            fits.ImageHDU(seen.astype(np.float32), cards, name="SCI"),
            fits.ImageHDU(np.full(shape, depth, np.float32), cards, name="ERR"),
        ]
        fits.HDUList(hdus).writeto(output / f"{band}.fits")
        psf = fits.PrimaryHDU(psfs[band].astype(np.float32))
        psf.header["FILTER"], psf.header["PIXSCALE"] = band, PIXEL
        psf.writeto(output / f"psf_{band}.fits")
    seg = segments(snr, len(galaxies), columns)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(seg, header, name="SEG")]).writeto(
        output / "seg.fits"
    )
    rows = []
    for number, galaxy in enumerate(galaxies):
        here = place(number, columns)
        inside = seg[here] == number + 1
        row = {"ID": number + 1, "REDSHIFT": galaxy.redshift, "NPIX": int(inside.sum())}
        for name in MASSES:
            amount = galaxy.amounts[name.removeprefix("LOG")]
            blurred = fftconvolve(amount, psfs["F444W"], mode="same")
            row[f"{name}_TRUE"] = np.log10(amount.sum())
            row[f"{name}_SEG_TRUE"] = np.log10(max(blurred[inside].sum(), 1e-30))
        y, x = (part.start + (STAMP - 1) / 2 for part in here)
        sky = wcs.pixel_to_world(x, y)
        rows.append(row | {"RA": sky.ra.deg, "DEC": sky.dec.deg, "SNR": snr[here].max()})
    table = Table(rows=rows)
    table.write(output / "truth.ecsv")
    table["ID", "RA", "DEC", "REDSHIFT"].write(output / "catalog.ecsv")
    return table


def main():
    """Make a field."""
    from pixsed.simulate.priors import PRIORS
    from pixsed.sps.ssp import read_ssp

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ssp", action="append", required=True)
    parser.add_argument("--prior", default="tau", choices=list(PRIORS))
    parser.add_argument("-n", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--redshift", type=float, nargs=2, default=(0.3, 6.5))
    parser.add_argument("--gradient", type=float, default=0.1)
    parser.add_argument("--bands", default=",".join(PAPER_BANDS))
    parser.add_argument("--psf", metavar="DIR", help="PSFs on pixels of 0.03 arcsec")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    prior, bands = PRIORS[given.prior](), given.bands.split(",")
    grids = [read_ssp(path) for path in given.ssp]
    if not any(c.name == "LOGU" for c in prior.COORDINATES):
        grids = [grid.at_log_u(prior.LOG_U) if len(grid.log_u) > 1 else grid for grid in grids]
    populations = Populations(prior, grids if len(grids) > 1 else grids[0], bands)
    psfs = {band: read_psf(given.psf, band) for band in {*bands, "F444W"}}
    redshifts = rng.uniform(*given.redshift, given.n)
    galaxies = [
        scaled(make_galaxy(populations, z, given.gradient, rng), bands, psfs["F444W"], rng)
        for z in redshifts
    ]
    given.output.mkdir(parents=True)
    table = write_field(galaxies, bands, psfs, given.output, rng)
    mass = table["LOGMSTAR_TRUE"]
    print(
        f"{len(table)} galaxies, {table['NPIX'].sum()} pixels, log10 M* {mass.min():.1f} to "
        f"{mass.max():.1f}"
    )


if __name__ == "__main__":
    main()
