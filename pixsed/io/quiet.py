"""Keep astropy's notices off standard output, where a FITS file may go."""

import contextlib


@contextlib.contextmanager
def quiet_astropy():
    """Keep back the notices of astropy's log, which go to standard output.

    For users of the Python API: under the command line settings/astropy/astropy.cfg keeps them
    back altogether. Warnings and errors of the log go to standard error, and are not changed.
    """
    import logging

    from astropy import log

    level = log.level
    log.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        log.setLevel(level)
