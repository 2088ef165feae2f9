"""What `pixsed fit` does with its options: one image, many cubes, or a table."""

import warnings
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import click

from pixsed.cli.options import say, show_progress
from pixsed.errors import PixsedError, PixsedWarning

#: Options that go with some kinds of input only; any other goes with all of them.
KINDS_OF = {
    "all_pixels": ("cube", "image"),
    "segmap": ("image",),
    "catalog": ("image",),
    "redshift_map": ("image",),
    "errors": ("image",),
    "err_kinds": ("image",),
    "fills": ("image",),
    "rescale_errors": ("image",),
    "id_col": ("image", "table"),
    "z_col": ("image", "table"),
    "zerr_col": ("image", "table"),
    "units": ("image", "table"),
    "hdu": ("image", "table"),
    "tile": ("cube", "image"),
    "resume": ("cube", "image"),
    "part": ("cube", "image"),
    "scheduler": ("cube", "image"),
}
_NAMES = {"cube": "cubes", "image": "mosaics", "table": "tables"}


def _option(data, **default):
    """Return a field of `Run`.

    `data` says whether maps hold other data with another value: True, False, the engine with
    which they do, or ``"elsewhere"``, where another part of the key tells (the hash of the model
    and of the files, the tiles).
    """
    return field(metadata={"data": data}, **default)


@dataclass(frozen=True)
class Run:
    """The options of the command line, by their names there.

    `given` has those that the user gave, by the command line or the environment: their names
    and spellings.
    """

    given: dict = _option(False)
    inputs: tuple = _option("elsewhere")
    model: str = _option("elsewhere")
    output: str = _option(False)
    overwrite: bool = _option(False)
    resume: bool = _option(False)
    part: tuple | None = _option("elsewhere")
    jobs: int = _option(False)
    scheduler: str | None = _option(False)
    tile: tuple | None = _option("elsewhere")
    samples: int = _option("flow")
    quantiles: tuple = _option(True)
    engine: str = _option(True)
    provider: str = _option(True)
    snr_min: float = _option(True)
    error_floor: float = _option(True)
    all_pixels: bool = _option(True)
    redshift: float | None = _option(True)
    redshift_err: float | None = _option(True)
    seed: int = _option("flow")
    segmap: str | None = _option("elsewhere", default=None)
    catalog: str | None = _option("elsewhere", default=None)
    id_col: str | None = _option(True, default=None)
    z_col: str | None = _option(True, default=None)
    zerr_col: str | None = _option(True, default=None)
    redshift_map: str | None = _option("elsewhere", default=None)
    errors: tuple = _option(True, default=())
    err_kinds: tuple = _option(True, default=())
    fills: tuple = _option(True, default=())
    units: tuple = _option(True, default=())
    rescale_errors: bool = _option(True, default=False)
    hdu: str | None = _option(True, default=None)
    command: str | None = _option(False, default=None)

    @property
    def data_options(self):
        """The options that the data of maps depend on: spelling -> value."""
        return {f"--{option.name.replace('_', '-')}": getattr(self, option.name)
                for option in fields(self)
                if option.metadata["data"] in (True, self.engine)}  # fmt: skip

    @property
    def settings(self):
        """How every pixel or row is fitted, of cubes and tables alike."""
        return dict(samples=self.samples, quantiles=self.quantiles, seed=self.seed,
                    engine=self.engine, error_floor=self.error_floor)  # fmt: skip

    @property
    def of_maps(self):
        """What `pixsed.infer.run.fit_image` takes beside what it fits, and where to."""
        return dict(settings=self.settings | {"snr_min": self.snr_min}, tile=self.tile,
                    command=self.command, overwrite=self.overwrite,
                    resume=self.resume)  # fmt: skip


def run(asked):
    """Fit what the inputs are."""
    from pixsed.io.provenance import command_line

    kind = _kind(asked)
    _check_usage(asked, kind)
    asked = replace(asked, command=command_line())  # a worker's own would be another
    several = len(asked.inputs) > 1 and kind != "image"
    folder = Path(asked.output)
    if kind == "table":
        _fit_table(asked)
    elif several or asked.output.endswith("/") or folder.is_dir():
        _fit_many(asked, kind, folder)
    else:
        _fit_one(asked, kind)


# What the inputs are.


def _kind(asked):
    """Return ``"cube"``, ``"table"`` or ``"image"`` of the inputs, by the first that tells."""
    from pixsed.io.kinds import kind_of
    from pixsed.io.locate import parse_location

    if any(parse_location(text, band=True).band for text in asked.inputs):
        return "image"
    trouble = None
    for text in asked.inputs:
        try:
            return kind_of(text, asked.hdu)
        except PixsedError as error:
            trouble = trouble or error
    if asked.segmap or asked.redshift_map or asked.catalog:
        return "image"  # which tells better what is wrong
    raise trouble


