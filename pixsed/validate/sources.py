"""Sources of tests: simulations of pixsed, or a table of galaxies of another code."""

import warnings
from pathlib import Path

import numpy as np

from pixsed.bands import PAPER_BANDS
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.formats.kinds import describe
from pixsed.io.inputs import check_input
from pixsed.io.locate import parse_location
from pixsed.io.writers.table_blocks import part_path
from pixsed.simulate.noise import NOISE_MODELS, choose_noise
from pixsed.simulate.table import physics_differences
from pixsed.validate.bins import bins_by, standard_bins
from pixsed.validate.cases import CASES, Case, first_block, observe_case, with_t50lb
from pixsed.validate.options import TESTS
from pixsed.validate.outside import observe_outside, read_outside

#: Label of the case of a table.
TABLE = "table"


def open_source(path, model, name, options, noise):
    """Return the `SimulationSource` or `TableSource` of a file.

    Parameters
    ----------
    path : path-like
        Table of simulations, or a table as read by `~pixsed.validate.outside.read_outside`.
    model : `~pixsed.fit.model.Model`
    name : str
        Name of the model, for messages.
    options : `~pixsed.validate.options.ValidateOptions`
    noise : noise model of `pixsed.simulate.noise`
    """
    place = Path(parse_location(str(path)).path)
    if not part_path(place).is_file():
        check_input(place, "simulations", "make some with 'pixsed simulate'")
    unfinished = not place.is_file()  # the reader of simulations tells more
    if unfinished or describe(place) == "simulations":
        return SimulationSource(path, model, name, options, noise)
    return TableSource(path, model, name, options, noise)


class SimulationSource:
    """Simulations, observed in cases.

    Parameters
    ----------
    path, model, name, options, noise
        As in `open_source`.

    Attributes
    ----------
    prior : str
    same_prior : bool
        Whether it is the prior of the model.
    columns : dict of `~numpy.ndarray`
        Parameters of the first simulations.
    kinds : tuple of tuple
        Bins of the tables.

    Raises
    ------
    PixsedError
        If the simulations have other bands than the model.

    Warns
    -----
    PixsedWarning
        If their physics is not that of the model's training.
    """

    noisy = False

    def __init__(self, path, model, name, options, noise):
        self.path, self.model, self.name = path, model, name
        self.options, self.noise = options, noise
        first = first_block(path)
        if first.bands != model.bands:
            raise PixsedError(f"{path} has other bands than {name}; simulate with the model's")
        if own := first.own_depths:
            self.noise = choose_noise(options.noise, [], floor=options.noise_floor, own=own)
        other = physics_differences(first.meta, model.metadata.get("sps", {}))
        if other := other or first.filter_differences(model.metadata.get("filters", [])):
            warnings.warn(
                f"{path} differ in kind from the training of {name} ({other}): the "
                "model is tested on those",
                PixsedWarning,
                stacklevel=5,
            )
        self.prior, self.same_prior = first.prior, first.prior == model.sfh
        self.columns = with_t50lb(first.columns)
        by = bins_by(self.columns, options.by, path)
        self.kinds = (*standard_bins(model.redshift_range[1]), *by)

    def cases(self, note):
        """Return the cases to test; raise `PixsedError` if a requested case is impossible."""
        options, flow = self.options, self.model
        # A measured table may lack bands that a case does not need.
        noisy = None if options.noise in NOISE_MODELS else self.noise.table.bands
        chosen = options.cases or TESTS
        cases = [CASES[case] for case in chosen if case != "ood"]
        impossible = [c for c in cases if not c.possible(flow.bands, flow.redshift_err_max, noisy)]
        if impossible and options.cases:
            raise PixsedError(
                f"--cases {impossible[0].label}: {self.name} has too few bands, or no redshift "
                f"errors, or --noise {options.noise} lacks some of its bands; leave it out"
            )
        if impossible:
            left_out = ", ".join(case.label for case in impossible)
            note(
                "left out, since the model has too few bands or no redshift errors, or the noise "
                f"lacks bands: {left_out}"
            )
        if "ood" in chosen and not CASES["paper"].possible(flow.bands, 0, noisy):
            lacking = [b for b in PAPER_BANDS if b in flow.bands and noisy and b not in noisy]
            raise PixsedError(
                f"--noise {options.noise} has no noise of {', '.join(lacking) or 'these bands'}, "
                "and artefacts are made in the bands of the paper; leave ood out of --cases"
            )
        return [case for case in cases if case not in impossible]

    def observe(self, case):
        """Return the `~pixsed.validate.cases.Observed` of a case."""
        options = self.options
        return observe_case(
            self.path,
            self.noise,
            case,
            snr_min=options.snr_min,
            snr_max=options.snr_max,
            number=options.number,
            per_bin=options.per_bin,
            seed=options.seed,
            photo_z_max=self.model.redshift_err_max,
            kinds=self.kinds,
        )

    def cube_values(self, observed, names):
        """Return the values of properties whose distribution scales joint distances."""
        return {name: self.columns[name] for name in names}

    @property
    def artefacts(self):
        """True if artefacts are made."""
        return "ood" in (self.options.cases or TESTS)


class TableSource:
    """Galaxies of a table, whose photometry is used as it is, or observed once.

    Parameters and attributes are those of `SimulationSource`; `prior` is ``"table"``, and there
    are no `columns`.

    Raises
    ------
    PixsedError
        If options that only simulations have are given.
    """

    prior, same_prior, columns, artefacts = TABLE, False, None, False

    def __init__(self, path, model, name, options, noise):
        for given, option in ((options.cases, "--cases"), (options.per_bin, "--per-bin")):
            if given:
                raise PixsedError(
                    f"{path}: {option} is for simulations, and this is a table; leave it out"
                )
        self.path, self.model = path, model
        self.options, self.noise = options, noise
        self.table = read_outside(path, model)
        self.noisy = self.table.noisy
        by = bins_by(self.table.columns, options.by, path)
        self.kinds = (*standard_bins(model.redshift_range[1]), *by)

    def cases(self, note):
        """Return the only case; `note` is not used."""
        return [Case(TABLE, photo_z=self.table.photo_z)]

    def observe(self, case):
        """Return the `~pixsed.validate.cases.Observed` of the table."""
        options = self.options
        return observe_outside(
            self.table,
            self.model.bands,
            self.noise,
            self.kinds,
            snr_min=options.snr_min,
            snr_max=options.snr_max,
            number=options.number,
            seed=options.seed,
        )

    def cube_values(self, observed, names):
        """Return the values of properties whose distribution scales joint distances."""
        known = {name: np.asarray(observed.truth[name], dtype=float) for name in names}
        return {name: v[np.isfinite(v)] for name, v in known.items() if np.isfinite(v).any()}
