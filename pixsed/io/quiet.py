"""Keep astropy's notices off standard output, where a FITS file may go."""

import contextlib


@contextlib.contextmanager
def quiet_astropy():
    """Keep back what astropy logs as information: it goes to standard output.

    Its warnings and errors, which go to standard error, are not changed.
    """
    import logging

    from astropy import log

    level = log.level
    log.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        log.setLevel(level)
