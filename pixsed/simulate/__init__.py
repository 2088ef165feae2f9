"""Priors, noise, and batches of simulated pixels."""
