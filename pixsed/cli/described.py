"""Versions and options of a command as lines of text, for `-v` and `--log`."""

import contextlib

from pixsed import __version__


def described_options(context):
    """Return lines with versions, and the options of a command with their sources."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    versions = [f"pixsed {__version__}", f"Python {platform.python_version()}"]
    for package in ("numpy", "astropy", "onnxruntime"):
        with contextlib.suppress(PackageNotFoundError):
            versions.append(f"{package} {version(package)}")
    lines = [", ".join(versions)]
    for param in context.command.params:
        if param.name in context.params:
            source = context.get_parameter_source(param.name)
            name = param.opts[0] if param.param_type_name == "option" else param.human_readable_name
            how = "" if source is None else f"  [{source.name.lower().replace('_', ' ')}]"
            value = context.params[param.name]
            default = getattr(param, "show_default", None)
            if value is None and isinstance(default, str):
                value = default  # depends on the input
            lines.append(f"{context.info_name} {name} = {_shown(value)}{how}")
    return lines


def _shown(value):
    if isinstance(value, list | tuple):
        words = [str(word) for word in value]
        more = f" ... ({len(words)} in all)" if len(words) > 10 else ""
        return " ".join(words[:10]) + more
    return "none" if value is None else str(value)
