"""Writers of large files in parts: tables, planes, maps."""
