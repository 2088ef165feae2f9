"""Tiny ONNX model, small cube, and the same cube binned."""

import json

import numpy as np
import pytest
from astropy.table import Table
from astropy.wcs import WCS
from scipy.special import ndtri

from pixsed.bands import BASIC_BANDS as BANDS
from pixsed.io.formats.cube import Cube

#: Levels and properties of the fake model's quantiles.
LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)
PROPERTIES = "LOGMSTAR LOGMFORM LOGSFR METAL AV TAU TSTART REDSHIFT AGE T50LB LOGSIGMA".split()


def fake_model(
    path,
    *,
    flux_model=True,
    calibration=True,
    metadata=True,
    quantiles=False,
    two_peaks=False,
    **changes,
):
    """Write a tiny ONNX model; mass depends on the mean flux, other parameters on the base normals.

    Parameters
    ----------
    path : path-like
    flux_model : bool, optional
        Whether it has this output.
    calibration, metadata : bool, optional
        Whether the file has them.
    quantiles : bool or dict, optional
        Whether it has this output: for every property, normal around log10 of the mean flux
        + 8, with a standard deviation of 0.1. A dict replaces what the metadata say of it.
    two_peaks : bool, optional
        Whether METAL has two peaks, at -2 and 0, with a standard deviation of 0.2, instead of one
        at -1.
    **changes
        Other values of the metadata.

    Returns
    -------
    path-like
        `path`.
    """
    onnx = pytest.importorskip("onnx", reason="the fake model is built with onnx.helper")
    h, tensor = onnx.helper, onnx.TensorProto

    def constant(name, values):
        array = np.asarray(values)
        kind = tensor.FLOAT if array.dtype.kind == "f" else tensor.INT64
        return h.make_tensor(name, kind, array.shape, array.ravel().tolist())

    nodes, n = [], iter(range(1000))

    def op(kind, *inputs, out=None, **attributes):
        out = out or f"t{next(n)}"
        nodes.append(h.make_node(kind, list(inputs), [out], **attributes))
        return out

    present = op("Not", op("IsNaN", "flux"))
    count = op("ReduceSum", op("Cast", present, to=tensor.FLOAT), "axis1", keepdims=1)
    total = op("ReduceSum", op("Where", present, "flux", "zero"), "axis1", keepdims=1)
    mean = op("Max", op("Div", total, count), "tiny")
    logm = op("Add", op("Mul", op("Log", mean), "log10e"), "eight")  # (N, 1)
    logm = op("Unsqueeze", logm, "axis2")
    b = [op("Gather", "base", f"i{i}", axis=2) for i in range(6)]  # (N, S, 1)
    form = op("Add", logm, op("Mul", b[0], "tenth"))
    z, dz = (op("Unsqueeze", name, "axes12") for name in ("redshift", "redshift_err"))
    columns = [
        op("Sub", form, "fifth"),
        form,
        op("Sub", op("Add", form, op("Mul", b[1], "tenth")), "nine"),
        op("Sub", op("Mul", b[2], "fifth"), "one"),
        op("Sigmoid", b[3]),
        op("Exp", b[4]),
        op("Mul", op("Sigmoid", b[5]), "half"),
        op("Add", z, op("Mul", dz, b[0])),
    ]
    if two_peaks:
        columns[3] = op("Add", columns[3], op("Sign", b[1]))
    op("Concat", *columns, out="samples", axis=2)
    if flux_model:
        op("Add", mean, op("Mul", op("Where", present, "flux", "zero"), "zero"), out="flux_model")
    if quantiles:
        op("Add", logm, "steps", out="quantiles")  # (N, 1, 1) + (1, P', L)
    numbers = dict(
        zero=0.0,
        tiny=1e-3,
        log10e=1 / np.log(10),
        eight=8.0,
        tenth=0.1,
        fifth=0.2,
        nine=9.0,
        one=1.0,
        half=0.5,
    )
    initial = [constant(key, np.float32(value)) for key, value in numbers.items()]
    initial += [
        constant(key, np.array(v)) for key, v in dict(axis1=[1], axis2=[2], axes12=[1, 2]).items()
    ]
    initial += [constant(f"i{i}", np.array([i])) for i in range(6)]
    if quantiles:
        steps = np.tile(0.1 * ndtri(LEVELS), (1, len(PROPERTIES), 1))
        initial.append(constant("steps", steps.astype(np.float32)))
    shapes = dict(
        flux=["N", 29], flux_err=["N", 29], redshift=["N"], redshift_err=["N"], base=["N", "S", 6]
    )
    outputs = [h.make_tensor_value_info("samples", tensor.FLOAT, ["N", "S", 8])]
    if flux_model:
        outputs.append(h.make_tensor_value_info("flux_model", tensor.FLOAT, ["N", 29]))
    if quantiles:
        shape = ["N", len(PROPERTIES), len(LEVELS)]
        outputs.append(h.make_tensor_value_info("quantiles", tensor.FLOAT, shape))
    graph = h.make_graph(
        nodes,
        "fake",
        [h.make_tensor_value_info(k, tensor.FLOAT, s) for k, s in shapes.items()],
        outputs,
        initial,
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=9)
    names = "LOGMSTAR LOGMFORM LOGSFR METAL AV TAU TSTART REDSHIFT".split()
    content = {
        "format": 2,
        "name": "tau",
        "pixsed_version": "0.1.0",
        "bands": BANDS,
        "base_dim": 6,
        "prior": {"sfh": "tau", "redshift": [0.0, 7.5], "log_ssfr_floor": -14.0},
        "parameters": [{"name": name, "unit": "", "description": name} for name in names],
        "redshift_range": [0.0, 7.5],
        "infer_redshift": False,
        "redshift_err_max": 0.1,
        "sps": {"LIBRARY": "BC03", "IMF": "Kroupa"},
        "cosmology": "FlatLambdaCDM(H0=70, Om0=0.3)",
    }
    if flux_model:
        content["flux_model"] = {"draws": 32, "error": [0.0] * len(BANDS)}
    content["calibration"] = {}
    if calibration:
        content["calibration"]["score"] = {
            "redshift_err": [0.0],
            "nbands": [4, 10],
            "snr": [0.0],
            "probability": [1.0, 0.1, 0.01, 1e-4],
            "value": [[[[0.0, 2.0, 4.0, 100.0]], [[0.0, 1.5, 3.0, 100.0]]]],
        }
    if quantiles:
        described = {"levels": LEVELS, "properties": PROPERTIES}
        content["quantiles"] = quantiles if isinstance(quantiles, dict) else described
    content.update(changes)
    if metadata:
        h.set_model_props(model, {"pixsed": json.dumps(content)})
    onnx.save(model, str(path))
    return path


