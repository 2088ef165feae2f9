"""Fit a cube in memory into maps; `pixsed.fit.to_file` fits what is on disk."""

from dataclasses import dataclass, field

from pixsed.fit.draws import DEFAULT_SAMPLES, global_indices
from pixsed.fit.select import select
from pixsed.fit.tiles import fit_selection, plane_names
from pixsed.properties import check_quantiles


@dataclass
class Maps:
    """What a fit gives: planes of (ny, nx) by extension name.

    Attributes
    ----------
    properties : list of str
        In the order of the file.
    quantiles : tuple of float
        Median first.
    planes : dict of str to `~numpy.ndarray`, shape (ny, nx)
        ``LOGMSTAR_P50`` and so on, then SNR, NBANDS (int16), OOD, CHI2, DQ (int32).
        float32 but for these; NaN where not fitted.
    snr_bands : list of str
    nfit : int
        Pixels fitted.
    nbins : int or None
        Bins fitted, where pixels are binned; BINMAP (int32) is then among the planes.
    """

    properties: list
    quantiles: tuple
    planes: dict = field(default_factory=dict)
    snr_bands: list = field(default_factory=list)
    nfit: int = 0
    nbins: int | None = None


def fit_cube(
    cube,
    model,
    selection=None,
    *,
    samples=DEFAULT_SAMPLES,
    quantiles=(0.16, 0.5, 0.84),
    snr_min=5.0,
    all_pixels=False,
    seed=42,
    engine="flow",
    jobs=1,
    progress=None,
):
    """Fit the pixels of a cube.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    model : `~pixsed.fit.model.Model`
    selection : `~pixsed.fit.select.Selection`, optional
        By default `pixsed.fit.select.select` with `snr_min` and `all_pixels`.
    samples : int, optional
        Posterior draws a pixel.
    quantiles : sequence of float, optional
        The median is always among them.
    snr_min, all_pixels
        See `pixsed.fit.select.select`.
    seed, jobs : int, optional
        Seed of the draws; threads.
    engine : {"flow", "quantile"}, optional
    progress : callable, optional
        Called with the number of pixels done.

    Returns
    -------
    `Maps`
    """
    quantiles = check_quantiles(quantiles)
    if selection is None:
        selection = select(cube, model, snr_min, all_pixels)
    found = fit_selection(
        model,
        selection,
        *global_indices(cube.header, cube.shape),
        pixel_area=cube.pixar_a2,
        samples=samples,
        quantiles=quantiles,
        seed=seed,
        engine=engine,
        jobs=jobs,
        progress=progress,
    )
    properties, names = plane_names(model, quantiles, cube.redshift_err > 0)
    names += ["SNR", "NBANDS", "OOD", "CHI2", "DQ"]
    maps = Maps(
        properties,
        quantiles,
        {name: found.plane(name) for name in names},
        selection.snr_bands,
        len(found.y),
    )
    if selection.binning is not None:
        maps.nbins = found.nfit
        maps.planes["BINMAP"] = selection.binning.binmap
    return maps
