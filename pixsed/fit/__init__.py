"""Inference: from fluxes to posterior quantiles, on onnxruntime alone."""
