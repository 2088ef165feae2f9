"""Sessions of onnxruntime; the only module that imports it."""

from pixsed.environment import no_telemetry

#: Where the network runs -> onnxruntime's name of it.
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def load():
    """Import onnxruntime with its telemetry switched off, and return it."""
    no_telemetry()
    import onnxruntime

    return onnxruntime


def start(content, *, threads=1, provider="CPUExecutionProvider"):
    """Return an `onnxruntime.InferenceSession` for an .onnx file.

    Parameters
    ----------
    content : bytes
    threads : int, optional
        Number of threads inside one call.
    provider : str, optional
        onnxruntime's name of the provider.

    Raises
    ------
    Exception
        If onnxruntime cannot run the file. Its exceptions have no common base class.
    """
    onnxruntime = load()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=[provider])
