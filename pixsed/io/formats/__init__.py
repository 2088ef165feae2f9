"""The file formats of pixsed: cubes, maps, tables of noise."""