def same_table(found, expected, without=()):
    """Compare the values, units and descriptions of two table files, except for some columns."""
    found, expected = (Table.read(path) for path in (found, expected))
    assert found.colnames == expected.colnames
    for name in [name for name in found.colnames if name not in without]:
        a, b = found[name], expected[name]
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=1e-12, err_msg=name)
        else:
            assert list(a) == list(b), name
        assert (a.unit, a.description) == (b.unit, b.description), name


def make_cube(
    *,
    bands=("F115W", "F200W", "F277W", "F356W", "F444W"),
    ny=20,
    nx=24,
    redshift_err=0.0,
    **changes,
):
    """Return a galaxy of 20 x 24 pixels, brightest in the middle; one pixel without F115W."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [53.123456789012, -27.8]
    wcs.wcs.crpix = [8.5, 11.25]
    wcs.wcs.cdelt = [-0.03 / 3600, 0.03 / 3600]
    y, x = np.mgrid[:ny, :nx]
    r2 = (y - 10) ** 2 + (x - 12) ** 2
    rng = np.random.default_rng(1)
    flux = 20 * np.exp(-r2 / 40) * np.linspace(1, 2, len(bands))[:, None, None]
    flux = flux + rng.normal(0, 0.5, flux.shape)
    flux[0, 9, 12] = np.nan
    segmap = np.where(r2 < 64, 531, 0)
    segmap[:3] = 7
    arguments = dict(
        bands=list(bands),
        flux=flux,
        err=np.full(flux.shape, 0.5),
        header=wcs.to_header(),
        redshift=2.0,
        object_id="531",
        redshift_err=redshift_err,
        segmap=segmap,
    )
    return Cube(**(arguments | changes))


def binned_cube(**changes):
    """Return the cube of `make_cube` in bins of 4 x 5 pixels of the segment."""
    from pixsed.images.binning.bin_cube import binned

    cube = make_cube(**changes)
    y, x = np.indices(cube.shape)
    labels = np.where(cube.segmap == 531, 100 + 10 * (y // 4) + x // 5, 0)
    binmap = np.unique(labels, return_inverse=True)[1].reshape(cube.shape).astype(np.int32)
    return binned(cube, binmap, "voronoi", 10.0, ("F277W", "F356W", "F444W"))
