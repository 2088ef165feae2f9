"""Tests of a model on simulations: accuracy of medians, and calibration of errors."""
