"""Writers of large files in parts: tables, planes, mosaics, maps; merging of parts."""
