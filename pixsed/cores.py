"""Number of cores available to this process, memory per core, and limits of threads."""

import contextlib
import math
import os
from pathlib import Path

from pixsed.environment import variables

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_limited = False


def cores(root="/"):
    """Return the number of cores that this process may use, at least 1.

    It is the minimum of the CPU affinity (taskset, SLURM) and the CPU quotas of the control
    groups of this process (containers, systemd), version 1 or 2. A quota of 1.5 cores counts
    as 2. `os.process_cpu_count` (Python 3.13) ignores quotas.

    Parameters
    ----------
    root : path-like, optional
        Root folder that contains ``proc`` and ``sys``.

    Returns
    -------
    int
    """
    return max(1, math.ceil(min(_affinity(), *_quotas(Path(root)))))


def memory_per_core():
    """Return the memory of the machine in bytes, over its number of cores; 0 if not known."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not POSIX
        return 0.0
    return total / (os.cpu_count() or 1)


def _affinity():
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not Linux
        return os.cpu_count() or 1


def _quotas(root):
    """Return the CPU quotas of the control groups of this process, in cores, and infinity."""
    found = [math.inf]
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        number, controllers, place = (line.split(":", 2) + ["", ""])[:3]
        if number == "0":
            mounts, read = [""], _quota_v2
        elif "cpu" in controllers.split(","):
            mounts, read = [controllers, "cpu"], _quota_v1
        else:
            continue
        # A container may report a path on the host; its own limits are then at the top level.
        parts = [part for part in place.split("/") if part not in ("", "..")]
        for mount in mounts:
            top = root / "sys/fs/cgroup" / mount
            for depth in range(len(parts) + 1):
                with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
                    found.append(read(top.joinpath(*parts[:depth])))
    return [quota for quota in found if quota > 0]


def _quota_v2(folder):
    quota, period = (folder / "cpu.max").read_text().split()
    return math.inf if quota == "max" else int(quota) / int(period)


def _quota_v1(folder):
    quota, period = (
        int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period")
    )
    return quota / period  # negative without a quota


def limit_threads():
    """Limit numerical libraries that are imported later to `cores` threads.

    The libraries respect the CPU affinity but not a CPU quota. As in `one_thread`, a user's own
    setting takes precedence.
    """
    global _limited
    if not _limited and any(name in os.environ for name in _THREADS):
        return
    allowed = cores()
    if allowed < _affinity():
        os.environ.update(dict.fromkeys(_THREADS, str(allowed)))
        _limited = True


@contextlib.contextmanager
def one_thread():
    """Limit numpy to one thread if it is imported, or a process is started, within the block.

    With several threads, products of small matrices are slower and are rounded differently. A
    user's own setting of OMP_NUM_THREADS, OPENBLAS_NUM_THREADS or MKL_NUM_THREADS takes precedence.
    The environment is restored afterwards.
    """
    if not _limited and any(name in os.environ for name in _THREADS):
        yield
        return
    with variables(**dict.fromkeys(_THREADS, "1")):
        yield
