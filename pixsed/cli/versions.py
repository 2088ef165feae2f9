"""Versions of pixsed, of Python and of the packages that matter, without importing them."""

import contextlib

import click

from pixsed import __version__

#: Packages that `--version` names: those of every install, and of extras if they are installed.
REQUIRED = ("numpy", "scipy", "astropy", "photutils", "onnxruntime", "click")
OPTIONAL = (
    "matplotlib",
    "reproject",
    "regions",
    "dask",
    "astro-sedpy",
    "fsps",
    "bagpipes",
    "torch",
    "sbi",
    "onnx",
)


def installed(packages):
    """Return (name, version) of the packages that are installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found.append((package, version(package)))
    return found


def version_lines():
    """Return the lines of ``pixsed --version``."""
    import platform

    lines = [f"pixsed, version {__version__}", f"Python {platform.python_version()}"]
    found = dict(installed(REQUIRED))
    lines += [f"{name} {found.get(name, 'is not installed')}" for name in REQUIRED]
    lines += [f"{name} {number}" for name, number in installed(OPTIONAL)]
    return [*lines, platform.platform()]


def _show(ctx, param, value):
    if value and not ctx.resilient_parsing:
        click.echo("\n".join(version_lines()))
        ctx.exit()


version_option = click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show,
    help="Show the versions of pixsed, of Python and of the packages it uses, and exit.",
)
