"""Construction of SSP grids by the name of their library."""

from dataclasses import dataclass

from pixsed.errors import PixsedError

LIBRARIES = ("bc03", "fsps", "fsps-public")


@dataclass(frozen=True)
class SSPOptions:
    """Options of an SSP grid.

    Attributes
    ----------
    library : {"bc03", "fsps", "fsps-public"}
    imf : {"chabrier", "kroupa", "salpeter"} or None
        Initial mass function. None stands for kroupa with bc03, and for chabrier else. With
        bc03, chabrier turns the masses of the Kroupa IMF by a constant.
    log_u : float or None
        Ionisation parameter of the nebular emission; None: an axis from -4 to -1.
    zinterp : {"log", "linear"}
        Interpolation of spectra in metallicity: linear in log Z, or in Z.
    refine : int
        Number of parts of each old age bin; not with fsps.
    sps_home : path-like or None
        FSPS's data folder; None: the environment variable SPS_HOME. fsps only.
    agb_dust : bool
        Include dust shells around AGB stars; fsps only.
    spectra : path-like or None
        FSPS's spectra from public emulators; fsps-public only, which needs it.

    Raises
    ------
    PixsedError
        If the library does not have an option, or needs one.
    """

    library: str
    imf: str | None = None
    log_u: float | None = -2.0
    zinterp: str = "log"
    refine: int = 1
    sps_home: str | None = None
    agb_dust: bool = True
    spectra: str | None = None

    def __post_init__(self):
        if self.library not in LIBRARIES:
            names = f"{', '.join(LIBRARIES[:-1])} or {LIBRARIES[-1]}"
            raise PixsedError(f"library must be {names}, got {self.library!r}")
        if self.library == "fsps" and self.refine > 1:
            raise PixsedError(
                "--refine is not for --library fsps; the age bins of FSPS are already narrow"
            )
        if self.library != "fsps" and (self.sps_home or not self.agb_dust):
            raise PixsedError("--sps-home and --no-agb-dust are for --library fsps only")
        self._check_spectra()

    def _check_spectra(self):
        if self.library != "fsps-public":
            if self.spectra:
                raise PixsedError("--spectra is for --library fsps-public only")
            return
        if not self.spectra:
            raise PixsedError(
                "--library fsps-public needs --spectra FILE, with the spectra of FSPS that public "
                "emulators make; try --library fsps, with FSPS itself"
            )
        if self.imf not in (None, "chabrier"):
            raise PixsedError(
                f"the emulated spectra of FSPS have a Chabrier IMF, got {self.imf}; "
                "try --library fsps"
            )


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
    inputs : list of path-like
        Files or folders read.

    Raises
    ------
    PixsedError
        If the library or its files are missing, or an option is out of range.
    """
    same = {"log_u": options.log_u, "zinterp": options.zinterp}
    if options.library == "bc03":
        from pixsed.sps import bc03

        return bc03.build(imf=options.imf or "kroupa", refine=options.refine, **same)
    if options.library == "fsps-public":
        from pixsed.sps import fsps_public

        return fsps_public.build(options.spectra, refine=options.refine, **same)
    from pixsed.sps import fsps_grid

    return fsps_grid.build(
        options.sps_home,
        imf=options.imf or "chabrier",
        agb_dust=options.agb_dust,
        progress=progress,
        **same,
    )
