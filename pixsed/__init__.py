"""Maps of stellar mass, star formation, age, metallicity and dust from telescope images."""

__version__ = "0.1.0"
