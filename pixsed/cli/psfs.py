"""What the subcommands that put bands together say of their PSFs."""


def tell_psfs(psfmatch):
    """Warn of bands that are not matched alike; say where none tells its PSF.

    Parameters
    ----------
    psfmatch : dict
        Band -> PSFMATCH.
    """
    from pixsed.cli.options import say
    from pixsed.io.psfmatch import says_nothing, warn_of_psfs

    warn_of_psfs(psfmatch)
    if says_nothing(psfmatch):
        say("none of the bands says to which PSF it is matched (no PSFMATCH)")
