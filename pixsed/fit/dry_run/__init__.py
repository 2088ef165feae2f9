"""Dry run of a fit: findings about its inputs, each with what to do about it."""
