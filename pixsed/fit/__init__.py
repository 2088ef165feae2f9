"""Inference of posterior quantiles from fluxes; onnxruntime is the only engine it needs."""
