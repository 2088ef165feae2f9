"""From fluxes to posterior quantiles, on onnxruntime alone."""
