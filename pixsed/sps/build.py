"""Construction of SSP grids by the name of their library."""

from dataclasses import dataclass

from pixsed.errors import PixsedError


@dataclass(frozen=True)
class SSPOptions:
    """Options of an SSP grid.

    Attributes
    ----------
    library : {"bc03", "fsps"}
    imf : {"chabrier", "kroupa", "salpeter"} or None
        Initial mass function. None stands for chabrier with fsps, and for kroupa with bc03.
        With bc03, chabrier turns the masses of the Kroupa IMF by a constant.
    log_u : float or None
        Ionisation parameter of the nebular emission; None: an axis from -4 to -1.
    zinterp : {"log", "linear"}
        Interpolation of spectra in metallicity: linear in log Z, or in Z.
    refine : int
        Number of parts of each old age bin; bc03 only.
    sps_home : path-like or None
        FSPS's data folder; None: the environment variable SPS_HOME. fsps only.
    agb_dust : bool
        Include dust shells around AGB stars; fsps only.

    Raises
    ------
    PixsedError
        If the library does not have an option.
    """

    library: str
    imf: str | None = None
    log_u: float | None = -2.0
    zinterp: str = "log"
    refine: int = 1
    sps_home: str | None = None
    agb_dust: bool = True

    def __post_init__(self):
        if self.library not in ("bc03", "fsps"):
            raise PixsedError(f"library must be bc03 or fsps, got {self.library!r}")
        if self.library == "fsps":
            if self.refine > 1:
                raise PixsedError(
                    "--refine is for --library bc03 only; the age bins of FSPS are already narrow"
                )
            return
        if self.sps_home or not self.agb_dust:
            raise PixsedError("--sps-home and --no-agb-dust are for --library fsps only")


def build_ssp(options, *, progress=None):
    """Build the SSP grid of a library.

    Parameters
    ----------
    options : `SSPOptions`
    progress : callable, optional
        Called with the number of steps done and the number of all steps; fsps only.

    Returns
    -------
    grid : `~pixsed.sps.ssp.SSPGrid`
    inputs : list of `~pathlib.Path`
        Files or folders read.

    Raises
    ------
    PixsedError
        If the library or its files are missing, or an option is out of range.
    """
    if options.library == "bc03":
        from pixsed.sps import bc03

        return bc03.build(
            options.log_u,
            imf=options.imf or "kroupa",
            zinterp=options.zinterp,
            refine=options.refine,
        )
    from pixsed.sps import fsps_grid

    return fsps_grid.build(
        options.sps_home,
        imf=options.imf or "chabrier",
        log_u=options.log_u,
        agb_dust=options.agb_dust,
        zinterp=options.zinterp,
        progress=progress,
    )
