"""Initial mass functions: living stars and remnants, by quadrature."""

import numpy as np
import pytest
from scipy.integrate import quad

from pixsed.sps import imf


def kroupa(m):
    return m**-1.3 if m < 0.5 else 0.5 * m**-2.3


def chabrier(m):
    """Return dN/dm of Chabrier (2003), table 1, per log m: 0.158 exp(...), then 0.0443 m^-1.3."""
    if m < 1:
        return 0.158 * np.exp(-0.5 * ((np.log10(m) - np.log10(0.079)) / 0.69) ** 2) / m
    return 0.0443 * m**-2.3


FUNCTIONS = {"kroupa": kroupa, "chabrier": chabrier}


def integral(name, function, low, high):
    """Return the integral of a function times an IMF, by quadrature."""
    knots = [low, *[m for m in (0.5, 1.0, 8.5, 40.0) if low < m < high], high]
    return sum(
        quad(lambda m: function(m) * FUNCTIONS[name](m), a, b, epsrel=1e-10)[0]
        for a, b in zip(knots[:-1], knots[1:], strict=True)
    )


def left_behind(m):
    return 0.077 * m + 0.48 if m < 8.5 else 1.4 if m < 40 else 0.5 * m


@pytest.mark.parametrize("name", list(FUNCTIONS))
@pytest.mark.parametrize("turnoff", [60.0, 20.0, 5.0, 1.5, 0.95])
def test_masses_by_quadrature(name, turnoff):
    whole = integral(name, lambda m: m, 0.1, 100.0)
    living = integral(name, lambda m: m, 0.1, turnoff) / whole
    remnants = integral(name, left_behind, turnoff, 100.0) / whole
    # Chabrier's 0.0443 is rounded.
    close = 2e-4 if name == "kroupa" else 4e-3
    assert imf.living_fraction(np.array([turnoff]), name)[0] == pytest.approx(living, rel=close)
    assert imf.turnoff_mass(np.array([living]), name)[0] == pytest.approx(turnoff, rel=8e-3)
    assert imf.remnant_fraction(np.array([turnoff]), name)[0] == pytest.approx(remnants, rel=close)


def test_no_dead_star():
    turnoff = imf.turnoff_mass(np.array([[1.0]]), "kroupa")
    assert imf.remnant_fraction(turnoff, "kroupa") == pytest.approx(0.0, abs=1e-9)


def test_masses_of_the_same_light():
    """Stars of 1 to 100 Msun, which make the light, form with 8 % less mass by Chabrier."""
    mass = {
        name: integral(name, lambda m: m, 0.1, 100.0) / integral(name, lambda m: m, 1.0, 100.0)
        for name in FUNCTIONS
    }
    assert mass["chabrier"] / mass["kroupa"] == pytest.approx(imf.CHABRIER_OVER_KROUPA, abs=0.03)
