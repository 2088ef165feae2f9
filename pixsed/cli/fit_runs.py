"""What `pixsed fit` does: it fits one image, many cubes, or a table."""

import warnings
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click

from pixsed.cli.fit_options import check_usage, load_model
from pixsed.cli.options import say, show_progress
from pixsed.errors import PixsedError, PixsedWarning


def run(asked):
    """Fit the inputs, whatever they are, with the options of a `~pixsed.cli.fit_options.Run`."""
    from pixsed.io.provenance import command_line

    kind = _kind(asked)
    check_usage(asked, kind)
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
    from pixsed.io.formats.kinds import kind_of
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


def source_files(asked, kind):
    """Return the names of what is to be fitted, a cube or a field of mosaics.

    Parameters
    ----------
    asked : `~pixsed.cli.fit_options.Run`
        A cube's with one input.
    kind : {"cube", "image"}

    Returns
    -------
    `~pixsed.io.formats.cube_file.CubeName` or `~pixsed.images.field_files.FieldFiles`
    """
    common = dict(
        redshift=asked.redshift, redshift_err=asked.redshift_err, all_pixels=asked.all_pixels
    )
    if kind == "cube":
        from pixsed.io.formats.cube_file import CubeName

        return CubeName(asked.inputs[0], **common)
    from pixsed.cli.mosaics import per_band
    from pixsed.images.field_files import FieldFiles
    from pixsed.io.locate import expand_locations

    images = expand_locations(asked.inputs, asked.hdu)
    of = per_band(images, asked.errors, asked.units, asked.err_kinds, asked.fills)
    errors, units, err_kinds, fills = (tuple(table[place] for place in images) for table in of)
    return FieldFiles(
        images=tuple(images),
        errors=errors,
        units=units,
        err_kinds=err_kinds,
        fills=fills,
        segmap=asked.segmap,
        redshift_map=asked.redshift_map,
        catalog=asked.catalog,
        id_col=asked.id_col,
        z_col=asked.z_col,
        zerr_col=asked.zerr_col,
        rescale_errors=asked.rescale_errors,
        **common,
    )


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
    from pixsed.fit.run import fit_image

    model = load_model(asked)
    done = fit_image(
        source_files(asked, kind),
        model,
        asked.output,
        options=asked.data_options,
        part=asked.part,
        jobs=asked.jobs,
        scheduler=asked.scheduler,
        bar=_Bar,
        **asked.of_maps,
    )
    say(_line(asked, asked.output, done))


def _line(asked, path, done):
    """Return what is said of a fit that is done."""
    from pixsed.dq import ood_text
    from pixsed.fit.to_file import fitted_text

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
    from pixsed.fit.many_cubes import fit_cubes, maps_paths
    from pixsed.io.outputs import check_fits_output, check_folder, is_stream

    if is_stream(asked.output):
        raise click.UsageError(
            "the maps of several cubes cannot go to standard output or a "
            "device; give a folder with -o"
        )
    check_folder(asked.output, "cubes")
    pairs = list(zip(asked.inputs, maps_paths(asked.inputs, folder), strict=True))
    if asked.part is not None:
        pairs = pairs[asked.part[0] - 1 :: asked.part[1]]
        if not pairs:
            say(f"part {asked.part[0]}/{asked.part[1]}: no cube is left for it")
            return
    model = load_model(asked)  # one that is no use is told before any cube
    folder.mkdir(parents=True, exist_ok=True)
    cubes, paths = zip(*pairs, strict=True)
    for path in paths:
        check_fits_output(path, asked.overwrite or asked.resume)
    outcomes = fit_cubes(
        [source_files(replace(asked, inputs=(cube,)), kind) for cube in cubes],
        paths,
        model,
        options=asked.data_options,
        jobs=asked.jobs,
        scheduler=asked.scheduler,
        **asked.of_maps,
    )
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
    from pixsed.fit.record import how_fitted, table_cards
    from pixsed.fit.table import fit_table, table_text
    from pixsed.io.formats.photometry import band_columns
    from pixsed.io.locate import parse_location
    from pixsed.io.tables import read_table
    from pixsed.io.writers.tables import check_columns, check_table_output, write_table

    text, *others = asked.inputs
    if others:
        raise PixsedError(f"{text} is a table; tables are fitted one at a time")
    check_table_output(asked.output, asked.overwrite)
    model = load_model(asked)
    table = read_table(
        text, hdu=asked.hdu, wanted=lambda names: band_columns(names, model.bands, text)
    )
    check_columns(table, asked.output, text)
    options = dict(
        redshift=asked.redshift,
        redshift_err=asked.redshift_err,
        id_col=asked.id_col,
        z_col=asked.z_col,
        zerr_col=asked.zerr_col,
    )
    if "snr_min" in asked.given:
        options["snr_min"] = asked.snr_min
    with tqdm(total=len(table), unit="row", disable=not show_progress()) as bar:
        result, nfit = fit_table(
            table,
            model,
            source=text,
            unit=split_bands(asked.units),
            **options,
            **asked.settings,
            jobs=asked.jobs,
            progress=bar.update,
        )
    cards = table_cards(
        model,
        seed=asked.seed,
        samples=asked.samples,
        error_floor=asked.error_floor,
        engine=asked.engine,
        units=asked.units,
        **options,
    )
    write_table(
        result,
        asked.output,
        overwrite=asked.overwrite,
        inputs=[parse_location(text).path],
        history=[f"fit: {nfit} rows, {how_fitted(asked.engine, asked.samples)}"],
        name="POSTERIOR",
        **cards,
        **DQ.cards("DQBIT"),
    )
    say(f"{asked.output}: {table_text(result)}")
