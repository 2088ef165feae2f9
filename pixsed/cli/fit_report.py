"""Progress bars and lines of text of `pixsed fit`."""

import warnings
from contextlib import closing

import click
from tqdm import tqdm

from pixsed.cli.fit_options import source_files
from pixsed.cli.options import complain, say, show_progress
from pixsed.dq import ood_text, reasons_text
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.fit.cube import load_for
from pixsed.fit.many_cubes import fit_cubes, maps_paths
from pixsed.fit.to_file import pixel_options
from pixsed.io.formats.psfmatch import NO_PSFMATCH
from pixsed.io.outputs import is_stream
from pixsed.io.repeated_warnings import merge_repeated_warnings


class PixelBar:
    """Progress bar of pixels, whose total excludes pixels that are not fitted.

    Parameters
    ----------
    total : int
        Number of pixels that may be fitted.
    unit : str, optional
        Unit of the numbers shown.
    """

    def __init__(self, total, unit="pix"):
        self._bar = tqdm(total=total, unit=unit, unit_scale=True, disable=not show_progress())
        self.done = self._bar.update

    def skipped(self, number):
        """Subtract pixels that are not fitted from the total."""
        if not self._bar.disable:
            self._bar.total = max(self._bar.total - number, self._bar.n)
            self._bar.refresh()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._bar.close()


def row_bar(total):
    """Return a progress bar of the rows of a table."""
    return PixelBar(total, unit="row")


def report_line(path, report, options, resumed):
    """Return the line about a finished fit of one image.

    Parameters
    ----------
    path : str
        Its maps.
    report : `~pixsed.fit.to_file.FitReport`
    options : `~pixsed.fit.options.FitOptions`
    resumed : bool
        Whether parts may have been fitted earlier; the fitting rate is then left out.
    """
    counts = report.counts
    if not counts:
        return f"{path}: done already"
    text = f"{path}: {report.text} fitted"
    if not counts["npix"]:
        return f"{text}\n{path}: {_why_none(counts, options)}"
    text += f", {ood_text(counts['nscored'], counts['nood'])}"
    if not resumed:
        text += f" ({counts['nfit'] / max(report.seconds, 1e-9):,.0f} per second)"
    return text


def _why_none(counts, options):
    """Return why no pixel was fitted, and what to try if a lower cut would help."""
    if not counts["ninside"]:
        return "no pixel is in a segment; try --all-pixels"
    text = f"of {counts['ninside']} pixels, {reasons_text(counts)}"
    if counts.get("low_snr"):
        text += f" of {options.snr_min:g}; try a lower --snr-min"
    return text


def fit_many(inputs, output, model, options, execution):
    """Fit many cubes into a folder, with a line for each.

    Parameters
    ----------
    inputs : sequence of str
        The cubes.
    output : str
        The folder.
    model : str
    options : `~pixsed.fit.options.FitOptions`
    execution : `~pixsed.fit.options.ExecutionOptions`

    Raises
    ------
    PixsedError
        If any cube could not be fitted; raised after all other cubes are done.
    """
    if is_stream(output):
        raise click.UsageError(
            "the maps of several cubes cannot go to standard output or a "
            "device; give a folder with -o"
        )
    pairs = maps_paths(inputs, output, execution.part)
    if not pairs:
        say("part {}/{}: no cube is left for it".format(*execution.part))
        return
    model, options = load_for(model, pixel_options(options))
    cubes = [source_files("cube", [cube], options, {}) for cube, _ in pairs]
    outcomes = fit_cubes(cubes, [path for _, path in pairs], model, options, execution)
    if failed := _report_each(outcomes, len(pairs), options, execution.resume):
        raise PixsedError(
            f"{failed} of {len(pairs)} cubes could not be fitted; the others are in {output}"
        )


def _report_each(outcomes, number, options, resumed):
    """Write a line about each cube when it is done; return the number of failures."""
    failed = fitted = unknown = 0
    bar = tqdm(outcomes, total=number, unit="cube", disable=not show_progress())
    with merge_repeated_warnings(), closing(outcomes), bar:
        for outcome in bar:
            bar.clear()  # lines are printed above the bar
            for message in outcome.warnings:
                warnings.warn(message, PixsedWarning, stacklevel=2)
            if outcome.report is None:
                failed += 1
                text = outcome.error
                if outcome.cube not in text:
                    text = f"{outcome.cube}: {text}"
                # -q does not silence errors.
                complain(text)
            else:
                unknown += outcome.report.psf_unknown
                fitted += outcome.report.counts.get("npix", 0)
                say(report_line(outcome.path, outcome.report, options, resumed))
            elapsed = bar.format_dict["elapsed"]
            bar.set_postfix_str(f"{fitted / max(elapsed, 1e-9):,.0f} pix/s", refresh=False)
    if unknown:
        say(f"{NO_PSFMATCH}: {unknown} of {number} cubes")
    return failed
