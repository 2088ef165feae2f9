"""What `pixsed fit` does with its options: one image, many cubes, or a table."""

import warnings
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import click

from pixsed import __version__
from pixsed.cli.options import say, show_progress
from pixsed.errors import PixsedError, PixsedWarning


@dataclass(frozen=True)
class Run:
    """The options of the command line, by their names there."""

    inputs: tuple
    model: str
    output: str
    overwrite: bool
    resume: bool
    part: tuple | None
    jobs: int
    scheduler: str | None
    tile: tuple | None
    samples: int
    quantiles: tuple
    engine: str
    provider: str
    snr_min: float
    error_floor: float
    all_pixels: bool
    redshift: float | None
    redshift_err: float | None
    seed: int
    segmap: str | None = None
    catalog: str | None = None
    id_col: str | None = None
    z_col: str | None = None
    zerr_col: str | None = None
    redshift_map: str | None = None
    errors: tuple = ()
    units: tuple = ()
    rescale_errors: bool = False
    hdu: str | None = None
    command: str | None = None

    @property
    def draws(self):
        """Arguments of a fit, of cubes and tables alike."""
        return dict(samples=self.samples, quantiles=self.quantiles, seed=self.seed,
                    engine=self.engine)  # fmt: skip

    @property
    def how(self):
        """How a pixel was fitted, for HISTORY."""
        return "marginal quantiles" if self.engine == "quantile" else f"{self.samples} draws each"


def run(asked):
    """Fit what the inputs are."""
    from pixsed.io.provenance import command_line

    kind = _kind(asked)
    _check_usage(asked, kind)
    asked = replace(asked, command=command_line())  # a worker's own would be another
    several = len(asked.inputs) > 1 and kind != "image"
    folder = Path(asked.output)
    if several or asked.output.endswith("/") or folder.is_dir():
        _fit_many(asked, kind, folder)
    elif kind == "table":
        say(_fit_table(asked, asked.inputs[0], asked.output, _load(asked), asked.jobs))
    else:
        _fit_one(asked, kind)


# What the inputs are.


def _kind(asked):
    """Return ``"cube"``, ``"table"`` or ``"image"`` of the inputs, by the first that tells."""
    from pixsed.io.kinds import kind_of
    from pixsed.io.locate import parse_location

    if asked.segmap or asked.redshift_map or asked.catalog:
        return "image"
    if any(parse_location(text, band=True).band for text in asked.inputs):
        return "image"
    trouble = None
    for text in asked.inputs:
        try:
            return kind_of(text, asked.hdu)
        except PixsedError as error:
            trouble = trouble or error
    raise trouble


def _check_usage(asked, kind):
    mosaic_only = {"--segmap": asked.segmap, "--catalog": asked.catalog, "--err": asked.errors,
                   "--redshift-map": asked.redshift_map, "--hdu": asked.hdu,
                   "--rescale-errors": asked.rescale_errors}  # fmt: skip
    if kind != "image":
        if given := [name for name, value in mosaic_only.items() if value]:
            raise click.UsageError(f"{given[0]} goes with mosaics, not with a {kind}")
        if kind == "cube" and asked.units:
            raise click.UsageError("--unit goes with mosaics and tables: a cube is in nJy")
        if kind == "table" and (asked.resume or asked.part or asked.scheduler):
            raise click.UsageError("--resume, --part and --scheduler go with cubes and mosaics")
        return
    if asked.catalog and not asked.segmap:
        raise click.UsageError("--catalog goes with --segmap, which has its ids")
    if asked.catalog and asked.redshift_map:
        raise click.UsageError("give --catalog or --redshift-map, not both")
    given = asked.catalog or asked.redshift_map or asked.redshift is not None
    if not given and not _load(asked).infers_redshift:
        raise click.UsageError(
            "mosaics need redshifts: --segmap with --catalog, --redshift-map, or --redshift"
        )
    if asked.redshift_map and asked.redshift is not None:
        raise click.UsageError("give --redshift-map or --redshift, not both")
    if asked.catalog and (asked.redshift is not None) != asked.all_pixels:
        raise click.UsageError(
            "--catalog with --all-pixels needs --redshift, of the pixels outside the segments, "
            "and without takes none"
        )
    if asked.redshift_err is not None and asked.redshift is None:
        raise click.UsageError("--redshift-err of mosaics goes with --redshift")
    if asked.output.endswith("/") or Path(asked.output).is_dir():
        raise click.UsageError("the maps of mosaics are one file; give its name with -o")


