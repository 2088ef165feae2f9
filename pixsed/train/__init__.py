"""Flows, their training and their ONNX export; the only folder that imports torch."""
