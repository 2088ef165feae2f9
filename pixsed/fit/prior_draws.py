"""Draws from the prior of a model, to be compared with its posteriors."""

import numpy as np

from pixsed.fit.derived import derive
from pixsed.simulate.priors import PRIORS

#: Number of draws; a Dense Basis history takes longest, about 0.5 ms.
DRAWS = 20_000
_FEW_DRAWS = 4_000


def prior_draws(model, posterior, properties, *, seed=42):
    """Return draws from the prior of a model, at the redshift of a posterior.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    posterior : `~pixsed.fit.select_draws.Posterior`
        Its redshift is used, with its error, and its area for LOGSIGMA.
    properties : sequence of str
        Properties that are wanted.
    seed : int, optional

    Returns
    -------
    dict of str to `~numpy.ndarray`
        Those of `properties` whose prior is known; of one length. The surviving mass needs a grid
        of stellar populations, so LOGMSTAR has the prior of LOGMFORM. It differs from it only near
        the ends, by the lost fraction of the mass, since LOGMFORM is uniform and independent of
        the rest. A model whose prior pixsed does not know, or has with other bounds, has none.
    """
    kind = PRIORS.get(model.sfh)
    if kind is None or not _same_coordinates(model, kind):
        return {}
    prior, rng = kind(), np.random.default_rng(seed)
    needs_history = bool({"LOGSFR", "LOGSFR10", "AGE", "T50LB"} & set(properties))
    count = _FEW_DRAWS if model.sfh == "dirichlet" and needs_history else DRAWS
    z, unit = prior.draw(count, rng)
    z = _redshifts(z, model, posterior, rng)
    if needs_history:
        history = prior.history(z, unit)
        found = prior.parameters(z, unit, history, np.ones(count))
    else:
        values = prior.values(z, unit)
        found = values | {"LOGMSTAR": values["LOGMFORM"], "REDSHIFT": z}
    two_d = {name: column[:, None] for name, column in found.items()}
    derived = derive(two_d, model.sfh, z[:, None], posterior.area)
    found = {name: column[:, 0] for name, column in derived.items()} | found
    if np.isfinite(posterior.redshift) and not posterior.redshift_err > 0:
        found.pop("REDSHIFT")
    return {name: found[name] for name in properties if name in found}


def common_prior(model, posteriors, properties, *, seed=42):
    """Return the `prior_draws` that several posteriors have in common.

    There are none if the redshifts of the posteriors differ, and none of LOGSIGMA if their areas
    do. The parameters are those of `prior_draws`, with a list of posteriors.
    """
    first = posteriors[0]
    if len({repr((one.redshift, one.redshift_err)) for one in posteriors}) > 1:
        return {}
    if len({one.area for one in posteriors}) > 1:
        properties = [name for name in properties if name != "LOGSIGMA"]
    return prior_draws(model, first, properties, seed=seed)


def _redshifts(z, model, posterior, rng):
    """Return the redshifts of the draws: those of the prior, or as the posterior was given."""
    if not np.isfinite(posterior.redshift):
        return z
    if not posterior.redshift_err > 0:
        return np.full(len(z), posterior.redshift)
    low, high = model.redshift_range
    drawn = rng.normal(posterior.redshift, posterior.redshift_err, len(z))
    outside = (drawn < max(low, 1e-3)) | (drawn > high)
    return np.where(outside, posterior.redshift, drawn)


def _same_coordinates(model, kind):
    """Return whether the model was trained on the prior as it is defined now."""
    described = model.metadata.get("prior", {}).get("coordinates")
    if described is None:
        return True  # nothing contradicts the name
    for coordinate, text in zip(kind.COORDINATES, described, strict=False):
        if text.get("name") != coordinate.name:
            return False
        for bound in ("low", "high"):
            if bound in text and not np.isclose(text[bound], getattr(coordinate, bound, np.nan)):
                return False
    return len(described) == len(kind.COORDINATES)
