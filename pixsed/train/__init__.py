"""Flows, training and ONNX export: the only room that imports torch."""
