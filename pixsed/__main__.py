"""Entry point of `python -m pixsed` and of the command `pixsed`."""

import signal


def main():
    """Run the command line (`pixsed.cli.main.main`)."""
    # Ctrl-C while modules are imported ends the process, without a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from pixsed.cli import main as cli

    cli.main()


if __name__ == "__main__":
    main()
