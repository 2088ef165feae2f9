"""FITS in and out: images, cubes, maps, tables, units, provenance."""
