"""Reading and writing of files: images, cubes, maps, tables; their units, bands and WCS."""
