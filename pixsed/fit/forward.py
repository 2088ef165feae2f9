"""Photometry and spectra of posterior draws, by the forward model on an SSP grid.

A draw describes a population completely where its history follows from the draw, and where the
model has no parameters that it does not return: for the prior `tau`. The draws of `dirichlet`
lack the present rate. Histories with the same LOGSFR can then differ in the last 10 Myr, and some
draws have an LOGSFR or AGE that no history with their T25, T50 and T75 has.
"""

import numpy as np

from pixsed import cosmology
from pixsed.errors import PixsedError
from pixsed.fit.histories import history_of, is_coarse
from pixsed.simulate.priors import PRIORS
from pixsed.sps.photometry import PhotometryModel

# Cards of an SSP grid that must be those of the model.
_SAME = ("LIBRARY", "ISOCHRO", "SPECLIB", "IMF", "ZSUN", "ZINTERP", "NEBULAR", "DUSTEM")
#: Number of wavelengths of a spectrum.
WAVELENGTHS = 1200
_MARGIN = 1e-6  # above the largest redshift and A_V
# Differences in dex of a rebuilt history from its draw.
_SAME_RATE, _SAME_AGE = 0.03, 0.05


class ForwardModel:
    """Forward model of the populations that the draws of a model describe.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    ssps : sequence of `~pixsed.sps.ssp.SSPGrid`
        One grid, of the populations on which the model was trained.
    name : str, optional
        File of the grid, for messages.

    Attributes
    ----------
    exact : bool
        True if every draw describes one population.

    Raises
    ------
    PixsedError
        If the draws of the model do not describe populations, or the grid is not that of the
        model.
    """

    def __init__(self, model, ssps, name="the SSP grid"):
        prior = PRIORS.get(model.sfh)
        if prior is None or is_coarse(model.sfh):
            raise PixsedError(
                f"--ssp: the draws of model {model.name}, with prior {model.sfh or 'unknown'}, do "
                "not tell all that its photometry depends on; omit --ssp, or try --model tau or "
                "dirichlet"
            )
        if len(ssps) != prior.LIBRARIES:
            raise PixsedError(
                f"--ssp: model {model.name} needs {prior.LIBRARIES} SSP grid, got {len(ssps)}; "
                "give --ssp once"
            )
        self._sps = model.metadata.get("sps", {})
        [ssp] = ssps
        for key in _SAME:
            own, other = self._sps.get(key), ssp.meta.get(key)
            if own is not None and other is not None and not _same(own, other):
                raise PixsedError(
                    f"--ssp {name}: its {key} is {other}, and model {model.name} was trained with "
                    f"{own}; give the grid of the model (pixsed ssp)"
                )
        if len(ssp.log_u) > 1:
            log_u = self._sps.get("LOGU")
            ssp = ssp.at_log_u(log_u if isinstance(log_u, int | float) else prior.LOG_U)
        self._model, self._ssp, self._made = model, ssp, (None, 0.0, None)
        self.exact = model.sfh == "tau"

    def describing(self, posterior, draws):
        """Return those of some draws whose histories have the LOGSFR and AGE of the draw.

        Parameters
        ----------
        posterior : `~pixsed.fit.select_draws.Posterior`
        draws : `~numpy.ndarray`, shape (K,), int
            Indices of the draws.
        """
        if self.exact:
            return draws
        *_, history = self._populations(posterior, draws)
        samples = {name: posterior.samples[name][draws] for name in ("LOGSFR", "LOGMFORM", "AGE")}
        rate = history.log_sfr() - (samples["LOGSFR"] - samples["LOGMFORM"])
        age = np.log10(history.mass_weighted_age() / samples["AGE"])
        return draws[(np.abs(rate) < _SAME_RATE) & (np.abs(age) < _SAME_AGE)]

    def photometry(self, posterior, bands, draws=slice(None)):
        """Return the fluxes of the draws of a posterior.

        Parameters
        ----------
        posterior : `~pixsed.fit.select_draws.Posterior`
        bands : sequence of str
        draws : slice or `~numpy.ndarray` of int, optional
            The draws; by default, all.

        Returns
        -------
        `~numpy.ndarray`, shape (S, B), float64
            nJy, without noise; for a bin of pixels, of the whole bin.
        """
        mass, z, metal, av, history = self._populations(posterior, draws)
        made = self._photometry_model(bands, z.max())
        fluxes = made.fluxes(z, made.weights(history), metal, av)
        return fluxes * 10.0 ** mass[:, None]

    def spectra(self, posterior, bands, draws):
        """Return the spectra of some draws of a posterior, over the range of the bands.

        Parameters
        ----------
        posterior : `~pixsed.fit.select_draws.Posterior`
        bands : sequence of str
        draws : `~numpy.ndarray`, shape (K,), int
            Indices of the draws.

        Returns
        -------
        wave : `~numpy.ndarray`, shape (`WAVELENGTHS`,)
            Observed wavelength, Angstrom.
        spectra : `~numpy.ndarray`, shape (K, `WAVELENGTHS`), float64
            f_nu in nJy.
        """
        mass, z, metal, av, history = self._populations(posterior, draws)
        made = self._photometry_model(bands, z.max())
        low, high = made.wave[0] * (1 + z.max()), made.wave[-1] * (1 + z.min())
        wave = np.geomspace(low, high, WAVELENGTHS)
        spectra = made.spectra(z, made.weights(history), metal, av, wave)
        return wave, spectra * 10.0 ** mass[:, None]

    def _populations(self, posterior, draws):
        """Return log mass, redshift, [M/H], A_V and the histories of draws."""
        samples = {
            name: np.asarray(values, dtype=float)[draws]
            for name, values in posterior.samples.items()
        }
        count = len(samples["LOGMFORM"])
        z = np.broadcast_to(samples.get("REDSHIFT", posterior.redshift), count).astype(float)
        if not z.min() > 0:
            raise PixsedError(
                f"{posterior.label}: redshift must be above 0 for photometry, got {z.min():.4g}; "
                "omit --ssp"
            )
        mass = samples["LOGMFORM"]
        if posterior.rows is not None and posterior.rows.npix is not None:
            mass = mass + np.log10(posterior.rows.npix[0])  # the draws are those of one pixel
        history = history_of(samples, self._model.sfh, cosmology.age(z))
        return mass, z, samples["METAL"], np.maximum(samples["AV"], 0.0), history

    def _photometry_model(self, bands, z_max):
        """Return the `~pixsed.sps.photometry.PhotometryModel`; the last one is kept."""
        known, top, made = self._made
        if known != list(bands) or not z_max <= top:
            top = float(z_max) + _MARGIN
            made = PhotometryModel(
                self._ssp,
                bands,
                z_max=top,
                av_max=PRIORS[self._model.sfh].AV_MAX + _MARGIN,
                attenuation=self._sps.get("ATTENUAT", "calzetti"),
                igm=self._sps.get("IGM", "inoue14"),
            )
            self._made = list(bands), top, made
        return made


def _same(one, other):
    """Return whether two values of a card are equal, numbers within rounding."""
    if isinstance(one, int | float) and isinstance(other, int | float):
        return bool(np.isclose(one, other, rtol=1e-3))
    return str(one).strip().lower() == str(other).strip().lower()
