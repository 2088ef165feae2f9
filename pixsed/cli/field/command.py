"""Command that takes a field file in place of its arguments."""

import click

# Options of every command, which are not those of the step.
_COMMON = ("quiet", "verbose", "log", "no_verify")
# The last paragraph of --help.
_BESIDE = "Options beside it replace those in the file."
_HELP = (
    "With FIELD.toml, a field file, the step is run for the whole field, unless it is done. "
    + _BESIDE
)
_HELP_OF_CHECK = (
    "With FIELD.toml, a field file, the images of the field are checked, before they are matched. "
    + _BESIDE
)


class FieldCommand(click.Command):
    """Command whose argument may be a field file; it then runs for the whole field.

    Options beside the file replace those in the file. ``pixsed check`` runs once, with the images
    of the field. The other commands run each of their steps that is not done.
    """

    def parse_args(self, ctx, args):
        # While the shell completes a command line, no file is read, and none need be there.
        found = None if ctx.resilient_parsing else _field_file(self, ctx, args)
        if found is None:
            return super().parse_args(ctx, args)
        from pixsed.cli.field.steps import Steps

        path, given = found
        more = common_words(self, ctx, given)
        check_given(ctx.info_name, given)
        steps = Steps(path, only=ctx.info_name, given=given)
        if ctx.info_name == "check":
            return super().parse_args(ctx, [*steps.check_words(), *more])
        ctx.obj = steps, more, given
        # For the options that are common to all commands; the others are parsed for each step.
        first = steps.chosen[0]
        return super().parse_args(ctx, [*first.inputs, *first.options, "-o", first.output, *more])

    def field_help(self, ctx):
        """Return the paragraph of the help on field files."""
        return _HELP_OF_CHECK if ctx.info_name == "check" else _HELP

    def format_help_text(self, ctx, formatter):
        super().format_help_text(ctx, formatter)
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(self.field_help(ctx))

    def invoke(self, ctx):
        if ctx.obj is None:
            return super().invoke(ctx)
        from pixsed.cli.field.execute import Execution

        steps, more, given = ctx.obj
        overwrite, part = bool(given.get("overwrite")), "part" in given
        return Execution(steps, ctx.parent, overwrite=overwrite, more=more, part=part).run()


class KeepingCommand(click.Command):
    """Command that keeps the words of the options common to all commands, as ``ctx.obj``."""

    def parse_args(self, ctx, args):
        parsed, _, _ = self.make_parser(ctx).parse_args(list(args))
        ctx.obj = common_words(self, ctx, parsed)
        return super().parse_args(ctx, args)


def common_words(command, ctx, parsed):
    """Return the words of ``-q``, ``-v``, ``--log`` and ``--no-verify`` as they are given.

    Parameters
    ----------
    command : `click.Command`
    ctx : `click.Context`
    parsed : dict
        Values of the options on the command line, from which these are removed.
    """
    from pixsed.cli.field.options import options_of_line

    found = {}
    for param in command.params:
        if param.name in _COMMON:
            value = parsed.pop(param.name, None)
            if not isinstance(value, str | int):
                value = param.value_from_envvar(ctx)
                value = None if value is None else param.type_cast_value(ctx, value)
            found[param.name] = value
    return [word for one in options_of_line(command, found).values() for word in one.words]


def _field_file(command, ctx, args):
    """Return the field file among the arguments, and the options that are given; None without."""
    if not any(word.lower().endswith(".toml") for word in args):
        return None
    parsed, left, _ = command.make_parser(ctx).parse_args(list(args))
    inputs = list(left)
    for param in command.params:
        if param.param_type_name == "argument":
            value = parsed.pop(param.name, None)
            inputs += (
                [value] if isinstance(value, str) else value if isinstance(value, tuple) else []
            )
    fields = [word for word in inputs if word.lower().endswith(".toml")]
    wants_help = command.get_help_option(ctx)
    if not fields or (wants_help is not None and parsed.get(wants_help.name)):
        return None
    if len(inputs) > 1:
        raise click.UsageError(f"{fields[0]} is a field file, which has all inputs; give it alone")
    return fields[0], parsed


def check_given(name, given):
    """Raise `click.UsageError` if an option cannot be given beside a field file."""
    if "output" in given and name != "check":
        raise click.UsageError("the field file says where its products go (output); omit -o")
    if name == "sum-mass" and "part" in given:
        raise click.UsageError(
            "--part makes a table of its own for each part; give sum-mass the cubes and -o"
        )
