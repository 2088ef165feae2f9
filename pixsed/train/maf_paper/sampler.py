"""Posterior samples of the paper's network, in the form that validation wants."""

import hashlib
from pathlib import Path

import numpy as np
import torch

from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.simulate.priors import PRIORS
from pixsed.sps.sfh import LOG_SSFR_FLOOR, SFR_TIME, GPHistory, TauDelayed
from pixsed.train.maf_paper.fit import load_network, read_checkpoint
from pixsed.train.maf_paper.inputs import network_input

#: Draws that go through the network at once: 500 of 32 pixels.
_AT_ONCE = 16_000
_TIMES = ("T25", "T50", "T75")


def outside_prior(prior, samples, redshift):
    """Return which draws are outside the prior.

    Parameters
    ----------
    prior : str
        ``"tau"`` or ``"dirichlet"``.
    samples : dict of `~numpy.ndarray`, shape (N, S)
    redshift : `~numpy.ndarray`, shape (N,)

    Returns
    -------
    dict of str to `~numpy.ndarray` of bool, shape (N, S)
        By the parameter that is outside: bounds of the prior's coordinates; t_i before 0 or
        after the age of the Universe; t25, t50, t75 out of order; a rate under the floor or
        above the whole mass formed in 100 Myr; more mass left than formed.
    """
    found = {
        c.name: (samples[c.name] < c.from_unit(0.0)) | (samples[c.name] > c.from_unit(1.0))
        for c in PRIORS[prior].COORDINATES
        if c.name in samples and c.name not in ("TSTART", *_TIMES)
    }
    if "TSTART" in samples:
        start = samples["TSTART"]
        found["TSTART"] = (start < 0) | (start > age(redshift)[:, None])
    if "T25" in samples:
        t25, t50, t75 = (samples[name] for name in _TIMES)
        found |= {"T25": (t25 < 0) | (t25 > t50), "T50": t50 > t75, "T75": t75 > 1}
    specific = samples["LOGSFR"] - samples["LOGMFORM"]
    found["LOGSFR"] = (specific < LOG_SSFR_FLOOR) | (specific > -np.log10(SFR_TIME * 1e9))
    found["LOGMSTAR"] = samples["LOGMSTAR"] > samples["LOGMFORM"]
    return found


