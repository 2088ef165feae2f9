"""Command line: one small file a subcommand."""
