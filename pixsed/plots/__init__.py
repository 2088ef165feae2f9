"""Pictures of maps, posteriors, histories, learning curves and validation reports."""
