"""Constants written out, against astropy."""

import pytest
from astropy import constants as const
from astropy import units as u

from pixsed.sps import constants

ASTROPY = {
    "MICRON_PER_ANGSTROM": u.AA.to(u.um),
    "ANGSTROM_PER_MICRON": u.um.to(u.AA),
    "C_ANGSTROM": const.c.to_value(u.AA / u.s),
    "MPC_CM": u.Mpc.to(u.cm),
    "CGS_NJY": (u.erg / u.s / u.cm**2 / u.Hz).to(u.nJy),
}


@pytest.mark.parametrize("name", ASTROPY)
def test_only_the_last_bit_differs_from_astropy(name):
    """The constants are written out because fluxes would change with those of astropy."""
    ours = getattr(constants, name)
    assert ours == pytest.approx(ASTROPY[name], rel=3e-16, abs=0)
    assert ours != ASTROPY[name]
