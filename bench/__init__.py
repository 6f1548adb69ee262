"""Measurements of assay as its users run it: `python -m bench`."""