class Sampler:
    """The trained network as `pixsed.train.calibration.assess` calls it.

    Draws outside the prior are kept as they are and counted, never drawn again: rejection
    would have no end where all are outside. Age and lookback time are of the nearest
    history within the prior.

    Parameters
    ----------
    checkpoint : dict
        What `pixsed.train.maf_paper.train` returned.
    bands : sequence of str, optional
        Bands of the photometry that it will be given, the network's among them in any
        order; the network's by default.
    name, sha256 : str, optional
        Of the checkpoint's file.

    Attributes
    ----------
    bands : list of str
        Of the photometry.
    parameters : list of str
        The network's outputs.
    base_dim : int
        Standard normals a draw.
    sfh : str
        The prior.
    drawn : int
        Draws so far.
    outside : dict of str to int
        Draws so far outside the prior, by parameter, and ``"ANY"``.
    """

    def __init__(self, checkpoint, bands=None, *, name="maf-paper", sha256=""):
        self.name, self.sha256 = name, sha256
        self.network = load_network(checkpoint)
        self.bands = list(checkpoint["bands"] if bands is None else bands)
        lacking = [band for band in checkpoint["bands"] if band not in self.bands]
        if lacking:
            raise PixsedError(
                f"the paper's network was trained on {' '.join(lacking)} too, which the "
                "photometry lacks"
            )
        self._bands = list(checkpoint["bands"])
        self._columns = [self.bands.index(band) for band in self._bands]
        self._depth = np.array(checkpoint["depth"])
        self.parameters = list(checkpoint["outputs"])
        self.base_dim = len(self.parameters)
        self.sfh = checkpoint["prior"]
        self.drawn, self.outside = 0, {}

    def sample(self, flux, flux_err, redshift, base):
        """Return posterior samples, shape (N, S, P), float32, in the order of `parameters`.

        Parameters
        ----------
        flux, flux_err : `~numpy.ndarray`, shape (N, B)
            nJy, in the order of `bands`; NaN only in bands that the network does not take.
        redshift : `~numpy.ndarray`, shape (N,)
            Exact.
        base : `~numpy.ndarray`, shape (N, S, P)
            Standard normals.
        """
        flux, flux_err = (np.asarray(a)[:, self._columns] for a in (flux, flux_err))
        x = network_input(flux, flux_err, redshift, self._depth, self._bands)
        base = np.asarray(base, dtype=np.float32)
        found = np.empty_like(base)
        step = max(1, _AT_ONCE // base.shape[1])
        with torch.no_grad():
            for start in range(0, len(x), step):
                rows = slice(start, start + step)
                found[rows] = self._invert(torch.from_numpy(x[rows]), torch.from_numpy(base[rows]))
        return found

    def _invert(self, x, base):
        # What sbi's `sample` does, with base normals given in place of drawn.
        flow = self.network.net
        known = flow._embedding_net(x).repeat_interleave(base.shape[1], dim=0)
        drawn, _ = flow._transform.inverse(base.reshape(-1, base.shape[-1]), context=known)
        return drawn.reshape(base.shape).numpy()

    def __call__(self, flux, flux_err, z, z_err, base):
        """Return dict of parameter to samples (N, S): the network's, AGE and T50LB [Gyr].

        Raises
        ------
        PixsedError
            If a band is missing, or a redshift has an error: the network knows neither.
        """
        if np.any(np.asarray(z_err) > 0):
            raise PixsedError(
                "the paper's network takes exact redshifts only; use a model of --net default"
            )
        z = np.asarray(z, dtype=float)
        drawn = self.sample(flux, flux_err, z, base)
        found = {name: drawn[..., i].astype(float) for i, name in enumerate(self.parameters)}
        out = outside_prior(self.sfh, found, z)
        out["ANY"] = np.any(list(out.values()), axis=0)
        self.drawn += out["ANY"].size
        for name, which in out.items():
            self.outside[name] = self.outside.get(name, 0) + int(which.sum())
        return found | self._times(found, z)

    def leakage(self):
        """Return the share of all draws so far that was outside the prior, by parameter."""
        return {name: count / self.drawn for name, count in self.outside.items()}

    def _times(self, samples, z):
        shape = samples["LOGMSTAR"].shape
        at_z = np.broadcast_to(age(z)[:, None], shape).ravel()
        bounds = {c.name: (c.from_unit(0.0), c.from_unit(1.0))
                  for c in PRIORS[self.sfh].COORDINATES}  # fmt: skip
        if self.sfh == "tau":
            tau = np.clip(samples["TAU"].ravel(), *bounds["TAU"])
            start = np.clip(samples["TSTART"].ravel(), 0.0, (1.0 - 1e-6) * at_z)
            history = TauDelayed(tau, start, at_z)
            mean, half = history.mass_weighted_age(), history.formation_time(0.5)
        else:
            times = np.clip(np.stack([samples[name].ravel() for name in _TIMES], axis=1), 0, 1)
            # The present rate is not an output; the mean over 100 Myr stands for it.
            rate = np.clip((samples["LOGSFR"] - samples["LOGMFORM"]).ravel(), *bounds["LOGSSFR"])
            mean, half = np.empty(len(at_z)), times[:, 1]
            for start in range(0, len(at_z), _AT_ONCE):
                rows = slice(start, start + _AT_ONCE)
                history = GPHistory(rate[rows], np.sort(times[rows], axis=1), at_z[rows])
                mean[rows] = history.mass_weighted_age()
        return {"AGE": mean.reshape(shape), "T50LB": ((1.0 - half) * at_z).reshape(shape)}


def load_sampler(path, bands=None, threads=None):
    """Return the `Sampler` of a checkpoint.

    Parameters
    ----------
    path : path-like
    bands : sequence of str, optional
        As of `Sampler`.
    threads : int, optional
        Of torch.

    Raises
    ------
    PixsedError
        If the file is not a checkpoint of this network, or `bands` lack one of its own.
    """
    checkpoint = read_checkpoint(path)
    if threads:
        torch.set_num_threads(threads)
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return Sampler(checkpoint, bands, name=Path(path).stem, sha256=digest)
