"""References to cite for commands, models and files, as BibTeX or as text.

``references.bib`` has every reference once. Other modules name entries by their keys.
"""
