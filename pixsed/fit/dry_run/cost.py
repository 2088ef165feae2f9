"""Time, memory and disk space that a fit is expected to take."""

import math
import sys
from pathlib import Path

from pixsed.fit.posterior import BATCH

# Bytes of a value of the maps, and bytes that are written to maps in a second.
_BYTES, _RATE = 4, 150e6
# Fraction of the processor's time that a dry run gets, below which the time without other programs
# is reported too.
_BUSY = 0.7


def check_cost(found, work, fitted, load_seconds, jobs, *, inputs=1, what="pixels"):
    """Add the time, memory and disk space of a fit.

    Parameters
    ----------
    found : `~pixsed.fit.dry_run.findings.Findings`
    work : `~pixsed.fit.dry_run.pixels.Work`
    fitted : `~pixsed.fit.dry_run.sample.FittedSample`
        Gives the time of a batch.
    load_seconds : float
        Time to load the model.
    jobs : int
        Number of threads; of many cubes, of processes.
    inputs : int, optional
        Number of cubes.
    what : str, optional
        What is fitted.

    Returns
    -------
    seconds, quiet : float
        The time in seconds, at the present load of the machine and without other programs.
    """
    processes = min(jobs, inputs)
    seconds = load_seconds + network_seconds(work, fitted, jobs)
    seconds += (work.read_seconds + _BYTES * work.planes / _RATE) / processes
    on = f"{jobs} core{'s' * (jobs > 1)}"
    quiet = seconds * fitted.quiet
    alone = f", {time_text(quiet)} without other programs" if fitted.quiet < _BUSY else ""
    per = 1e3 * network_seconds(work, fitted, jobs) / max(work.pixels, 1)
    found.ok(
        "time",
        f"about {time_text(seconds)} on {on} of this machine{alone}, for {work.pixels:,} {what} "
        f"({per:.2g} ms each)",
    )
    if memory := peak_bytes():
        memory += _BYTES * work.tile_planes
        each = f"; {processes} processes: {size_text(memory * processes)}"
        found.ok("memory", f"about {size_text(memory)}{each * (processes > 1)}")
    if work.planes:
        found.ok("disk", f"maps of {size_text(_BYTES * work.planes)} in all")
    return seconds, quiet


def network_seconds(work, fitted, jobs):
    """Return the time that the network takes for all pixels."""
    batches = work.batches
    if fitted.size != BATCH:  # the batches that are counted are those of the flow
        batches = math.ceil(work.batches * BATCH / fitted.size)
    return batches * fitted.seconds * fitted.jobs / max(1, min(jobs, batches))


def peak_bytes():
    """Return the largest memory that this process had, in bytes; None if it is not known.

    A dry run loads the model, reads tiles and fits batches as a fit does.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def time_text(seconds):
    """Return a time as ``8 s``, ``12 min`` or ``3.4 h``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s" if seconds >= 9.5 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


def size_text(number):
    """Return a number of bytes as ``310 MB`` or ``1.2 GB``."""
    return f"{number / 1e9:.1f} GB" if number >= 999.5e6 else f"{max(1, number / 1e6):.0f} MB"
