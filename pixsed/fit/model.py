"""Trained model, read from one .onnx file and run by onnxruntime."""

import hashlib
import os
import threading
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pixsed.checks import check_choice, check_path
from pixsed.environment import verifying
from pixsed.errors import PixsedError
from pixsed.fit import graph, ood, runtime
from pixsed.fit.graph_check import check_digest, check_graph
from pixsed.fit.metadata import METADATA_KEY, read_metadata, value_at
from pixsed.io.bandnames import pivot_um
from pixsed.io.reading import reading
from pixsed.models import check_shipped, resolve

_INPUTS = ("flux", "flux_err", "redshift", "redshift_err", "base")
_ADVICE = "give a file made by pixsed export"
_LARGEST = 1 << 29  # bytes of a file; the shipped ones have 8 MB


def load_model(name_or_path: str | os.PathLike, *, provider: str = "cpu") -> "Model":
    """Load a model that ships with pixsed, or one from a file, as ``--model`` does.

    Parameters
    ----------
    name_or_path : str or path-like
        Name of a shipped model, such as ``tau``, or path of an .onnx file. The name of a shipped
        model takes precedence: write ``./tau`` for a file of that name.
    provider : {"cpu", "cuda"}, optional
        Where the network runs. Results agree to rounding errors, not to the bit.

    Returns
    -------
    `Model`

    Raises
    ------
    PixsedError
        If there is no such model, if pixsed cannot run the file, or if onnxruntime lacks the
        provider.

    Examples
    --------
    >>> from pixsed.fit.model import load_model
    >>> load_model("tau").parameters[:2]
    ['LOGMSTAR', 'LOGMFORM']
    """
    path = check_path("model", name_or_path, " or the name of a shipped model")
    return Model(resolve(path), provider=provider)


