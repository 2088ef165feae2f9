"""The command `pixsed`: a group that imports a subcommand only when it is called."""

import contextlib
import errno
import importlib
import os
import sys
import traceback
import warnings

import click

from pixsed.cli.versions import version_option
from pixsed.errors import Stopped
from pixsed.signals import signal_name, stopping

# Name of the subcommand -> its short help, so that `pixsed --help` imports no subcommand. A test
# compares each line with the short help of the command.
COMMANDS = {
    "bkg": "Subtract the sky background and add its rms to the errors.",
    "psf": "Make the effective PSF of an image from its stars.",
    "psfmatch": "Convolve an image to another image's PSF, errors included.",
    "cutout": "Cut galaxies out of mosaics into photometric cubes.",
    "noise": "Measure the noise of pixels on cubes, for training.",
    "bin": "Bin the pixels of a galaxy to a target S/N.",
    "check": "Check the inputs of a fit without fitting them, and estimate its time and memory.",
    "fit": "Fit cubes, mosaics or a table of photometry: maps of posterior quantiles.",
    "sum-mass": "Total masses and SFRs of galaxies, resolved and integrated.",
    "profile": "Radial profile of a galaxy, in elliptical annuli.",
    "merge": "Put maps that were fitted in parts, or tables, together.",
    "run": "Go from the images of a field to maps and total masses.",
    "rgb": "Draw an RGB image of a cube or of three images.",
    "plot": "Draw maps as pictures.",
    "corner": "Draw posteriors of pixels, regions or table rows as a corner plot.",
    "sfh": "Recover star-formation histories of pixels, regions or table rows.",
    "ppc": "Compare the photometry of posterior draws with the data.",
    "compare": "Compare two tables or maps: offsets, scatter and outliers.",
    "ds9": "Print or run the command that shows maps in DS9.",
    "models": "List the shipped models and their cards.",
    "cite": "Print what to cite: papers and packages, as BibTeX.",
    "completion": "Print the script that completes command lines in a shell.",
    "ssp": "Make a grid of simple stellar populations.",
    "simulate": "Simulate photometry of stellar populations drawn from a prior.",
    "train": "Train a flow on simulations.",
    "export": "Export a trained flow to ONNX.",
    "validate": "Test a model on simulations or tables of truths: accuracy, calibration.",
}


def command_of(name):
    """Return the click command of a name in `COMMANDS`, with the variables of its options."""
    command = importlib.import_module(f"pixsed.cli.{name.replace('-', '_')}").command
    _name_variables(name, command)
    return command


class LazyGroup(click.Group):
    """Group of subcommands in `pixsed.cli.<name>`, imported when they are called."""

    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        if name not in COMMANDS:
            return None
        command = command_of(name)
        if ctx is not None and ctx.resilient_parsing:  # the shell completes a command line
            from pixsed.cli.complete import attach

            attach(command)
        return command

    def shell_complete(self, ctx, incomplete):
        # Click would import every command for its help.
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=text)
            for name, text in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx, formatter):
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _name_variables(command_name, command):
    """Let each option be read from a variable of its own name, such as PIXSED_FIT_UNIT for --unit.

    Click names variables after parameters of functions. Those still work.
    """
    for param in command.params:
        if isinstance(param, click.Option):
            words = command_name, max(param.opts, key=len).lstrip("-"), param.name
            names = [word.upper().replace("-", "_") for word in words]
            param.envvar = [f"PIXSED_{names[0]}_{name}" for name in dict.fromkeys(names[1:])]


EPILOG = """\b
Examples:
  pixsed cutout *_psfm.fits --segmap seg.fits --id 531 --redshift 5.24 -o 531.fits
  pixsed fit 531.fits --model tau -o maps.fits
"""


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"auto_envvar_prefix": "PIXSED", "help_option_names": ["-h", "--help"]},
)
@version_option
def cli():
    """Make maps of stellar mass, star formation, age, metallicity and dust, pixel by
    pixel, from JWST and HST images: FITS in, FITS out.

    From images to maps: bkg, psf, psfmatch, cutout, noise, bin, check, fit, merge,
    sum-mass; run for all steps of a field.
    To look at maps, and to compare them: rgb, plot, ds9, compare.
    Of single pixels, regions and annuli: corner, sfh, ppc, profile.
    To a model of your own: ssp, simulate, train, export, validate.
    What to cite: cite. Completion by the shell: completion.
    """


