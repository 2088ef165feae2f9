"""Tests of a model on simulations: accuracy of its medians, calibration of its errors."""