def open_source(asked, kind, check=True):
    """Return (what is to be fitted, a stack that closes it).

    Parameters
    ----------
    asked : `Run`
        A cube's with one input.
    kind : {"cube", "image"}
    check : bool, optional
        Whether to go through the mosaics first, for what a user should be told.
    """
    stack = ExitStack()
    with ExitStack() as opening:
        if kind == "cube":
            from pixsed.io.cube_file import CubeFile

            source = opening.enter_context(CubeFile(
                asked.inputs[0], redshift=asked.redshift, zerr=asked.redshift_err,
                all_pixels=asked.all_pixels,
            ))  # fmt: skip
        else:
            source = _open_field(asked, opening, check)
        stack = opening.pop_all()
    return source, stack


def _open_field(asked, stack, check):
    from pixsed.cli.mosaics import per_band
    from pixsed.images.catalog import read_redshifts
    from pixsed.images.cutout import Mosaics
    from pixsed.images.field import Field, RedshiftMap
    from pixsed.images.segmap import SegmentationMap
    from pixsed.io.image import ImageFile
    from pixsed.io.locate import expand_locations, open_fits, parse_location

    def opened(text):
        place = parse_location(text)
        inputs.append(place.path)
        extensions.append(str(replace(place, path="")))
        return stack.enter_context(open_fits(place.path, memmap=False)), place

    locations = expand_locations(asked.inputs, asked.hdu)
    extensions = [str(replace(place, path="")) for place in locations]
    error_of, unit_of = per_band(locations, asked.errors, asked.units)
    files = [stack.enter_context(ImageFile(place, unit=unit_of[place], err=error_of[place]))
             for place in locations]  # fmt: skip
    inputs = [name for image in files for name in image.files]
    segmap = SegmentationMap(*opened(asked.segmap)) if asked.segmap else None
    mosaics = Mosaics(files, segmap, reproject=False)
    redshift_map = RedshiftMap(*opened(asked.redshift_map)) if asked.redshift_map else None
    catalog = None
    if asked.catalog:
        place = parse_location(asked.catalog)
        inputs.append(place.path)
        extensions.append(str(replace(place, path="")))
        catalog = read_redshifts(asked.catalog, id_col=asked.id_col, z_col=asked.z_col,
                                 zerr_col=asked.zerr_col)  # fmt: skip
    field = Field(mosaics, redshift=asked.redshift, zerr=asked.redshift_err, catalog=catalog,
                  redshift_map=redshift_map, all_pixels=asked.all_pixels,
                  rescale_errors=asked.rescale_errors)  # fmt: skip
    field.files = list(dict.fromkeys(inputs))
    field.extensions = extensions
    if check:
        field.check(asked.catalog)
        if not asked.rescale_errors:
            mosaics.warn_of_errors()
    if any(image.is_compressed for image in files):
        mosaics.read_ahead()
    return field


# One image into one file.


def _load(asked):
    from pixsed.infer.model import Model
    from pixsed.models import resolve

    model = Model(resolve(asked.model), provider=asked.provider)
    model.check_engine(asked.engine)
    return model


def model_cards(model, seed, samples, error_floor, engine="flow"):
    """Return the cards of a primary header that say how fits were made: model, draws, errors."""
    from pixsed import cosmology

    return {
        "MODEL": (model.name, "model"),
        "MODELSHA": (model.sha256, "SHA-256 of the model file"),
        "ENGINE": (engine, "draws of the flow, or marginal quantiles"),
        "SEED": (seed, "seed of the draws"),
        "NSAMP": (0 if engine == "quantile" else samples, "posterior draws a pixel"),
        "ERRFLOOR": (error_floor, "share of the flux added to errors in quadrature"),
        "IMF": (model.text("sps.IMF"), "initial mass function"),
        "SPSLIB": (model.text("sps.LIBRARY", "sps.library"), "SPS library"),
        "CRCOSMO": (model.text("cosmology", default=cosmology.NAME), "cosmology"),
    }