def _tell(text):
    """Write a line to stderr, if it can be written to, and to the file of `--log`."""
    from pixsed.cli.log_file import record

    with contextlib.suppress(OSError):
        record(text)
    with contextlib.suppress(OSError):
        click.echo(f"pixsed: {' '.join(text.split())}", err=True)


def _show_warning(message, category, filename, lineno, file=None, line=None):
    _tell(f"warning: {message}")


def _filter_warnings():
    """Show the warnings of pixsed; hide those of libraries, unless `-v` is given."""
    from pixsed.errors import PixsedWarning

    warnings.showwarning = _show_warning
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", PixsedWarning)


def _open_standard_streams():
    """Open /dev/null in place of standard streams that are closed.

    Otherwise the first file opened would reuse the descriptor of a closed stream and receive the
    messages meant for the terminal. Writing to a closed standard output is still an error.
    """
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # uses the lowest free descriptor
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)


def _flush():
    """Flush standard output; raise `OSError` if it cannot be written to."""
    trouble = None
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except OSError as error:
            trouble = error if stream is sys.stdout else None
            # Otherwise Python would flush it again at exit, and complain.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if trouble is not None:
        raise OSError(trouble.errno, trouble.strerror, "standard output")


def main(args=None):
    """Run the command line and exit by `sys.exit`.

    The status is 0 for done, 1 for failed, 2 for wrong usage, and 128 plus the number of a signal:
    130 after Ctrl-C, 143 after SIGTERM. A failure is one line on stderr, with `-vv` after the
    traceback.
    """
    from pixsed.cores import limit_threads
    from pixsed.environment import prepare_command

    _open_standard_streams()
    prepare_command()
    limit_threads()
    try:
        with warnings.catch_warnings(), stopping() as came:
            _filter_warnings()
            status = _run(args, came)
    except Stopped as stopped:
        name = signal_name(stopped.signal)
        how = "stopped" if name == "SIGINT" else f"stopped by {name}"
        _tell(f"{how}; {stopped.kept}" if stopped.kept else how)
        status = 128 + stopped.signal
    sys.exit(status)


def _run(args, came):
    """Run the command line and return its exit status; failures are reported on stderr."""
    status = _status_of(lambda: _call(args, came))
    if status:  # reported already
        with contextlib.suppress(OSError):
            _flush()
        return status
    return _status_of(_flush)


def _call(args, came):
    try:
        cli.main(args=args, prog_name="pixsed", standalone_mode=False)
    except Exception as error:
        if came:  # the error is a consequence of the signal
            raise Stopped(came[-1]) from error
        raise


def _text(error):
    """Return the message of an error, without its error number."""
    from pixsed.errors import failure_text

    if isinstance(error, OSError) and error.errno == errno.EBADF:
        return "standard output is closed"
    return failure_text(error)


def _status_of(work):
    """Return the exit status of a function without arguments; its failure is reported on stderr."""
    from pixsed.cli.options import verbosity
    from pixsed.errors import PixsedError

    try:
        work()
        return 0
    except click.exceptions.Abort:
        _tell("stopped")
        return 1
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except BrokenPipeError:
        _tell("error: standard output: the reader closed it before the end")
        return 1
    except (PixsedError, OSError, MemoryError) as error:
        if verbosity() >= 2:
            traceback.print_exc()
        _tell(f"error: {_text(error)}")
        return 1
    except Exception as error:  # a bug in pixsed, not in the user's files
        if verbosity() >= 2:
            traceback.print_exc()
        _tell(_text(error))
        return 1


if __name__ == "__main__":
    main()
