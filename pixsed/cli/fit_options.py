"""The options of `pixsed fit`, and which of them go together."""

from dataclasses import dataclass, field, fields
from pathlib import Path

import click

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
        return {
            f"--{option.name.replace('_', '-')}": getattr(self, option.name)
            for option in fields(self)
            if option.metadata["data"] in (True, self.engine)
        }

    @property
    def settings(self):
        """How every pixel or row is fitted, of cubes and tables alike."""
        return dict(
            samples=self.samples,
            quantiles=self.quantiles,
            seed=self.seed,
            engine=self.engine,
            error_floor=self.error_floor,
        )

    @property
    def of_maps(self):
        """What `pixsed.fit.run.fit_image` takes beside what it fits, and where to."""
        return dict(
            settings=self.settings | {"snr_min": self.snr_min},
            tile=self.tile,
            command=self.command,
            overwrite=self.overwrite,
            resume=self.resume,
        )


def check_usage(asked, kind):
    """Raise `click.UsageError` if options do not go with a kind of input, or with each other."""
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
    of_redshift = [
        name for name in ("redshift", "redshift_err", "z_col", "zerr_col") if name in asked.given
    ]
    if of_redshift and load_model(asked).infers_redshift:
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
    if not given and not load_model(asked).infers_redshift:
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


def load_model(asked):
    """Return the `~pixsed.fit.model.Model` of the options, which has their engine."""
    from pixsed.fit.model import Model
    from pixsed.models import resolve

    model = Model(resolve(asked.model), provider=asked.provider)
    model.check_engine(asked.engine)
    return model
