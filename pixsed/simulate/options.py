"""Options of a simulation; their metadata say whether they change its rows."""

from dataclasses import dataclass, field, fields

from pixsed.checks import check_choice
from pixsed.errors import PixsedError
from pixsed.simulate.priors import PRIORS
from pixsed.sps.dust import attenuation_law
from pixsed.sps.igm import check_igm


def _data(card, comment="", **default):
    """Return a field that changes the rows, with the FITS card of the table that holds it."""
    return field(metadata={"changes_data": True, "card": card, "comment": comment}, **default)


def _work(**default):
    """Return a field that changes only how the work is done."""
    return field(metadata={"changes_data": False}, **default)


@dataclass(frozen=True)
class SimulateOptions:
    """Options of a simulation.

    Attributes
    ----------
    prior : str
        A name in `pixsed.simulate.priors.PRIORS`.
    bands : tuple of str
        Bands of `pixsed.bands` or of `filters`, each once.
    number : int
        Number of populations.
    attenuation : {"calzetti", "charlot-fall", "smc", "salim"} or None
        Attenuation law of `pixsed.sps.dust`. Default: salim for the prior broad, calzetti for
        the others.
    igm : {"inoue14", "madau95", "none"}
        Absorption of `pixsed.sps.igm`.
    library : float or None
        Fraction of the second library of stars, 0 to 1, of all populations of the prior broad;
        None: drawn for each population.
    seed : int
    batch : int or None
        Number of rows that share one stream of random numbers; like the seed, it changes the
        rows. None: that of the prior.
    filters : tuple of `~pixsed.sps.own_filters.OwnFilter`
        Filters of bands that are not in `pixsed.bands`.
    jobs : int
        Number of processes.
    scheduler : str or None
        Address of a Dask scheduler, which replaces `jobs`.

    Raises
    ------
    PixsedError
        If a band is named twice, if the band of a filter is missing, if the prior, the law or the
        absorption is unknown, or if the law or the fraction does not belong to the prior.
    """

    prior: str = _data("PRIOR", "prior of the populations")
    bands: tuple = _data("BAND", "FLUX element")
    number: int = _data("NAXIS2", "rows")
    attenuation: str | None = _data("ATTENUAT", "attenuation law", default=None)
    igm: str = _data("IGM", "absorption by the intergalactic medium", default="inoue14")
    library: float | None = _data("LIBFRAC", "fraction of the second library", default=None)
    seed: int = _data("SEED", "seed of the random numbers", default=42)
    batch: int | None = _data("BATCH", "rows that share a stream of random numbers", default=None)
    filters: tuple = _data("FPIV", default=())
    jobs: int = _work(default=1)
    scheduler: str | None = _work(default=None)

    def __post_init__(self):
        object.__setattr__(self, "bands", tuple(self.bands))
        object.__setattr__(self, "filters", tuple(self.filters))
        for band in self.bands:
            if self.bands.count(band) > 1:
                raise PixsedError(f"bands must differ, got {band} twice; name each band once")
        for own in self.filters:
            if own.name not in self.bands:
                raise PixsedError(f"bands must have {own.name}, which has a filter of its own")
        check_choice("prior", self.prior, PRIORS)
        prior = PRIORS[self.prior]
        if self.attenuation is None:
            object.__setattr__(self, "attenuation", prior.ATTENUATION)
        if self.batch is None:
            object.__setattr__(self, "batch", prior.BATCH)
        if attenuation_law(self.attenuation).free != attenuation_law(prior.ATTENUATION).free:
            raise PixsedError(
                f"attenuation must be {prior.ATTENUATION} for the prior {self.prior}, "
                f"got {self.attenuation}"
            )
        check_igm(self.igm)
        self._check_library()

    def _check_library(self):
        """Check the fraction of the second library."""
        if self.library is None:
            return
        if PRIORS[self.prior].LIBRARIES == 1:
            raise PixsedError(f"the prior {self.prior} has one library, so library must be None")
        if not 0.0 <= self.library <= 1.0:
            raise PixsedError(f"library must be between 0 and 1, got {self.library}")

    def cards(self):
        """Return the FITS cards of the options that change the rows.

        An interrupted table is resumed only if all of them are unchanged.

        Returns
        -------
        list of tuple
            Keyword, value and comment; one card per band, and four more per filter.
        """
        cards = []
        for option in fields(self):
            if not option.metadata["changes_data"]:
                continue
            keyword, comment = option.metadata["card"], option.metadata["comment"]
            value = getattr(self, option.name)
            if value is None:
                continue
            if option.name == "filters":
                for own in value:
                    cards += own.cards(self.bands.index(own.name) + 1)
            elif isinstance(value, tuple):
                numbered = enumerate(value, 1)
                cards += [(f"{keyword}{i}", item, f"{comment} {i}") for i, item in numbered]
            else:
                cards.append((keyword, value, comment))
        return cards
