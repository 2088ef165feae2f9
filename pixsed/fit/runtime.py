"""Sessions of onnxruntime, which no other module imports."""

from pixsed.environment import no_telemetry


def load():
    """Return the package, imported with its telemetry off."""
    no_telemetry()
    import onnxruntime

    return onnxruntime


def start(content, *, threads=1, provider="CPUExecutionProvider"):
    """Return the `onnxruntime.InferenceSession` of an .onnx file.

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
        One of onnxruntime's, which have no common class, if it cannot run the file.
    """
    onnxruntime = load()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=[provider])