def _check_usage(asked, kind):
    for name, spelling in asked.given.items():
        kinds = KINDS_OF.get(name, _NAMES)
        if kind not in kinds:
            if (name, kind) == ("units", "cube"):
                raise click.UsageError("--unit goes with mosaics and tables: a cube is in nJy")
            names = " and ".join(_NAMES[one] for one in kinds)
            raise click.UsageError(f"{spelling} goes with {names}, not with a {kind}")
    if kind == "table":
        _check_redshifts_of_table(asked)
    if kind == "image":
        _check_redshifts_of_mosaics(asked)


def _check_redshifts_of_table(asked):
    for option, columns in (("redshift", ("z_col", "zerr_col")), ("redshift_err", ("zerr_col",))):
        for column in columns:
            if option in asked.given and column in asked.given:
                raise click.UsageError(
                    f"give {asked.given[option]} or {asked.given[column]}, not both"
                )
    of_redshift = [name for name in ("redshift", "redshift_err", "z_col", "zerr_col")
                   if name in asked.given]  # fmt: skip
    if of_redshift and _load(asked).infers_redshift:
        raise click.UsageError(
            f"{asked.given[of_redshift[0]]} goes with models that are given the redshift; "
            f"{asked.model} infers it"
        )


def _check_redshifts_of_mosaics(asked):
    columns = [asked.given[name] for name in ("id_col", "z_col", "zerr_col") if name in asked.given]
    if columns and not asked.catalog:
        raise click.UsageError(f"{columns[0]} of mosaics goes with --catalog")
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


def _load(asked):
    from pixsed.infer.model import Model
    from pixsed.models import resolve

    model = Model(resolve(asked.model), provider=asked.provider)
    model.check_engine(asked.engine)
    return model


def source_files(asked, kind):
    """Return the names of what is to be fitted, a cube or a field of mosaics.

    Parameters
    ----------
    asked : `Run`
        A cube's with one input.
    kind : {"cube", "image"}

    Returns
    -------
    `~pixsed.io.cube_file.CubeName` or `~pixsed.images.field_files.FieldFiles`
    """
    common = dict(redshift=asked.redshift, zerr=asked.redshift_err, all_pixels=asked.all_pixels)
    if kind == "cube":
        from pixsed.io.cube_file import CubeName

        return CubeName(asked.inputs[0], **common)
    from pixsed.cli.mosaics import per_band
    from pixsed.images.field_files import FieldFiles
    from pixsed.io.locate import expand_locations

    images = expand_locations(asked.inputs, asked.hdu)
    of = per_band(images, asked.errors, asked.units, asked.err_kinds, asked.fills)
    errors, units, err_kinds, fills = (tuple(table[place] for place in images) for table in of)
    return FieldFiles(
        images=tuple(images), errors=errors, units=units, err_kinds=err_kinds, fills=fills,
        segmap=asked.segmap,
        redshift_map=asked.redshift_map, catalog=asked.catalog, id_col=asked.id_col,
        z_col=asked.z_col, zerr_col=asked.zerr_col, rescale_errors=asked.rescale_errors, **common,
    )  # fmt: skip


# One image into one file.


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


def _fit_one(asked, kind):
    from pixsed.infer.run import fit_image

    model = _load(asked)
    done = fit_image(
        source_files(asked, kind), model, asked.output, options=asked.data_options,
        part=asked.part, jobs=asked.jobs, scheduler=asked.scheduler, bar=_Bar, **asked.of_maps,
    )  # fmt: skip
    say(_line(asked, asked.output, done))


def _line(asked, path, done):
    """Return what is said of a fit that is done."""
    from pixsed.dq import ood_text
    from pixsed.infer.stream import fitted_text

    counts = done.counts
    if not counts:
        return f"{path}: done already"
    text = f"{path}: {fitted_text(counts, done.binned)} fitted"
    if not counts["npix"]:
        return f"{text}\n{path}: {_why_none(asked, counts)}"
    text += f", {ood_text(counts['nscored'], counts['nood'])}"
    if not asked.resume:  # else not all of it was done now
        text += f" ({counts['nfit'] / max(done.seconds, 1e-9):,.0f} a second)"
    return text


