"""Tests of a model on simulations: whether its medians and error bars can be believed."""
