"""`python -m pixsed`."""

from pixsed.cli.main import main

main()
