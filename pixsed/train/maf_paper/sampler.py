"""Posterior samples of the paper's network, for `pixsed.validate`."""

import hashlib
from pathlib import Path

import numpy as np
import torch

from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.simulate.priors import PRIORS
from pixsed.sps.sfh import GPHistory, TauDelayed
from pixsed.train.description import metadata
from pixsed.train.maf_paper.checkpoint import load_network, read_checkpoint
from pixsed.train.maf_paper.inputs import network_input
from pixsed.validate.sampling import ModelSampler

#: Number of draws per call of the network: 500 for each of 32 pixels.
_AT_ONCE = 16_000
_TIMES = ("T25", "T50", "T75")


class PaperModel:
    """Trained network with the interface of `pixsed.fit.model.Model`.

    Draws outside the prior are kept, because rejection sampling would never end for a pixel
    whose draws are all outside. `pixsed validate` counts these draws.

    Parameters
    ----------
    checkpoint : dict
        Returned by `pixsed.train.maf_paper.train`.
    bands : sequence of str, optional
        Bands of the photometry, in any order, including those of the network; default: those
        of the network.
    name, sha256 : str, optional
        Name and checksum of the checkpoint file.

    Raises
    ------
    PixsedError
        If `bands` lack a band of the network.
    """

    def __init__(self, checkpoint, bands=None, *, name="maf-paper", sha256=""):
        own = list(checkpoint["bands"])
        self.bands = own if bands is None else list(bands)
        if missing := [band for band in own if band not in self.bands]:
            raise PixsedError(
                f"the paper's network was also trained on {' '.join(missing)}, which the "
                "photometry lacks"
            )
        self.name, self.sha256 = name, sha256
        self.network = load_network(checkpoint)
        self.parameters = list(checkpoint["outputs"])
        self.base_dim = len(self.parameters)
        self.sfh = checkpoint["prior"]
        self.redshift_err_max, self.infers_redshift = 0.0, False
        self.metadata = _metadata(checkpoint, name)
        self._own = own
        self._columns = [self.bands.index(band) for band in own]
        self._depth = np.array(checkpoint["depth"])

    def sample(self, flux, flux_err, redshift, redshift_err, base):
        """Return posterior samples, and None in place of predicted photometry.

        Parameters
        ----------
        flux, flux_err : `~numpy.ndarray`, shape (N, B)
            nJy, in the order of `bands`; NaN only in bands that the network does not use.
        redshift, redshift_err : `~numpy.ndarray`, shape (N,)
            The errors must be 0.
        base : `~numpy.ndarray`, shape (N, S, P)
            Standard normals.

        Returns
        -------
        samples : `~numpy.ndarray`, shape (N, S, P), float32
            In the order of `parameters`.
        None

        Raises
        ------
        PixsedError
            If a band is missing or a redshift has an error; the network supports neither.
        """
        if np.any(np.asarray(redshift_err) > 0):
            raise PixsedError(
                "the paper's network takes exact redshifts only; use a model of --net default"
            )
        flux, flux_err = (np.asarray(a)[:, self._columns] for a in (flux, flux_err))
        x = network_input(flux, flux_err, redshift, self._depth, self._own)
        base = np.asarray(base, dtype=np.float32)
        found = np.empty_like(base)
        step = max(1, _AT_ONCE // base.shape[1])
        with torch.no_grad():
            for start in range(0, len(x), step):
                rows = slice(start, start + step)
                found[rows] = self._invert(torch.from_numpy(x[rows]), torch.from_numpy(base[rows]))
        return found, None

    def _invert(self, x, base):
        # The same steps as `sample` of sbi, but with the given base normals.
        flow = self.network.net
        context = flow._embedding_net(x).repeat_interleave(base.shape[1], dim=0)
        drawn, _ = flow._transform.inverse(base.reshape(-1, base.shape[-1]), context=context)
        return drawn.reshape(base.shape).numpy()


def _metadata(checkpoint, name):
    """Return the metadata that an exported model of the same training would have."""
    training = checkpoint["training"] | {"epochs": checkpoint["epoch"], "photo_z_max": 0.0}
    columns = PRIORS[checkpoint["prior"]].columns()
    outputs = [
        {"name": key, "unit": columns[key][0], "description": columns[key][1]}
        for key in checkpoint["outputs"]
    ]
    found = metadata(checkpoint | {"training": training}, name)
    return found | {"parameters": outputs, "base_dim": len(outputs)}


class PaperSampler(ModelSampler):
    """Draws of a `PaperModel` and the properties derived from them.

    Ages are computed from the nearest history within the prior. Under the Dirichlet prior, the mean
    SFR over 100 Myr replaces the present SFR, which is not an output of the network.
    """

    def names(self, truth, *, photo_z=False, same_prior=True):
        """Return the properties that both model and truth have, including AGE for both priors."""
        names = super().names(truth, photo_z=photo_z, same_prior=same_prior)
        return names if "AGE" in names or "AGE" not in truth else [*names, "AGE"]

    def __call__(self, flux, flux_err, z, z_err, base):
        """Return draws (dict of (n, S)), redshifts (n, 1), and NaN (n,) as the OOD score."""
        drawn, _ = self.model.sample(flux, flux_err, z, z_err, base)
        found = {name: drawn[..., i] for i, name in enumerate(self.model.parameters)}
        z = np.asarray(z, dtype=float)
        found |= ages_of_draws(self.model.sfh, found, z)
        return found, z[:, None], np.full(len(z), np.nan)


def ages_of_draws(prior, samples, redshift):
    """Return AGE and T50LB of draws, Gyr, shape (N, S) each, clipped to the prior.

    Parameters
    ----------
    prior : str
        ``"tau"`` or ``"dirichlet"``.
    samples : dict of `~numpy.ndarray`, shape (N, S)
    redshift : `~numpy.ndarray`, shape (N,)
    """
    values = {name: np.asarray(v, dtype=float).ravel() for name, v in samples.items()}
    shape = samples["LOGMFORM"].shape
    at_z = np.broadcast_to(age(redshift)[:, None], shape).ravel()
    if prior == "tau":
        tau = np.clip(values["TAU"], *_bounds(prior, "TAU"))
        start = np.clip(values["TSTART"], 0.0, (1.0 - 1e-6) * at_z)
        history = TauDelayed(tau, start, at_z)
        mean, half = history.mass_weighted_age(), history.formation_time(0.5)
    else:
        times = np.sort(np.clip(np.stack([values[n] for n in _TIMES], axis=1), 0, 1), axis=1)
        rate = np.clip(values["LOGSFR"] - values["LOGMFORM"], *_bounds(prior, "LOGSSFR"))
        mean, half = np.empty(len(at_z)), times[:, 1]
        for begin in range(0, len(at_z), _AT_ONCE):
            rows = slice(begin, begin + _AT_ONCE)
            mean[rows] = GPHistory(rate[rows], times[rows], at_z[rows]).mass_weighted_age()
    return {"AGE": mean.reshape(shape), "T50LB": ((1.0 - half) * at_z).reshape(shape)}


def _bounds(prior, name):
    """Return the bounds of a coordinate of a prior."""
    [coordinate] = [c for c in PRIORS[prior].COORDINATES if c.name == name]
    return coordinate.from_unit(0.0), coordinate.from_unit(1.0)


def load_sampler(path, bands=None, threads=None):
    """Return the `PaperSampler` of a checkpoint; its ``model`` is the `PaperModel`.

    Parameters
    ----------
    path : path-like
    bands : sequence of str, optional
        Argument of `PaperModel`.
    threads : int, optional
        Threads of torch.

    Raises
    ------
    PixsedError
        If the file is not a checkpoint of this network, or `bands` lack one of its bands.
    """
    checkpoint = read_checkpoint(path)
    if threads:
        torch.set_num_threads(threads)
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return PaperSampler(PaperModel(checkpoint, bands, name=Path(path).stem, sha256=digest))
