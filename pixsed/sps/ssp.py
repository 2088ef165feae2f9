"""Grid of simple stellar populations (SSPs) of any library, and its file.

The spectra are averages over age bins. A star-formation history is therefore the mass formed
in each bin, and no interpolation in age is needed. The gas of young stars is apart from them,
for one or more ionisation parameters.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from pixsed.errors import PixsedError
from pixsed.io.cards import positive_number

# Rounding of log U that is within the grid.
_LOG_U_TOLERANCE = 1e-6


@dataclass
class SSPGrid:
    """Spectra per solar mass formed, by metallicity and age.

    Attributes
    ----------
    wave : `~numpy.ndarray`, shape (W,)
        Rest-frame wavelength, in vacuum or air as in the library, Angstrom, ascending.
    age_edges : `~numpy.ndarray`, shape (A + 1,)
        Edges of the age bins, Gyr, ascending from 0.
    metallicity : `~numpy.ndarray`, shape (Z,)
        log10(Z / Zsun), ascending; ZSUN in `meta` is Zsun.
    spectra : `~numpy.ndarray`, shape (Z, A, W)
        Stars alone, Lsun / Angstrom / Msun formed, float32. In the first Y age bins, whose
        gas absorbs it, without the ionising light.
    log_u : `~numpy.ndarray`, shape (U,)
        Ionisation parameter log10 U of the gas, ascending.
    nebular : `~numpy.ndarray`, shape (U, Z, Y, W)
        Continuum of the gas of the first Y age bins, Lsun / Angstrom / Msun formed, float32.
    line_wave : `~numpy.ndarray`, shape (L,)
        Wavelengths of emission lines, Angstrom.
    lines : `~numpy.ndarray`, shape (U, Z, Y, L)
        Luminosities of the lines of that gas, Lsun / Msun formed.
    living, remnant : `~numpy.ndarray`, shape (Z, A)
        Mass in living stars, and in white dwarfs, neutron stars and black holes, per solar
        mass formed.
    dust_wave, dust_spectrum : `~numpy.ndarray`, shape (D,)
        Wavelength [Angstrom] and emission of dust per absorbed luminosity [1 / Angstrom].
    meta : dict
        LIBRARY, ISOCHRO, SPECLIB, IMF, ZSUN, LOGU (`log_u_card`), LSUN (erg/s), ZINTERP
        ("log": spectra interpolated linearly in log Z; "linear": in Z), NEBULAR, DUSTEM.
    """

    wave: np.ndarray
    age_edges: np.ndarray
    metallicity: np.ndarray
    spectra: np.ndarray
    log_u: np.ndarray
    nebular: np.ndarray
    line_wave: np.ndarray
    lines: np.ndarray
    living: np.ndarray
    remnant: np.ndarray
    dust_wave: np.ndarray
    dust_spectrum: np.ndarray
    meta: dict = field(default_factory=dict)

    @property
    def surviving(self):
        """Mass in stars and remnants per solar mass formed, shape (Z, A)."""
        return self.living + self.remnant

    def metallicity_weights(self, mh):
        """Return the weight of each grid metallicity in populations of [M/H] `mh`.

        Parameters
        ----------
        mh : `~numpy.ndarray`, shape (N,)
            log10(Z / Zsun). Values beyond the grid use the nearest metallicity.

        Returns
        -------
        `~numpy.ndarray`, shape (N, Z), float64
            At most two adjacent weights per row are not 0; each row sums to 1.
        """
        grid = self.metallicity
        mh = np.clip(np.asarray(mh, dtype=float), grid[0], grid[-1])
        if self.meta.get("ZINTERP", "log") == "linear":
            nodes, x = 10.0**grid, 10.0**mh
        else:
            nodes, x = grid, mh
        return _linear_weights(nodes, x)

    def at_log_u(self, log_u):
        """Return the grid with the gas of one ionisation parameter.

        Parameters
        ----------
        log_u : float
            log10 U, within the grid.

        Returns
        -------
        `SSPGrid`
        """
        [weights] = self.log_u_weights([log_u])
        card = {"LOGU": float(log_u)} if "LOGU" in self.meta else {}
        return replace(
            self,
            log_u=np.array([float(log_u)]),
            nebular=np.tensordot(weights, self.nebular, 1)[None].astype(self.nebular.dtype),
            lines=np.tensordot(weights, self.lines, 1)[None],
            meta=self.meta | card,
        )

    def log_u_weights(self, log_u):
        """Return the weight of each ionisation parameter of the grid in gas of `log_u`.

        Parameters
        ----------
        log_u : `~numpy.ndarray`, shape (N,)
            log10 U, within the grid. A grid of one value accepts only that value.

        Returns
        -------
        `~numpy.ndarray`, shape (N, U), float64
            At most two adjacent weights per row are not 0; each row sums to 1.

        Raises
        ------
        PixsedError
            If a value is beyond the grid, or not finite.
        """
        grid, log_u = self.log_u, np.asarray(log_u, dtype=float)
        inside = (log_u >= grid[0] - _LOG_U_TOLERANCE) & (log_u <= grid[-1] + _LOG_U_TOLERANCE)
        if not inside.all():
            values = f"{grid[0]:g}" if len(grid) == 1 else f"{grid[0]:g} to {grid[-1]:g}"
            raise PixsedError(
                f"log U must be {values}, as in the SSP grid, got {log_u[~inside][0]:.4g}; "
                "for other values try: pixsed ssp --log-u all"
            )
        if len(grid) == 1:
            return np.ones((len(log_u), 1))
        return _linear_weights(grid, log_u)


def _linear_weights(nodes, x):
    """Return the weights (N, K) that interpolate linearly between ascending `nodes` (K,)."""
    x = np.clip(x, nodes[0], nodes[-1])
    low = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, len(nodes) - 2)
    fraction = (x - nodes[low]) / (nodes[low + 1] - nodes[low])
    weights = np.zeros((len(x), len(nodes)))
    rows = np.arange(len(x))
    weights[rows, low] = 1.0 - fraction
    weights[rows, low + 1] = fraction
    return weights


def log_u_card(log_u):
    """Return the value of the card LOGU: a number, or a range such as "-4 to -1".

    Parameters
    ----------
    log_u : `~numpy.ndarray`, shape (U,)
    """
    return float(log_u[0]) if len(log_u) == 1 else f"{log_u[0]:g} to {log_u[-1]:g}"


#: Cards that describe the populations; tables of simulations copy them.
POPULATION_KEYS = (
    "LIBRARY",
    "ISOCHRO",
    "SPECLIB",
    "IMF",
    "MASSCONV",
    "ZSUN",
    "LOGU",
    "ZINTERP",
    "NEBULAR",
    "DUSTEM",
    "REMNANTS",
    "AGBDUST",
    "EMULATOR",
    "FSPSVERS",
    "ZCOPIED",
    "ZMIXED",
)

_IMAGES = (
    # attribute, extension, unit, names of the axes in the header
    ("spectra", "SPECTRA", "solLum Angstrom-1 solMass-1", "WAVE,AGE,METAL"),
    ("nebular", "NEBULAR", "solLum Angstrom-1 solMass-1", "WAVE,AGE,METAL,LOGU"),
    ("lines", "LINES", "solLum solMass-1", "LINEWAVE,AGE,METAL,LOGU"),
    ("living", "LIVING", "", "AGE,METAL"),
    ("remnant", "REMNANT", "", "AGE,METAL"),
)

_COMMENTS = {
    "LIBRARY": "stellar population library",
    "IMF": "initial mass function",
    "LOGU": "ionisation parameter",
    "LSUN": "erg/s, of the library",
    "ZINTERP": "spectra interpolated linearly in log or Z",
}


def write_ssp(grid, path, overwrite=False, inputs=()):
    """Write an `SSPGrid` to FITS: images by log U, metallicity, age and wavelength.

    Parameters
    ----------
    grid : `SSPGrid`
    path : path-like
    overwrite : bool, optional
    inputs : sequence of path-like, optional
        Files from which the grid was made, for the header.
    """
    from astropy.io import fits

    from pixsed.io.atomic import write_hdulist
    from pixsed.io.provenance import stamp

    primary = fits.PrimaryHDU()
    primary.header["SSPGRID"] = (True, "a pixsed grid of simple stellar populations")
    for key, value in grid.meta.items():
        primary.header[key] = (value, _COMMENTS[key]) if key in _COMMENTS else value
    stamp(primary.header, inputs=inputs)
    hdus = [primary]
    for attribute, name, unit, axes in _IMAGES:
        hdu = fits.ImageHDU(getattr(grid, attribute).astype(np.float32), name=name)
        if unit:
            hdu.header["BUNIT"] = unit
        hdu.header["AXES"] = (axes, "fastest axis first")
        hdus.append(hdu)

    def table(name, **columns):
        return fits.BinTableHDU.from_columns(
            [
                fits.Column(
                    name=key,
                    array=np.asarray(array, dtype=float),
                    unit=unit,
                    format=f"{array.shape[1]}D" if array.ndim == 2 else "D",
                )
                for key, (array, unit) in columns.items()
            ],
            name=name,
        )

    edges = grid.age_edges
    hdus += [
        table("WAVE", WAVE=(grid.wave, "Angstrom")),
        table("AGE", AGE_LO=(edges[:-1], "Gyr"), AGE_HI=(edges[1:], "Gyr")),
        table("METAL", LOGZSOL=(grid.metallicity, None)),
        table("LOGU", LOGU=(grid.log_u, None)),
        table("LINEWAVE", WAVE=(grid.line_wave, "Angstrom")),
        table(
            "DUSTEM", WAVE=(grid.dust_wave, "Angstrom"), SPECTRUM=(grid.dust_spectrum, "Angstrom-1")
        ),
    ]
    write_hdulist(fits.HDUList(hdus), path, overwrite)


def read_ssp(path):
    """Read an SSP grid written by `write_ssp`.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    `SSPGrid`

    Raises
    ------
    PixsedError
        If the file is not an SSP grid, or an old one without an axis of log U.
    """
    from pixsed.io.inputs import check_input
    from pixsed.io.locate import open_fits

    check_input(path, "an SSP grid", "make one with 'pixsed ssp --library bc03'")
    with open_fits(path, memmap=False) as hdus:
        header = hdus[0].header
        if not header.get("SSPGRID"):
            raise PixsedError(f"{path} is not an SSP grid; make one with 'pixsed ssp'")
        if "LOGU" not in hdus:
            raise PixsedError(
                f"{path}: an SSP grid must have stars and gas apart and an extension LOGU, got "
                "one of an older pixsed; try making it anew with 'pixsed ssp'"
            )
        images = {
            attribute: np.ascontiguousarray(hdus[name].data, dtype=np.float32)
            for attribute, name, _, _ in _IMAGES
        }
        age = hdus["AGE"].data
        grid = SSPGrid(
            wave=np.array(hdus["WAVE"].data["WAVE"], dtype=float),
            age_edges=np.append(age["AGE_LO"][0], age["AGE_HI"]).astype(float),
            metallicity=np.array(hdus["METAL"].data["LOGZSOL"], dtype=float),
            log_u=np.array(hdus["LOGU"].data["LOGU"], dtype=float),
            line_wave=np.array(hdus["LINEWAVE"].data["WAVE"], dtype=float),
            dust_wave=np.array(hdus["DUSTEM"].data["WAVE"], dtype=float),
            dust_spectrum=np.array(hdus["DUSTEM"].data["SPECTRUM"], dtype=float),
            meta={key: header[key] for key in (*POPULATION_KEYS, "LSUN") if key in header},
            **images,
        )
    _check(grid, path)
    return grid


def _check(grid, path):
    """Raise `PixsedError` unless the axes and the images of a grid fit together and are finite."""
    young = grid.nebular.shape[2] if grid.nebular.ndim == 4 else 0
    metals, ages, waves = len(grid.metallicity), len(grid.age_edges) - 1, len(grid.wave)
    shapes = {
        "spectra": (metals, ages, waves),
        "nebular": (len(grid.log_u), metals, young, waves),
        "lines": (len(grid.log_u), metals, young, len(grid.line_wave)),
        "living": (metals, ages),
        "remnant": (metals, ages),
        "dust_spectrum": grid.dust_wave.shape,
    }
    advice = "make it anew with 'pixsed ssp'"
    if not positive_number(grid.meta.get("LSUN")) > 0:
        raise PixsedError(f"{path}: LSUN of the SSP grid must be a number above 0; {advice}")
    for name, shape in shapes.items():
        found = getattr(grid, name)
        if found.shape != shape or young > ages:
            raise PixsedError(
                f"{path}: {name} of the SSP grid must have shape {shape}, got {found.shape}; "
                f"{advice}"
            )
        if not np.isfinite(found).all():
            raise PixsedError(
                f"{path}: {name} of the SSP grid has values that are not finite; {advice}"
            )
    for name in ("wave", "age_edges", "metallicity", "log_u", "dust_wave"):
        axis = getattr(grid, name)
        if not len(axis) or not (np.isfinite(axis).all() and (np.diff(axis) > 0).all()):
            raise PixsedError(f"{path}: {name} of the SSP grid must ascend; {advice}")
