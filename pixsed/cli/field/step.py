"""A step of a field: one command line that makes a part of its products."""

import glob
import os
import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A command line that makes a part of the products of a field.

    Attributes
    ----------
    command : str
    band : str or None
        Band of the only image.
    inputs : tuple of str
        Arguments; of `of_folder` steps one pattern, which `words` expands.
    options : tuple of str
        Words of the options.
    files : tuple of str
        Files that the options name.
    output : str
        File, or folder with a slash at its end.
    """

    command: str
    band: str | None
    inputs: tuple
    options: tuple
    files: tuple
    output: str

    @property
    def name(self):
        """Name of the step, such as ``bkg F444W``."""
        return self.command if self.band is None else f"{self.command} {self.band}"

    @property
    def of_folder(self):
        """True if the argument is a pattern of the files of a folder."""
        return self.command in ("fit", "sum-mass", "plot")

    def paths(self):
        """Return the files that the arguments name, without band and extension."""
        from pixsed.io.locate import parse_location

        if self.of_folder:
            folder, name = os.path.split(self.inputs[0])
            return sorted(glob.glob(os.path.join(glob.escape(folder), name)))
        return [parse_location(text, band=True).path for text in self.inputs]

    def words(self, *more):
        """Return the words behind the command, with files in place of the pattern.

        Parameters
        ----------
        *more : str
            Further options.
        """
        inputs = self.paths() if self.of_folder else self.inputs
        return [*inputs, *self.options, *more, "-o", self.output]

    def line(self, *more):
        """Return the command line for a shell, which expands the pattern."""
        inputs = [shlex.quote(text) for text in self.inputs]
        if self.of_folder:
            folder, name = os.path.split(self.inputs[0])
            inputs = [f"{shlex.quote(folder)}/{name}"]
        rest = shlex.join([*self.options, *more, "-o", self.output])
        return " ".join(["pixsed", self.command, *inputs, rest])
