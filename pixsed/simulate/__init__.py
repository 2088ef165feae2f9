"""Simulations: priors, noise models and batches of simulated populations."""
