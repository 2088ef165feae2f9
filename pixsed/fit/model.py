"""A trained model: one .onnx file, run by onnxruntime alone."""

import hashlib
import json
import os
import threading
from pathlib import Path

import numpy as np

from pixsed.errors import PixsedError
from pixsed.fit import graph, ood, runtime
from pixsed.models import resolve

#: Key of the custom metadata that holds the JSON.
METADATA_KEY = "pixsed"
#: Of the metadata. 1: flux_model is of the network itself; 2: of the best of the draws.
FORMATS = (1, 2)
#: Where the network runs -> onnxruntime's name of it.
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_INPUTS = ("flux", "flux_err", "redshift", "redshift_err", "base")


def load_model(name_or_path: str | os.PathLike, *, provider: str = "cpu") -> "Model":
    """Load a shipped model, or one of a file, as ``--model`` does.

    Parameters
    ----------
    name_or_path : str or path-like
        Name of a shipped model, as ``tau``, or path of an .onnx file. A shipped name wins:
        write ``./tau`` for a file of that name.
    provider : {"cpu", "cuda"}, optional
        Where the network runs. Results agree to rounding errors, not to the bit.

    Returns
    -------
    `Model`

    Raises
    ------
    PixsedError
        If there is no such model; if the file is not a model that pixsed can run; or if
        onnxruntime lacks the provider.

    Examples
    --------
    >>> from pixsed.fit.model import load_model
    >>> load_model("tau").parameters[:2]
    ['LOGMSTAR', 'LOGMFORM']
    """
    return Model(resolve(name_or_path), provider=provider)


