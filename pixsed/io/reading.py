"""The error of a file whose content is not what its reader expects."""

import contextlib
import gzip
import zlib

from astropy.io import fits

from pixsed.errors import PixsedError

try:  # It is private, so it may move, but it has no public base class but Exception.
    from astropy.io.fits.hdu.compressed._compression import CfitsioException
except ImportError:
    CfitsioException = fits.VerifyError

#: What Python, astropy and torch raise where a file has something else than its reader expects.
FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    gzip.BadGzipFile,
    zlib.error,
    CfitsioException,
    fits.VerifyError,
)


@contextlib.contextmanager
def reading(path, what="", hint="check it, with fitsverify if it is FITS, or make it again"):
    """Raise a `PixsedError` that names a file for what its content raises in the block.

    Use it for the reading of a file alone, so that no fault of the program is blamed on the file.

    Parameters
    ----------
    path : str or path-like
    what : str, optional
        What it is read as, such as ``"a checkpoint"``.
    hint : str, optional
        What to try.
    """
    try:
        yield
    except FAULTS as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        as_what = f" as {what}" if what else ""
        raise PixsedError(f"{path} cannot be read{as_what} ({said}); {hint}") from error
