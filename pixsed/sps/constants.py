"""Physical constants and unit conversions of the forward model.

The numbers that enter every flux are written out, because those of `astropy.constants` and
`astropy.units` differ in the last bit: simulations with the same seed would no longer be
identical.
"""

from astropy import units as u

#: Gigayear, yr.
YR_PER_GYR = u.Gyr.to(u.yr)
#: Angstrom, micron.
MICRON_PER_ANGSTROM = 1e-4
#: Micron, Angstrom.
ANGSTROM_PER_MICRON = 1e4
#: Speed of light, Angstrom / s.
C_ANGSTROM = 2.99792458e18
#: Megaparsec, cm.
MPC_CM = 3.0856775814913674e24
#: 1 erg / s / cm^2 / Hz, nJy.
CGS_NJY = 1e32
