"""Options of a simulation; their metadata say whether they change its rows."""

from dataclasses import dataclass, field, fields

from pixsed.checks import check_choice
from pixsed.errors import PixsedError
from pixsed.simulate.priors import PRIORS
from pixsed.sps.dust import attenuation_curves
from pixsed.sps.igm import check_igm

#: Number of rows that share one stream of random numbers; like the seed, it changes the rows.
BATCH = 50_000


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
    attenuation : {"calzetti", "charlot-fall", "smc"}
        Attenuation law of `pixsed.sps.dust`.
    igm : {"inoue14", "madau95", "none"}
        Absorption of `pixsed.sps.igm`.
    seed : int
    batch : int
        Number of rows that share one stream of random numbers.
    filters : tuple of `~pixsed.sps.own_filters.OwnFilter`
        Filters of bands that are not in `pixsed.bands`.
    jobs : int
        Number of processes.
    scheduler : str or None
        Address of a Dask scheduler, which replaces `jobs`.

    Raises
    ------
    PixsedError
        If a band is named twice, the band of a filter is missing, or the prior, the law or the
        absorption is unknown.
    """

    prior: str = _data("PRIOR", "prior of the populations")
    bands: tuple = _data("BAND", "FLUX element")
    number: int = _data("NAXIS2", "rows")
    attenuation: str = _data("ATTENUAT", "attenuation law", default="calzetti")
    igm: str = _data("IGM", "absorption by the intergalactic medium", default="inoue14")
    seed: int = _data("SEED", "seed of the random numbers", default=42)
    batch: int = _data("BATCH", "rows that share a stream of random numbers", default=BATCH)
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
        attenuation_curves(self.attenuation)
        check_igm(self.igm)

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
            if option.name == "filters":
                for own in value:
                    cards += own.cards(self.bands.index(own.name) + 1)
            elif isinstance(value, tuple):
                numbered = enumerate(value, 1)
                cards += [(f"{keyword}{i}", item, f"{comment} {i}") for i, item in numbered]
            else:
                cards.append((keyword, value, comment))
        return cards