class Model:
    """A posterior sampler read from an .onnx file.

    Several Python threads may call the same model. Pickling stores only the path and the
    options; the file is read again when the model is unpickled.

    Parameters
    ----------
    path : str or path-like
    threads : int, optional
        Number of threads inside one call. With 1, results do not depend on the number of
        simultaneous calls.
    provider : {"cpu", "cuda"}, optional
        As for `load_model`.

    Attributes
    ----------
    path : `~pathlib.Path`
    metadata : dict
        The JSON of the file.
    name : str
    bands : list of str
        The B bands of the fluxes, in order.
    pivots : list of float
        Pivot wavelengths of the bands in micron; NaN if neither pixsed nor the file knows it.
    parameters : list of str
        The P columns of the samples, in order.
    units, descriptions : dict of str
        By parameter; units are in FITS notation, for example ``dex(solMass)``.
    base_dim : int
        Number D of base normals per draw.
    has_flux_model : bool
        True if the model predicts fluxes, from which chi^2 is computed.
    quantile_levels : tuple of float
        The L levels of `quantiles`; empty if the file has none.
    quantile_properties : list of str
        The Q properties of `quantiles`, derived ones included.
    provider : str
        onnxruntime's name of the provider.
    sha256 : str
        Hexadecimal digest of the file.

    Raises
    ------
    PixsedError
        If the file is not a model that pixsed can run.
    """

    def __init__(self, path: str | os.PathLike, threads: int = 1, provider: str = "cpu"):
        self.provider = _provider(provider, runtime.load().get_available_providers())
        self.path = Path(path)
        self._pickled = os.path.abspath(path), threads, provider
        self._threads = threads
        content = self._read_content()
        self.sha256 = hashlib.sha256(content).hexdigest()
        check_shipped(self.path, self.sha256)
        outputs, self._session = self._start_flow(content)
        if self.provider not in self._session.get_providers():
            raise PixsedError(
                f"--provider {provider} could not be started; check the driver and the CUDA "
                "libraries that onnxruntime-gpu needs, or use --provider cpu"
            )
        with reading(self.path, "a model", _ADVICE):
            text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        self.metadata = read_metadata(text, self.path)
        self._score = ood.Score(self.metadata, self.path)
        self.name = self.metadata.get("name", self.path.stem)
        self.bands = self.metadata["bands"]
        own = {f["name"]: float(f["pivot_um"]) for f in self.metadata.get("filters", [])}
        self.pivots = [own.get(band, pivot_um(band)) for band in self.bands]
        parameters = self.metadata["parameters"]
        self.parameters = [item["name"] for item in parameters]
        self.units = {p["name"]: p.get("unit", "") for p in parameters}
        self.descriptions = {p["name"]: p.get("description", "") for p in parameters}
        self.base_dim = self.metadata["base_dim"]
        self.quantile_levels, self.quantile_properties = (), []
        if "quantiles" in outputs:
            self.quantile_levels, self.quantile_properties = self._read_quantiles()
        self._check_graph()
        if self.quantile_levels:
            # The session of the quantiles is started when it is first needed.
            self._content, self._quantile_session, self._lock = content, None, threading.Lock()

    def __reduce__(self):
        return Model, self._pickled

    def _read_content(self):
        try:
            if (size := self.path.stat().st_size) > _LARGEST:
                raise PixsedError(f"{self.path} is too large for a model ({size >> 20} MB)")
            return self.path.read_bytes()
        except OSError as error:
            raise PixsedError(f"{self.path} cannot be read ({error.strerror})") from None

    def _start_flow(self, content):
        """Start a session without the quantiles; return it after the names of all outputs."""
        try:
            check_graph(content, self.path)
            if verifying():
                check_digest(content, self.path)
            outputs = graph.outputs_of(content)
            if "quantiles" in outputs:
                content = graph.part(content, [name for name in outputs if name != "quantiles"])
        except ValueError:
            outputs = []  # onnxruntime gives the better error message
        return outputs, self._start(content)

    def _start(self, content):
        """Return an onnxruntime session for the bytes of a file."""
        try:
            return runtime.start(content, threads=self._threads, provider=self.provider)
        except Exception as error:  # onnxruntime's errors have no common class
            raise PixsedError(
                f"{self.path} is not an ONNX model that onnxruntime can run ({_brief(error)}); "
                f"{_ADVICE}"
            ) from error

    def _check_graph(self):
        """Raise `PixsedError` if the inputs or outputs are not those of a model of pixsed."""
        bands, number = len(self.bands), len(self.parameters)
        shapes = {
            "flux": (bands,),
            "flux_err": (bands,),
            "redshift": (),
            "redshift_err": (),
            "base": (None, self.base_dim),
            "samples": (None, number),
            "flux_model": (bands,),
            "quantiles": (len(self.quantile_properties), len(self.quantile_levels)),
        }
        items = [*self._session.get_inputs(), *self._session.get_outputs()]
        found = {item.name: item for item in items}
        if missing := [name for name in ("flux", "base", "samples") if name not in found]:
            raise PixsedError(f"{self.path}: the graph lacks {', '.join(missing)}; {_ADVICE}")
        for name, item in found.items():
            if name not in shapes:
                raise PixsedError(f"{self.path}: the graph has an unknown {name}; {_ADVICE}")
            wanted = (None, *shapes[name])
            if item.type != "tensor(float)" or not _agree(item.shape, wanted):
                text = " x ".join("any" if n is None else str(n) for n in wanted)
                raise PixsedError(
                    f"{self.path}: {name} of the graph must be float with shape {text}, got "
                    f"{item.type} with {item.shape}; {_ADVICE}"
                )
        self.has_flux_model = "flux_model" in found

    def _read_quantiles(self):
        """Return the levels and properties of the quantiles, from the metadata."""
        described = self.metadata.get("quantiles", {})
        if not {"levels", "properties"} <= set(described):
            raise PixsedError(
                f"{self.path}: its metadata do not describe its quantiles; export the model again"
            )
        return tuple(float(level) for level in described["levels"]), described["properties"]

    @property
    def engines(self) -> tuple[str, ...]:
        """Engines of the file: ``flow``, and ``quantile`` if it has quantiles."""
        return ("flow", "quantile") if self.quantile_levels else ("flow",)

    def check_engine(self, engine: str) -> None:
        """Raise `PixsedError` unless `engine` is one of `engines`."""
        if engine not in self.engines:
            raise PixsedError(
                f"model {self.name} ({self.path}) has no engine {engine}; try --engine flow, or "
                "export the model again"
            )

    @property
    def has_ood(self) -> bool:
        """True if samples come with an out-of-distribution score."""
        return self.has_flux_model and bool(self.metadata.get("calibration", {}).get("score"))

    @property
    def flux_model_error(self) -> dict[str, float]:
        """Relative error of the predicted fluxes, by band."""
        errors = np.broadcast_to(self._score.error, len(self.bands))
        return dict(zip(self.bands, errors.tolist(), strict=True))

    @property
    def sfh(self) -> str:
        """Name of the prior on star-formation histories, such as ``tau``; may be empty."""
        return self.metadata.get("prior", {}).get("sfh", "")

    @property
    def redshift_range(self) -> tuple[float, float]:
        """Lowest and highest redshift of the training set."""
        low, high = self.metadata.get("redshift_range", (0.0, np.inf))
        return float(low), float(high)

    @property
    def infers_redshift(self) -> bool:
        """True if the redshift is a parameter of the posterior rather than an input."""
        return self.metadata.get("infer_redshift", False)

    @property
    def redshift_err_max(self) -> float:
        """Largest redshift error of the training set, in units of 1 + z."""
        return float(self.metadata.get("redshift_err_max", np.inf))

    def text(self, *keys: str, default: str = "unknown") -> str:
        """Return the first of the `keys` that the metadata have, as text.

        Parameters
        ----------
        *keys : str
            A dot separates nested keys, as in ``"sps.IMF"``.
        default : str, optional
        """
        for key in keys:
            value, _ = value_at(self.metadata, key)
            if value is not None and not isinstance(value, dict | list):
                return str(value)
        return default

    def sample(
        self,
        flux: ArrayLike,
        flux_err: ArrayLike,
        redshift: ArrayLike,
        redshift_err: ArrayLike,
        base: ArrayLike,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Draw from the posterior of each of N pixels.

        Parameters
        ----------
        flux, flux_err : array_like, shape (N, B)
            nJy, in the order of `bands`; NaN in both = band missing.
        redshift, redshift_err : array_like, shape (N,)
            An error of 0 means that the redshift is exact.
        base : array_like, shape (N, S, D)
            Standard normals, for S draws.

        Returns
        -------
        samples : `~numpy.ndarray`, shape (N, S, P), float32
            In the order of `parameters`, in `units`.
        flux_model : `~numpy.ndarray`, shape (N, B), float32, or None
            Predicted noiseless fluxes, nJy; None if the model has none.

        Raises
        ------
        PixsedError
            If onnxruntime fails.
        """
        outputs = ["samples"] + ["flux_model"] * self.has_flux_model
        inputs = flux, flux_err, redshift, redshift_err, base
        found = self._run(self._session, outputs, *inputs)
        return found[0], found[1] if self.has_flux_model else None

    def quantiles(
        self, flux: ArrayLike, flux_err: ArrayLike, redshift: ArrayLike, redshift_err: ArrayLike
    ) -> NDArray[np.float32]:
        """Return the marginal quantiles of the posterior of each of N pixels, without draws.

        Parameters
        ----------
        flux, flux_err, redshift, redshift_err : array_like
            See `sample`.

        Returns
        -------
        `~numpy.ndarray`, shape (N, Q, L), float32
            Quantiles of `quantile_properties` at `quantile_levels`; they never decrease with
            the level.

        Raises
        ------
        PixsedError
            If the file has no quantiles, or onnxruntime fails.
        """
        if not self.quantile_levels:
            raise PixsedError(
                f"{self.path} has no marginal quantiles; try --engine flow, or a model exported "
                "with them"
            )
        with self._lock:
            if self._quantile_session is None:
                self._quantile_session = self._start(graph.part(self._content, ["quantiles"]))
        inputs = flux, flux_err, redshift, redshift_err
        return self._run(self._quantile_session, ["quantiles"], *inputs)[0]

    def _run(self, session, outputs, *inputs):
        values = dict(zip(_INPUTS, inputs, strict=False))  # the quantiles take no base
        # Exporters drop inputs that the graph does not use.
        known = [item.name for item in session.get_inputs()]
        feed = {key: np.ascontiguousarray(values[key], dtype=np.float32) for key in known}
        try:
            return session.run(outputs, feed)
        except Exception as error:  # onnxruntime's errors have no common class
            raise PixsedError(
                f"{self.path}: onnxruntime failed ({_brief(error)}); "
                "try fewer --samples, or another model"
            ) from error

    def score(
        self,
        flux: NDArray,
        flux_err: NDArray,
        flux_model: NDArray | None,
        redshift: ArrayLike,
        redshift_err: ArrayLike,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the chi^2 per band of each of N pixels, and its p-value.

        Parameters
        ----------
        flux, flux_err, redshift, redshift_err
            See `sample`.
        flux_model : `~numpy.ndarray`, shape (N, B), or None
            Predicted fluxes, as returned by `sample`.

        Returns
        -------
        chi2, p : `~numpy.ndarray`, shape (N,), float64
            See `pixsed.fit.ood.Score`.
        """
        relative = np.asarray(redshift_err) / (1.0 + np.asarray(redshift))
        return self._score(flux, flux_err, flux_model, relative)


def _agree(shape, wanted):
    """Return whether a shape of a graph, with names for free axes, is the one that is wanted."""
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(not isinstance(a, int) or a == b for a, b in pairs)


def _brief(error):
    """Return the beginning of the first line of an error of onnxruntime."""
    return (str(error).splitlines() or [""])[0][:200]


def _provider(name, available):
    """Return onnxruntime's name of a provider; raise if it is not available."""
    check_choice("provider", name, runtime.PROVIDERS)
    if runtime.PROVIDERS[name] not in available:
        raise PixsedError(
            f"--provider {name}: this onnxruntime only has {', '.join(available)}; pip install "
            "onnxruntime-gpu in place of onnxruntime, or use --provider cpu"
        )
    return runtime.PROVIDERS[name]
