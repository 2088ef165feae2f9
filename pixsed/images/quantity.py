"""Options given as numbers or as astropy quantities."""


def to_number(value, unit):
    """Return a `~astropy.units.Quantity` as a number in `unit`; other values unchanged."""
    return value.to_value(unit) if hasattr(value, "unit") else value
