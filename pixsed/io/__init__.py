"""Reading and writing of images, cubes, maps and tables, with their units, bands and WCS."""