def _key(asked, kind, source, model):
    """Return what the data of the maps depend on, and no result does not."""
    from pixsed.io.fingerprint import file_digest

    key = {"pixsed": __version__, "inputs": [file_digest(path) for path in source.files],
           "model": model.sha256}  # fmt: skip
    names = ["engine", "provider", "quantiles", "snr_min", "error_floor", "all_pixels", "redshift",
             "redshift_err"]  # fmt: skip
    if asked.engine == "flow":
        names += ["samples", "seed"]
    if kind == "image":
        names += ["id_col", "z_col", "zerr_col", "errors", "units", "rescale_errors", "hdu"]
        key |= {"bands": source.bands, "extensions": source.extensions}
    options = asdict(asked)
    return key | {f"--{name.replace('_', '-')}": options[name] for name in names}


def _cards(asked, kind, source, fitter, key):
    from pixsed.io.fingerprint import fingerprint

    cards = {"OBJECT": (source.object_id, "galaxy")} if kind == "cube" else {}
    if source.redshift is not None and not fitter.model.infers_redshift:
        cards["REDSHIFT"] = (float(source.redshift), "redshift")
        cards["ZERR"] = (float(source.zerr), "1-sigma error of the redshift, 0 = known")
    return cards | {
        "PIXAR_A2": (float(source.pixar_a2), "[arcsec2] area of a pixel"),
        **model_cards(fitter.model, asked.seed, asked.samples, asked.error_floor, asked.engine),
        "FITKEY": (fingerprint(key), "of inputs, model and options"),
        "SNRMIN": (asked.snr_min, "least mean S/N of a pixel fitted"),
        "SNRBANDS": (",".join(fitter.snr_bands), "bands of the mean S/N"),
        "FITBANDS": (",".join(fitter.bands), "bands fitted"),
    }


def _is_finished(path, cards, overwrite):
    """Return whether `path` is what a run of these cards gives.

    Raises
    ------
    PixsedError
        If it is something else that may not be replaced; the message says what differs.
    """
    from pixsed.io.locate import open_fits

    if path == "-" or not Path(path).exists():
        return False
    with open_fits(path) as hdulist:
        header = hdulist[0].header.copy()
    if header.get("FITKEY") == cards["FITKEY"][0]:
        return True
    if overwrite:
        return False
    for name in ("MODELSHA", "ENGINE", "SEED", "NSAMP", "SNRMIN", "ERRFLOOR", "REDSHIFT", "ZERR"):
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


def _absolute(asked, kind):
    """Return the same run, its files named for workers in other folders."""
    import os

    from pixsed.io.locate import expand_locations, parse_location
    from pixsed.models import resolve

    def whole(place):
        band = f"{place.band}=" if place.band else ""
        return f"{band}{replace(place, path=os.path.abspath(place.path), band=None)}"

    def one(text, band=False):
        if text is None:
            return None
        place = parse_location(text, band=band)
        return whole(place) if Path(place.path).exists() else text

    places = (expand_locations(asked.inputs, asked.hdu) if kind == "image"
              else map(parse_location, asked.inputs))  # fmt: skip
    return replace(
        asked, inputs=tuple(map(whole, places)), segmap=one(asked.segmap),
        catalog=one(asked.catalog), redshift_map=one(asked.redshift_map),
        errors=tuple(one(text, band=True) for text in asked.errors),
        model=os.path.abspath(resolve(asked.model)),
    )  # fmt: skip