def _why_none(asked, counts):
    """Return why no pixel was fitted, and what to try where a lower cut would help."""
    from pixsed.dq import reasons_text

    if not counts["ninside"]:
        return "no pixel is in a segment; try --all-pixels"
    text = f"of {counts['ninside']} pixels, {reasons_text(counts)}"
    if counts.get("low_snr"):
        text += f" of {asked.snr_min:g}; try a lower --snr-min"
    return text


# Many cubes into a folder.


def _fit_many(asked, kind, folder):
    from pixsed.infer.many import fit_cubes, maps_paths
    from pixsed.io.atomic import check_fits_output, check_folder, is_stream

    if is_stream(asked.output):
        raise click.UsageError("the maps of several cubes cannot go to standard output or a "
                               "device; give a folder with -o")  # fmt: skip
    check_folder(asked.output, "cubes")
    pairs = list(zip(asked.inputs, maps_paths(asked.inputs, folder), strict=True))
    if asked.part is not None:
        pairs = pairs[asked.part[0] - 1 :: asked.part[1]]
        if not pairs:
            say(f"part {asked.part[0]}/{asked.part[1]}: no cube is left for it")
            return
    model = _load(asked)  # one that is no use is told before any cube
    folder.mkdir(parents=True, exist_ok=True)
    cubes, paths = zip(*pairs, strict=True)
    for path in paths:
        check_fits_output(path, asked.overwrite or asked.resume)
    outcomes = fit_cubes(
        [source_files(replace(asked, inputs=(cube,)), kind) for cube in cubes], paths, model,
        options=asked.data_options, jobs=asked.jobs, scheduler=asked.scheduler,
        **asked.of_maps,
    )  # fmt: skip
    if bad := _tell(asked, outcomes, len(cubes)):
        raise PixsedError(
            f"{bad} of {len(cubes)} cubes could not be fitted; the others are in {folder}"
        )


def _tell(asked, outcomes, number):
    """Say what became of each of a number of cubes as it is done; return how many failed."""
    from tqdm import tqdm

    bad = fitted = 0
    bar = tqdm(outcomes, total=number, unit="cube", disable=not show_progress())
    with closing(outcomes), bar:
        for outcome in bar:
            bar.clear()  # lines go above it
            for message in outcome.warned:
                warnings.warn(message, PixsedWarning, stacklevel=2)
            if outcome.done is None:
                bad += 1
                told = outcome.error
                if outcome.cube not in told:
                    told = f"{outcome.cube}: {told}"
                # Not to be kept back by -q: it is an error.
                click.echo(f"pixsed: error: {told}", err=True)
            else:
                fitted += outcome.done.counts.get("npix", 0)
                say(_line(asked, outcome.path, outcome.done))
            elapsed = bar.format_dict["elapsed"]
            bar.set_postfix_str(f"{fitted / max(elapsed, 1e-9):,.0f} pix/s", refresh=False)
    return bad


# A table.


def _fit_table(asked):
    from tqdm import tqdm

    from pixsed.cli.mosaics import split_bands
    from pixsed.dq import DQ
    from pixsed.infer.photometry import fit_table, table_text
    from pixsed.infer.record import how_fitted, table_cards
    from pixsed.io.columns import band_columns
    from pixsed.io.locate import parse_location
    from pixsed.io.table_writer import check_columns, check_table_output, write_table
    from pixsed.io.tables import read_table

    text, *others = asked.inputs
    if others:
        raise PixsedError(f"{text} is a table; tables are fitted one at a time")
    check_table_output(asked.output, asked.overwrite)
    model = _load(asked)
    table = read_table(
        text, hdu=asked.hdu, wanted=lambda names: band_columns(names, model.bands, text)
    )
    check_columns(table, asked.output, text)
    options = dict(id_col=asked.id_col, z_col=asked.z_col, zerr_col=asked.zerr_col)
    if "snr_min" in asked.given:
        options["snr_min"] = asked.snr_min
    with tqdm(total=len(table), unit="row", disable=not show_progress()) as bar:
        result, nfit = fit_table(table, model, source=text, unit=split_bands(asked.units),
                                 redshift=asked.redshift, zerr=asked.redshift_err, **options,
                                 **asked.settings, jobs=asked.jobs,
                                 progress=bar.update)  # fmt: skip
    write_table(
        result, asked.output, overwrite=asked.overwrite, inputs=[parse_location(text).path],
        history=[f"fit: {nfit} rows, {how_fitted(asked.engine, asked.samples)}"], name="POSTERIOR",
        **table_cards(model, asked),
        **DQ.cards("DQBIT"),
    )  # fmt: skip
    say(f"{asked.output}: {table_text(result)}")
