"""onnxruntime: the one module that imports it and starts its sessions."""

from pixsed.environment import no_telemetry

#: A fusion of releases 1.18 to 1.30, whose float64 nodes they have no kernel for.
_FUSION = "QuickGelu"


def load():
    """Return the package, imported with its telemetry off."""
    no_telemetry()
    import onnxruntime

    return onnxruntime


def start(content, *, threads=1, provider="CPUExecutionProvider"):
    """Return the `onnxruntime.InferenceSession` of a file.

    Parameters
    ----------
    content : bytes
        Of an .onnx file.
    threads : int, optional
        Threads inside one call.
    provider : str, optional
        onnxruntime's name of where it runs.

    Raises
    ------
    Exception
        onnxruntime's own, which have no common class, if it cannot run the file.
    """
    onnxruntime = load()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3

    def session(**kwargs):
        return onnxruntime.InferenceSession(content, options, providers=[provider], **kwargs)

    try:
        return session()
    except Exception as error:
        if _FUSION not in str(error):
            raise
    # A file exported before `pixsed.train.onnx_file.keep_silu`; slower by a tenth.
    return session(disabled_optimizers=[f"{_FUSION}Fusion"])