def _make_fitter(asked, kind):
    """Return the fitter of a worker elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PixsedWarning)  # told here already
        source, files = open_source(asked, kind, check=False)
        fitter = _fitter(asked, source, _load(asked))
    fitter.files = files  # open for as long as there is work
    return fitter


def _fitter(asked, source, model, **options):
    from pixsed.infer.tiles import TileFitter

    return TileFitter(source, model, snr_min=asked.snr_min, error_floor=asked.error_floor,
                      **asked.draws, **options)  # fmt: skip


class _Bar:
    """A tqdm bar of pixels: those that turn out not to be fitted leave the total."""

    def __init__(self, total):
        from tqdm import tqdm

        self._bar = tqdm(total=total, unit="pix", unit_scale=True, disable=not show_progress())
        self.done = self._bar.update

    def skipped(self, number):
        if not self._bar.disable:
            self._bar.total = max(self._bar.total - number, self._bar.n)
            self._bar.refresh()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._bar.close()


def fit_image(asked, kind, output, model, *, bar=None):
    """Fit one cube, or mosaics, into a file; return (a line to say, pixels fitted).

    Parameters
    ----------
    asked : `Run`
        A cube's with one input.
    kind : {"cube", "image"}
    output : str
    model : `~pixsed.infer.model.Model`
    bar : `_Bar`, optional
    """
    import time

    from pixsed.infer.select import DQ_BITS, MOSAIC_DQ_BITS, warn_of_range
    from pixsed.infer.stream import fit_to_file, fitted_text
    from pixsed.io.maps_writer import check_maps_output

    check_maps_output(output, overwrite=asked.overwrite or asked.resume, resume=asked.resume)
    source, stack = open_source(asked, kind)
    with stack:
        with _Bar(source.npix) if bar is None else bar as bar:
            fitter = _fitter(asked, source, model, jobs=asked.jobs, progress=bar.done,
                             skipped=bar.skipped)  # fmt: skip
            _check_part(asked, source)
            key = _key(asked, kind, source, model)
            cards = _cards(asked, kind, source, fitter, key)
            if asked.resume and _is_finished(output, cards, asked.overwrite):
                return f"{output}: done already", 0
            start = time.monotonic()
            counts = fit_to_file(
                fitter, output, key=key, cards=cards, how=asked.how, tile=asked.tile,
                dq_bits=DQ_BITS if kind == "cube" else MOSAIC_DQ_BITS, part=asked.part,
                setup=asked.scheduler and partial(_make_fitter, _absolute(asked, kind), kind),
                scheduler=asked.scheduler,
                inputs=source.files, command=asked.command, overwrite=asked.overwrite,
                resume=asked.resume, progress=bar.done, skipped=bar.skipped,
            )  # fmt: skip
    if source.redshift is None and counts["nrange"]:
        warn_of_range(model, f"{source.name}: redshift or error of {counts['nrange']} pixels")
    rate = counts["nfit"] / max(time.monotonic() - start, 1e-9)
    text = (f"{output}: {fitted_text(counts, source.binning is not None)} fitted, "
            f"{counts['nood']} of them out of distribution")  # fmt: skip
    if not counts["npix"]:
        text += f"\n{output}: no pixel has a mean S/N of {asked.snr_min:g}; try a lower --snr-min"
    elif not asked.resume:
        text += f" ({rate:,.0f} a second)"
    return text, counts["npix"]


def _check_part(asked, source):
    if asked.part is None:
        return
    if source.binning is not None:
        raise PixsedError(f"{source.name}: a binned cube is fitted whole; leave out --part")
    if asked.part[1] > source.shape[0]:
        raise PixsedError(
            f"--part: {source.name} has {source.shape[0]} rows, fewer than {asked.part[1]} parts; "
            "ask for fewer"
        )


def _fit_one(asked, kind):
    model = _load(asked)
    say(fit_image(asked, kind, asked.output, model)[0])


# Many cubes into a folder.


def _stem(path):
    name = Path(path).name
    for ending in (".gz", ".fz"):
        name = name.removesuffix(ending)
    return name.rsplit(".", 1)[0] if "." in name else name


def _outputs(inputs, folder):
    """Return the path of the maps of each cube; raise where two would share one."""
    paths = [str(folder / f"{_stem(text)}_maps.fits") for text in inputs]
    for i, path in enumerate(paths):
        if path in paths[:i]:
            raise PixsedError(
                f"{inputs[paths.index(path)]} and {inputs[i]} would both be {path}; fit them into "
                "two folders"
            )
    return paths


def _fit_many(asked, kind, folder):
    from pixsed.io.atomic import check_output
    from pixsed.parallel import run_tasks

    if asked.output == "-":
        raise click.UsageError("the maps of several cubes cannot go to standard output; give a "
                               "folder with -o")  # fmt: skip
    if kind == "table":
        raise PixsedError(f"{asked.inputs[0]} is a table; tables are fitted one at a time")
    if folder.exists() and not folder.is_dir():
        raise PixsedError(f"{asked.output} is a file; give a folder for several cubes")
    pairs = list(zip(asked.inputs, _outputs(asked.inputs, folder), strict=True))
    if asked.part is not None:
        pairs = pairs[asked.part[0] - 1 :: asked.part[1]]
        if not pairs:
            say(f"part {asked.part[0]}/{asked.part[1]}: no cube is left for it")
            return
    _load(asked)  # a model that is no use is told before any cube
    folder.mkdir(parents=True, exist_ok=True)
    for _, path in pairs:
        check_output(path, asked.overwrite or asked.resume)
    processes = min(asked.jobs, len(pairs))
    each = replace(asked, part=None, scheduler=None, inputs=tuple(text for text, _ in pairs),
                   jobs=1 if asked.scheduler else max(1, asked.jobs // processes))  # fmt: skip
    if asked.scheduler:
        each = _absolute(each, kind)
        pairs = [(text, str(Path(path).absolute())) for text, path in
                 zip(each.inputs, (path for _, path in pairs), strict=True)]  # fmt: skip
    results = run_tasks(_fit_cube_task, [(each, *pair) for pair in pairs],
                        setup=partial(_setup_many, each), jobs=processes,
                        scheduler=asked.scheduler)  # fmt: skip
    bad = _tell(pairs, results)
    if bad:
        raise PixsedError(
            f"{bad} of {len(pairs)} cubes could not be fitted; the others are in {folder}"
        )


def _tell(pairs, results):
    """Say what became of each cube as it is done; return the number of those that failed."""
    from tqdm import tqdm

    bad = fitted = 0
    bar = tqdm(pairs, unit="cube", disable=not show_progress())
    with closing(results), bar:
        for (text, _), (line, number, warned, error) in zip(bar, results, strict=True):
            bar.clear()  # lines go above it
            for message in warned:
                warnings.warn(message, PixsedWarning, stacklevel=2)
            if error is not None:
                bad += 1
                # Not to be kept back by -q: it is an error.
                click.echo(f"pixsed: error: {error if text in error else f'{text}: {error}'}",
                           err=True)  # fmt: skip
            else:
                fitted += number
                say(line)
            elapsed = bar.format_dict["elapsed"]
            bar.set_postfix_str(f"{fitted / max(elapsed, 1e-9):,.0f} pix/s", refresh=False)
    return bad


def _setup_many(asked):
    return _load(asked)


def _fit_cube_task(model, task):
    """Fit a cube of many: return (line, pixels, warnings, what went wrong or None)."""
    from pixsed.io.kinds import kind_of

    asked, text, output = task
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PixsedWarning)
        try:
            if kind_of(text) != "cube":
                raise PixsedError(f"{text} is not a cube; make it with pixsed cutout")
            line, number = fit_image(replace(asked, inputs=(text,)), "cube", output, model,
                                     bar=_Silent())  # fmt: skip
            error = None
        except (PixsedError, OSError) as raised:
            line, number, error = "", 0, " ".join(str(raised).split())
    return line, number, [str(w.message) for w in caught
                          if issubclass(w.category, PixsedWarning)], error  # fmt: skip


class _Silent:
    """No bar: of a cube of many."""

    done = skipped = staticmethod(lambda number: None)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


# A table.


def _fit_table(asked, text, output, model, jobs):
    from tqdm import tqdm

    from pixsed.cli.mosaics import split_units
    from pixsed.infer.photometry import fit_table, read_table, write_table
    from pixsed.io.atomic import check_output

    check_output(output, asked.overwrite)
    table = read_table(text)
    unit = split_units(asked.units).get(None)
    with tqdm(total=len(table), unit="row", disable=not show_progress()) as bar:
        result, nfit = fit_table(table, model, source=text, unit=unit, redshift=asked.redshift,
                                 zerr=asked.redshift_err, error_floor=asked.error_floor,
                                 **asked.draws, jobs=jobs,
                                 progress=bar.update)  # fmt: skip
    write_table(
        result, output, overwrite=asked.overwrite, inputs=[text.partition("[")[0]],
        history=[f"fit: {nfit} rows, {asked.how}"], name="POSTERIOR",
        **model_cards(model, asked.seed, asked.samples, asked.error_floor, asked.engine),
    )  # fmt: skip
    return f"{output}: {nfit} of {len(table)} rows fitted"
