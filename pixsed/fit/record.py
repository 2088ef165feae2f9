"""What says how a fit was made: the cards of its maps, and whether two fits are the same."""

from pathlib import Path

from pixsed import __version__, cosmology
from pixsed.errors import PixsedError
from pixsed.io.fingerprint import file_digest, fingerprint
from pixsed.io.locate import open_fits

# Cards that say best in what two fits differ.
_TELLING = ("MODELSHA", "ENGINE", "SEED", "NSAMP", "SNRMIN", "ERRFLOOR", "REDSHIFT", "ZERR")


def how_fitted(engine, samples):
    """Return how a pixel was fitted, for HISTORY."""
    return "marginal quantiles" if engine == "quantile" else f"{samples} draws each"


def model_cards(model, seed, samples, error_floor, engine="flow"):
    """Return the cards of a primary header that say how fits were made: model, draws, errors."""
    return {
        "MODEL": (model.name, "model"),
        "MODELSHA": (model.sha256, "SHA-256 of the model file"),
        "ENGINE": (engine, "draws of the flow, or marginal quantiles"),
        "SEED": (seed, "seed of the draws"),
        "NSAMP": (0 if engine == "quantile" else samples, "posterior draws a pixel"),
        "ERRFLOOR": (error_floor, "fraction of flux added to errors in quadrature"),
        "IMF": (model.text("sps.IMF"), "initial mass function"),
        "SPSLIB": (model.text("sps.LIBRARY", "sps.library"), "SPS library"),
        "CRCOSMO": (model.text("cosmology", default=cosmology.NAME), "cosmology"),
    }


def table_cards(
    model,
    *,
    seed,
    samples,
    error_floor,
    engine,
    redshift=None,
    redshift_err=None,
    snr_min=None,
    id_col=None,
    z_col=None,
    zerr_col=None,
    units=(),
):
    """Return the cards of a fitted table: those of `model_cards`, and of options that were given.

    Parameters are those of `~pixsed.fit.table.fit_table`; `units` is a sequence of
    ``UNIT`` or ``BAND=UNIT``.
    """
    cards = model_cards(model, seed, samples, error_floor, engine)
    for key, value, comment in (
        ("REDSHIFT", redshift, "redshift of every row"),
        ("ZERR", redshift_err, "1-sigma error of the redshifts, 0 = known"),
        ("SNRMIN", snr_min, "least mean S/N of a row"),
        ("IDCOL", id_col, "column of the ids"),
        ("ZCOL", z_col, "column of the redshifts"),
        ("ZERRCOL", zerr_col, "column of their errors"),
        ("FLUXUNIT", ",".join(units) or None, "unit of columns of flux"),
    ):
        if value is not None:
            cards[key] = (value, comment)
    return cards


def fit_key(source, model, options):
    """Return what the data of maps depend on, and no result does not.

    Parameters
    ----------
    source
        What `pixsed.io.formats.source.Pixels` says.
    model : `~pixsed.fit.model.Model`
    options : dict of str
        Option of the command line -> its value, of those that the data depend on.
    """
    inputs = [file_digest(path) for path in source.files]
    return {"pixsed": __version__, "inputs": inputs, "model": model.sha256} | source.key | options


def fit_cards(fitter, key):
    """Return the cards of the maps of a `~pixsed.fit.tiles.TileFitter`, of a `fit_key`."""
    source, model = fitter.source, fitter.model
    cards = {} if source.object_id is None else {"OBJECT": (source.object_id, "galaxy")}
    if source.redshift is not None and not model.infers_redshift:
        cards["REDSHIFT"] = (float(source.redshift), "redshift")
        cards["ZERR"] = (float(source.redshift_err), "1-sigma error of the redshift, 0 = known")
    return cards | {
        "PIXAR_A2": (float(source.pixar_a2), "[arcsec2] area of a pixel"),
        **model_cards(model, fitter.seed, fitter.samples, fitter.error_floor, fitter.engine),
        "FITKEY": (fingerprint(key), "of inputs, model and options"),
        "SNRMIN": (fitter.snr_min, "least mean S/N of a pixel fitted"),
        "SNRBANDS": (",".join(fitter.snr_bands), "bands of mean S/N, else 3 reddest with data"),
        "FITBANDS": (",".join(fitter.bands), "bands fitted"),
    }


def is_finished(path, cards, overwrite):
    """Return whether `path` is what a fit of these cards gives.

    Parameters
    ----------
    path : path-like
        ``"-"`` is standard output, and never finished.
    cards : dict
        Of `fit_cards`.
    overwrite : bool
        Whether something else may be replaced.

    Raises
    ------
    PixsedError
        If it is something else that may not be replaced; the message says what differs.
    """
    if path == "-" or not Path(path).exists():
        return False
    with open_fits(path) as hdulist:
        header = hdulist[0].header.copy()
    if header.get("FITKEY") == cards["FITKEY"][0]:
        return True
    if overwrite:
        return False
    for name in _TELLING:
        asked = cards[name][0] if name in cards else None
        if header.get(name) != asked:
            raise PixsedError(
                f"{path} is there, made with {name} = {header.get(name, 'none')}, now it is "
                f"{'none' if asked is None else asked}; add --overwrite, or choose another -o"
            )
    raise PixsedError(
        f"{path} is there, made of another input or with other options; add --overwrite, or "
        "choose another -o"
    )
