"""Field files on the command line: the steps of a field, their state, and running them."""