class Model:
    """A posterior sampler read from an .onnx file.

    Parameters
    ----------
    path : str or path-like
    threads : int, optional
        Threads inside one call. At 1, results do not depend on how many calls run at
        once; `sample` may be called from several Python threads.
    provider : {"cpu", "cuda"}, optional
        Where it runs. Results agree to rounding errors, not to the bit.

    Pickled, it is these three: whoever gets it reads the file.

    Attributes
    ----------
    path : `~pathlib.Path`
    metadata : dict
        The JSON of the file.
    name : str
    bands : list of str
        The B bands of `flux`, in order.
    parameters : list of str
        The P columns of the samples, in order.
    units, descriptions : dict
        Parameter -> text.
    base_dim : int
        D, the number of base normals a sample takes.
    has_flux_model : bool
        Whether the file predicts the fluxes, and so a chi^2.
    quantile_levels : tuple of float
        The L levels of `quantiles`; empty where the file has none.
    quantile_properties : list of str
        Its P' properties, derived ones included.
    sha256 : str
        Of the file, hexadecimal.

    Raises
    ------
    PixsedError
        If the file is not a model that pixsed can run.
    """

    def __init__(self, path, threads=1, provider="cpu"):
        self.provider = _provider(provider, runtime.load().get_available_providers())
        self.path = Path(path)
        self._pickled = os.path.abspath(path), threads, provider
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise PixsedError(f"{path} cannot be read ({error.strerror}); check the name") from None
        self.sha256 = hashlib.sha256(content).hexdigest()
        self._threads = threads
        try:
            self._all_outputs = graph.outputs_of(content)
            flow = content
            if "quantiles" in self._all_outputs:
                others = [name for name in self._all_outputs if name != "quantiles"]
                flow = graph.part(content, others)
                self._quantile_part = graph.part(content, ["quantiles"])
        except (ValueError, StopIteration, IndexError):
            flow, self._all_outputs = content, []
        self._session = self._start(flow)
        self._quantile_session, self._lock = None, threading.Lock()
        if self.provider not in self._session.get_providers():
            raise PixsedError(
                f"--provider {provider} could not be started; check the driver and the CUDA "
                "libraries that onnxruntime-gpu needs, or take --provider cpu"
            )
        self.metadata = self._read_metadata()
        self._score = ood.Score(self.metadata, self.path)
        self.name = str(self.metadata.get("name", self.path.stem))
        self.bands = [str(band) for band in self.metadata["bands"]]
        parameters = self.metadata["parameters"]
        self.parameters = [str(item["name"]) for item in parameters]
        self.units = {str(p["name"]): str(p.get("unit", "")) for p in parameters}
        self.descriptions = {str(p["name"]): str(p.get("description", "")) for p in parameters}
        self.base_dim = int(self.metadata["base_dim"])
        self._check_graph()

    def __reduce__(self):
        return Model, self._pickled

    def _start(self, content):
        """Return onnxruntime's session of a file's bytes."""
        try:
            return runtime.start(content, threads=self._threads, provider=self.provider)
        except Exception as error:  # onnxruntime's errors have no common class
            raise PixsedError(
                f"{self.path} is not an ONNX model that onnxruntime can run ({_brief(error)}); "
                "give a file made by pixsed export"
            ) from error

    def _read_metadata(self):
        text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        advice = "give a file made by pixsed export"
        if text is None:
            raise PixsedError(f"{self.path} has no metadata {METADATA_KEY!r}; {advice}")
        try:
            metadata = json.loads(text)
            missing = [k for k in ("bands", "parameters", "base_dim") if k not in metadata]
            if not missing:
                [item["name"] for item in metadata["parameters"]]
                int(metadata["base_dim"])
        except (ValueError, TypeError, KeyError) as error:
            raise PixsedError(f"{self.path}: its metadata cannot be read; {advice}") from error
        if missing:
            raise PixsedError(f"{self.path}: its metadata lacks {', '.join(missing)}; {advice}")
        if metadata.get("format", 1) not in FORMATS:
            raise PixsedError(
                f"{self.path} is of model format {metadata['format']}, this pixsed reads "
                f"{' and '.join(map(str, FORMATS))}; "
                "update pixsed"
            )
        return metadata

    def _check_graph(self):
        inputs = {item.name: item for item in self._session.get_inputs()}
        outputs = [item.name for item in self._session.get_outputs()]
        missing = [name for name in _INPUTS[:1] + _INPUTS[4:] if name not in inputs]
        missing += [name for name in ("samples",) if name not in outputs]
        if missing:
            raise PixsedError(
                f"{self.path}: the graph lacks {', '.join(missing)}; "
                "give a file made by pixsed export"
            )
        self.has_flux_model = "flux_model" in outputs
        self._outputs = ["samples"] + ["flux_model"] * self.has_flux_model
        self._read_quantiles("quantiles" in self._all_outputs)
        if "LOGMSTAR" not in self.parameters:
            raise PixsedError(
                f"{self.path}: its parameters lack LOGMSTAR; give a file made by pixsed export"
            )

    def _read_quantiles(self, there):
        """Keep what the metadata say of the graph's quantiles; nothing where it has none."""
        self.quantile_levels, self.quantile_properties = (), []
        if not there:
            return
        try:
            said = self.metadata["quantiles"]
            self.quantile_levels = tuple(float(level) for level in said["levels"])
            self.quantile_properties = [str(name) for name in said["properties"]]
        except (KeyError, TypeError, ValueError) as error:
            raise PixsedError(
                f"{self.path}: its metadata do not describe its quantiles; export the model again"
            ) from error

    @property
    def engines(self):
        """Ways of fitting that the file has: ``"flow"``, and ``"quantile"`` where it gives them."""
        return ("flow", "quantile") if self.quantile_levels else ("flow",)

    def check_engine(self, engine):
        """Raise `PixsedError` unless `engine` is one of `engines`."""
        if engine not in self.engines:
            raise PixsedError(
                f"model {self.name} ({self.path}) has no engine {engine}; try --engine flow, or "
                "export the model anew"
            )

    @property
    def has_ood(self):
        """Whether draws of the flow come with an OOD: it takes predicted fluxes and a table."""
        said = self.metadata.get("calibration")
        return (
            self.has_flux_model
            and isinstance(said, dict)
            and bool(said.get("score") or said.get("chi2"))
        )

    @property
    def sfh(self):
        """Name of the prior of star-formation histories, as ``tau``; may be empty."""
        prior = self.metadata.get("prior")
        return str(prior.get("sfh", "")) if isinstance(prior, dict) else ""

    @property
    def redshift_range(self):
        """(lowest, highest) redshift of the training set."""
        low, high = self.metadata.get("redshift_range", (0.0, np.inf))
        return float(low), float(high)

    @property
    def infers_redshift(self):
        """Whether it takes no account of a redshift, and gives one."""
        return bool(self.metadata.get("infer_redshift", False))

    @property
    def redshift_err_max(self):
        """Largest redshift error of the training set, in units of 1 + z."""
        return float(self.metadata.get("redshift_err_max", np.inf))

    def text(self, *keys, default="unknown"):
        """Return the first of the metadata `keys` as text; ``"sps.IMF"`` looks inside."""
        for key in keys:
            value = self.metadata
            for part in key.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None and not isinstance(value, dict | list):
                return str(value)
        return default

    def sample(self, flux, flux_err, redshift, redshift_err, base):
        """Draw from the posterior of each of N pixels.

        Parameters
        ----------
        flux, flux_err : `~numpy.ndarray`, shape (N, B)
            nJy, the bands in the order of `bands`; NaN in both = band missing.
        redshift, redshift_err : `~numpy.ndarray`, shape (N,)
            The error 0 = exact.
        base : `~numpy.ndarray`, shape (N, S, D)
            Standard normals.

        Returns
        -------
        samples : `~numpy.ndarray`, shape (N, S, P), float32
            Physical units, the columns in the order of `parameters`.
        flux_model : `~numpy.ndarray`, shape (N, B), float32, or None
            Predicted noiseless fluxes, nJy; None where the model has none.
        """
        inputs = flux, flux_err, redshift, redshift_err, base
        found = self._run(self._session, self._outputs, *inputs)
        return found[0], found[1] if self.has_flux_model else None

    def quantiles(self, flux, flux_err, redshift, redshift_err):
        """Return the marginal quantiles of the posterior of each of N pixels, without draws.

        Parameters
        ----------
        flux, flux_err, redshift, redshift_err
            As of `sample`.

        Returns
        -------
        `~numpy.ndarray`, shape (N, P', L), float32
            Of `quantile_properties` at `quantile_levels`, rising with the level.

        Raises
        ------
        PixsedError
            If the file has none.
        """
        if not self.quantile_levels:
            raise PixsedError(
                f"{self.path} has no marginal quantiles; try --engine flow, or a model exported "
                "with them"
            )
        with self._lock:  # set up when first asked for
            if self._quantile_session is None:
                self._quantile_session = self._start(self._quantile_part)
        inputs = flux, flux_err, redshift, redshift_err
        return self._run(self._quantile_session, ["quantiles"], *inputs)[0]

    def _run(self, session, outputs, *inputs):
        feed = dict(zip(_INPUTS, inputs, strict=False))  # the base is of the flow alone
        # An exporter drops an input that the graph does not use.
        known = [item.name for item in session.get_inputs()]
        feed = {key: np.ascontiguousarray(feed[key], dtype=np.float32) for key in known}
        try:
            return session.run(outputs, feed)
        except Exception as error:  # onnxruntime's errors have no common class
            raise PixsedError(
                f"{self.path}: onnxruntime failed ({_brief(error)}); "
                "try fewer --samples, or another model"
            ) from error

    def score(self, flux, flux_err, flux_model, redshift, redshift_err):
        """Return chi^2 per band and the p-value of it; see `pixsed.fit.ood.Score`."""
        share = np.asarray(redshift_err) / (1.0 + np.asarray(redshift))
        return self._score(flux, flux_err, flux_model, share)


def _brief(error):
    """Return the beginning of the first line of what onnxruntime says."""
    return (str(error).splitlines() or [""])[0][:200]


def _provider(name, available):
    """Return onnxruntime's name of a provider; raise where it is not installed."""
    if name not in PROVIDERS:
        raise PixsedError(f"provider must be one of {', '.join(PROVIDERS)}, got {name!r}")
    if PROVIDERS[name] not in available:
        raise PixsedError(
            f"--provider {name}: this onnxruntime has none ({', '.join(available)}); pip install "
            "onnxruntime-gpu in place of onnxruntime, or take --provider cpu"
        )
    return PROVIDERS[name]
