"""The `pixsed` command: a group that loads a subcommand only when it is called."""

import functools
import importlib
import sys
import traceback
import warnings

import click

from pixsed import __version__

# Name of the subcommand -> its one-line help, so that `pixsed --help` imports
# none of them. A test holds each line against the command's own short help.
COMMANDS = {
    "bkg": "Subtract the sky background and add its rms to the errors.",
    "psf": "Make the effective PSF of an image from its stars.",
    "psfmatch": "Convolve an image to another image's PSF, errors included.",
    "cutout": "Cut galaxies out of mosaics into photometric cubes.",
    "noise": "Measure the noise of pixels on cubes, for training.",
    "bin": "Group the pixels of a galaxy to a target S/N.",
    "fit": "Fit cubes, mosaics or a table of photometry: maps of posterior quantiles.",
    "sum-mass": "Total stellar mass of galaxies, resolved and integrated.",
    "merge": "Put maps that were fitted in parts, or tables, together.",
    "plot": "Draw maps as a picture.",
    "models": "List the shipped models and their cards.",
    "ssp": "Make a grid of simple stellar populations.",
    "simulate": "Simulate photometry of stellar populations drawn from a prior.",
    "train": "Train a flow on simulations.",
    "export": "Export a trained flow to ONNX.",
    "validate": "Test a model on simulations: accuracy and calibration.",
}


def _quiet(callback):
    """Return `callback` with astropy's notices kept off standard output."""

    @functools.wraps(callback)
    def call(*args, **kwargs):
        from pixsed.io.quiet import quiet_astropy

        with quiet_astropy():
            return callback(*args, **kwargs)

    return call


class LazyGroup(click.Group):
    """A group whose subcommands live in `pixsed.cli.<name>`, imported on demand."""

    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        if name not in COMMANDS:
            return None
        command = importlib.import_module(f"pixsed.cli.{name.replace('-', '_')}").command
        # Here, not around `main`: --help is not to import astropy.
        if not hasattr(command.callback, "__wrapped__"):
            command.callback = _quiet(command.callback)
        return command

    def format_commands(self, ctx, formatter):
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


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
@click.version_option(__version__, prog_name="pixsed")
def cli():
    """Maps of stellar mass, star formation, age, metallicity and dust, pixel by
    pixel, from JWST and HST images: FITS in, FITS out.

    The way from images to maps: bkg, psf, psfmatch, cutout, noise, bin, fit, merge, sum-mass.
    The way to a model of one's own: ssp, simulate, train, export, validate.
    """


def _show_warning(message, category, filename, lineno, file=None, line=None):
    click.echo(f"pixsed: warning: {' '.join(str(message).split())}", err=True)


def main(args=None):
    """Run the command line and return by `sys.exit`: 0 done, 1 failed, 2 usage.

    A failure is one line on stderr; with `-vv` the traceback goes before it.
    """
    from pixsed.cli.options import verbosity
    from pixsed.errors import PixsedError

    warnings.showwarning = _show_warning
    try:
        cli.main(args=args, prog_name="pixsed", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("pixsed: stopped", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except (PixsedError, OSError, MemoryError) as error:
        if verbosity() >= 2:
            traceback.print_exc()
        text = " ".join(str(error).split()) or type(error).__name__
        click.echo(f"pixsed: error: {text}", err=True)
        sys.exit(1)
    except Exception as error:  # a defect of pixsed, not of the user's files
        if verbosity() >= 2:
            traceback.print_exc()
        text = " ".join(str(error).split())
        click.echo(
            f"pixsed: internal error: {type(error).__name__}: {text} "
            "(run again with -vv for the traceback, and please report it)",
            err=True,
        )
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
