"""Common fractions of the variance in the metadata of a model."""

import json
from pathlib import Path

from pixsed.fit.graph_check import signed
from pixsed.fit.metadata import METADATA_KEY
from pixsed.fit.model import Model
from pixsed.io.atomic import atomic_path
from pixsed.simulate.table import read_simulations
from pixsed.validate.common import common_table

# Number of simulations that are read, of which those with a redshift and all bands are used.
_ROWS = 5000


def set_metadata(proto, description):
    """Put metadata, a dict, into an ``onnx.ModelProto``, in place."""
    kept = [(e.key, e.value) for e in proto.metadata_props if e.key != METADATA_KEY]
    del proto.metadata_props[:]
    for key, value in [*kept, (METADATA_KEY, json.dumps(description))]:
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value


def add_common(proto, path, simulations):
    """Measure the common fractions of a model and add them to its metadata, in place.

    Parameters
    ----------
    proto : ``onnx.ModelProto``
    path : `~pathlib.Path`
        File to which the model is written, to be run.
    simulations : `~pixsed.simulate.table.Simulations`
        Of the kind that the model was trained on.
    """
    path.write_bytes(proto.SerializeToString())
    model = Model(path)
    description = model.metadata
    description.setdefault("calibration", {})["common"] = common_table(model, simulations)
    set_metadata(proto, description)


def add_common_to_file(model, simulations, output, *, overwrite=False):
    """Write a model file again, with the common fractions of its own simulations.

    For a model that was exported without them.

    Parameters
    ----------
    model, simulations, output : path-like
        Files of a model and of simulations, and the model to write.
    overwrite : bool, optional

    Raises
    ------
    PixsedError
        If a file cannot be read, or `output` exists.
    """
    import onnx

    Model(model)  # raises if it is not one
    proto = onnx.load(str(Path(model)))
    with atomic_path(output, overwrite) as temporary:
        add_common(proto, temporary, read_simulations(simulations, _ROWS))
        temporary.write_bytes(signed(proto.SerializeToString()))
