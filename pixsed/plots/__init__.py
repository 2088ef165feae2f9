"""Pictures of maps, learning curves and validation reports."""
