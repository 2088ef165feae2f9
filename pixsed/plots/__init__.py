"""Pictures: maps, learning curves, validation reports."""
