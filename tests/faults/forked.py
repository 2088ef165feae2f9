"""Runs of commands in forked processes, which need not import anything again."""

import importlib
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

#: Bytes of memory that a run may take, and wall time over the limit of CPU time. Wall time depends
#: on what else the machine does, so its limit is for runs that wait for ever.
MEMORY, WALL = 8 << 30, 10


def import_all():
    """Import what the commands need, so that each forked process has it."""
    from pixsed.cli.main import COMMANDS
    from pixsed.fit import runtime

    for name in COMMANDS:
        importlib.import_module(f"pixsed.cli.{name.replace('-', '_')}")
    for name in ("astropy.table", "astropy.wcs", "photutils.segmentation", "pixsed.fit.to_file"):
        importlib.import_module(name)
    runtime.load()


def fork(place, prepare, name=""):
    """Begin a run of the command line in a folder, and return the number of its process.

    Its output goes to the files ``.out`` and ``.err`` of the folder.

    Parameters
    ----------
    place : `~pathlib.Path`
        Folder of the run; its temporary files go there too, unless `prepare` sets TMPDIR.
    prepare : callable
        Called without arguments in the new process, in the folder. It returns the words of the
        command, and the CPU seconds after which the run counts as hanging.
    name : str, optional
        End of the names of the two files.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        os.chdir(place)
        os.environ["TMPDIR"] = str(place)
        for file, number in {f".out{name}": 1, f".err{name}": 2}.items():
            os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), number)
        sys.stdout, sys.stderr = (open(n, "w", closefd=False, buffering=1) for n in (1, 2))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        args, seconds = prepare()
        tempfile.tempdir = None
        os.ftruncate(2, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        # Python leaves Ctrl-C ignored where the tests run in the background of a shell.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.alarm(WALL * seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        from pixsed.cli.main import main

        try:
            main(args)
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        sys.stdout.flush()
    finally:
        os._exit(status)


def run(place, args, *, seconds=60, before=None):
    """Run the command line in a folder; return its status and what it said on stderr.

    Parameters
    ----------
    place : `~pathlib.Path`
    args : sequence of str
    seconds : int, optional
        CPU seconds after which it is ended, with the status ``-signal.SIGXCPU``; if it only
        waits, it is ended after `WALL` times as many seconds, with ``-signal.SIGALRM``.
    before : callable, optional
        Called without arguments in the new process.
    """

    def prepare():
        if before is not None:
            before()
        return list(args), seconds

    _, status = os.waitpid(fork(place, prepare), 0)
    said = Path(place, ".err").read_text(errors="replace")
    return os.waitstatus_to_exitcode(status), said


def bad_end(status, said):
    """Return how a run ended, if not by a result or an error of one line; else an empty text."""
    if status in (-signal.SIGALRM, -signal.SIGXCPU):
        return "HANG"
    if status < 0:
        return "CRASH"
    if "internal error" in said:
        return "INTERNAL ERROR"
    if "Traceback" in said:
        return "TRACEBACK"
    error = "pixsed: error:" in said or "Error:" in said
    if status and (status not in (1, 2) or not error):
        return "NO MESSAGE"
    return ""
