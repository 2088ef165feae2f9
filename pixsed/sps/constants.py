"""Physical constants and unit conversions that enter every flux.

They are written out: `astropy.constants` and `astropy.units` give numbers that differ in the
last bit, with which simulations of the same seed would no longer be the same.
"""

#: Speed of light, Angstrom / s.
C_ANGSTROM = 2.99792458e18
#: Megaparsec, cm.
MPC_CM = 3.0856775814913674e24
#: 1 erg / s / cm^2 / Hz, nJy.
CGS_NJY = 1e32
