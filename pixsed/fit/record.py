"""Record of a fit: header cards, and the key that tells whether two fits are the same."""

from pathlib import Path

from pixsed import __version__, cosmology
from pixsed.errors import PixsedError
from pixsed.fit.zero_points import zero_point_cards
from pixsed.io.fingerprint import file_digest, fingerprint
from pixsed.io.formats.cube_parts import psf_fwhm_card
from pixsed.io.locate import open_fits

# Cards that best describe the difference between two fits.
_DIFFERENCES = (
    "MODELSHA",
    "ENGINE",
    "SEED",
    "NSAMP",
    "SNRMIN",
    "ERRFLOOR",
    "ZEROPTS",
    "ZPFLOOR",
    "MODFLUX",
    "REDSHIFT",
    "ZERR",
    "PART",
)


def method_text(options):
    """Return the method of the fit for HISTORY, for example ``128 draws each``."""
    return "marginal quantiles" if options.engine == "quantile" else f"{options.samples} draws each"


def model_cards(model, options, bands=None):
    """Return the primary header cards that record the model, the draws and the errors.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`
    bands : sequence of str, optional
        Fitted bands, whose zero points are recorded; by default those of the model.
    """
    quantile = options.engine == "quantile"
    return {
        "MODEL": (model.name, "model"),
        "MODELSHA": (model.sha256, "SHA-256 of the model file"),
        "ENGINE": (options.engine, "draws of the flow, or marginal quantiles"),
        "SEED": (options.seed, "seed of the draws"),
        "NSAMP": (0 if quantile else options.samples, "number of posterior draws per pixel"),
        "ERRFLOOR": (options.error_floor, "fraction of flux added to errors in quadrature"),
        **zero_point_cards(options.zero_points, model.bands if bands is None else bands),
        "IMF": (model.text("sps.IMF"), "initial mass function"),
        "SPSLIB": (model.text("sps.LIBRARY", "sps.library"), "SPS library"),
        "CRCOSMO": (model.text("cosmology", default=cosmology.NAME), "cosmology"),
    }


def table_cards(model, options, columns, bands):
    """Return the primary header cards of a fitted table: `model_cards` and the given options.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`
    columns : `~pixsed.fit.table_input.TableColumns`
    bands : sequence of str
        Fitted bands.
    """
    cards = model_cards(model, options, bands)
    for key, value, comment in (
        ("REDSHIFT", options.redshift, "redshift of every row"),
        ("ZERR", options.redshift_err, "1-sigma error of the redshifts, 0 = exact"),
        ("SNRMIN", options.snr_min, "minimum mean S/N of a row"),
        ("IDCOL", columns.id_col, "column of the ids"),
        ("ZCOL", columns.z_col, "column of the redshifts"),
        ("ZERRCOL", columns.zerr_col, "column of the redshift errors"),
        ("FLUXUNIT", columns.units_text or None, "unit of the flux columns"),
    ):
        if value is not None:
            cards[key] = (value, comment)
    return cards


def fit_key(source, model, options):
    """Return everything that determines the map values; used to check ``--resume``.

    Parameters
    ----------
    source : `~pixsed.io.formats.source.PixelSource`
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`

    Returns
    -------
    dict
        The version, hashes of the input files and of the model, and everything else on which
        the pixels and the fit depend, in JSON types.
    """
    inputs = [file_digest(path) for path in source.files]
    key = {"pixsed": __version__, "inputs": inputs, "model": model.sha256}
    return key | dict(source.key) | options.key


def fit_cards(fitter, key):
    """Return the primary header cards of the maps of a `~pixsed.fit.tiles.TileFitter`.

    Parameters
    ----------
    fitter : `~pixsed.fit.tiles.TileFitter`
    key : dict
        From `fit_key`.
    """
    source, model, options = fitter.source, fitter.model, fitter.options
    cards = {} if source.object_id is None else {"OBJECT": (source.object_id, "galaxy")}
    if options.model_fluxes:
        cards["MODFLUX"] = (True, "predicted fluxes are among the planes")
    if source.redshift is not None and not model.infers_redshift:
        cards["REDSHIFT"] = (float(source.redshift), "redshift")
        cards["ZERR"] = (float(source.redshift_err), "1-sigma error of the redshift, 0 = exact")
    band, fwhm = source.common_psf
    if band not in ("none", "unknown"):
        cards["PSFMATCH"] = (band, "band whose PSF most bands have")
    return cards | {
        "PIXAR_A2": (float(source.pixar_a2), "[arcsec2] area of a pixel"),
        **psf_fwhm_card(fwhm),
        **model_cards(model, options, fitter.bands),
        "FITKEY": (fingerprint(key), "of inputs, model and options"),
        "SNRMIN": (options.snr_min, "minimum mean S/N of a fitted pixel"),
        "SNRBANDS": (",".join(fitter.snr_bands), "bands of mean S/N, else 3 reddest with data"),
        "FITBANDS": (",".join(fitter.bands), "fitted bands"),
    }


def is_finished(path, cards, overwrite):
    """Return whether `path` holds the finished maps of a fit with these cards.

    Parameters
    ----------
    path : path-like
        ``"-"`` is standard output, which is never finished.
    cards : dict
        From `fit_cards`, and PART if only a part is fitted.
    overwrite : bool
        Whether a file of another fit, or one that cannot be read, may be replaced.

    Raises
    ------
    PixsedError
        If the file belongs to another fit, or cannot be read, and may not be replaced; the message
        says what differs.
    """
    if path == "-" or not Path(path).exists():
        return False
    try:
        with open_fits(path) as hdulist:
            header = hdulist[0].header.copy()
    except PixsedError:
        if not overwrite:
            raise
        return False
    wanted = {name: cards[name][0] if name in cards else None for name in _DIFFERENCES}
    # The key is the same for all parts of a fit.
    if header.get("FITKEY") == cards["FITKEY"][0] and header.get("PART") == wanted["PART"]:
        return True
    if overwrite:
        return False
    for name, value in wanted.items():
        if header.get(name) != value:
            raise PixsedError(
                f"{path} exists, made with {name} = {header.get(name, 'none')}, now it is "
                f"{'none' if value is None else value}; add --overwrite, or choose another -o"
            )
    raise PixsedError(
        f"{path} exists, made from another input or with other options; add --overwrite, or "
        "choose another -o"
    )
