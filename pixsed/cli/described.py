"""Versions and options of a command as lines of text, for `-v` and `--log`."""

from pixsed import __version__
from pixsed.cli.versions import installed


def described_options(context):
    """Return lines with versions, and the options of a command with their sources."""
    import platform

    versions = [("pixsed", __version__), ("Python", platform.python_version())]
    versions += installed(("numpy", "astropy", "onnxruntime"))
    lines = [", ".join(f"{name} {number}" for name, number in versions)]
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
