"""Sphinx: sphinx-build -b html docs docs/_build."""

from importlib.metadata import version as installed

project = "pixsed"
author = "The pixsed developers"
release = version = installed("pixsed")
extensions = []
exclude_patterns = ["_build"]
html_theme = "alabaster"
