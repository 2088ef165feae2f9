"""Steps of a field file, in the order in which they run."""

import os
from dataclasses import replace

from pixsed.cli.field.files import by_band, check_files, psfs_by_band
from pixsed.cli.field.options import (
    OF_RUN,
    Given,
    long_name,
    options_of_environment,
    options_of_file,
    options_of_line,
)
from pixsed.cli.field.step import Step
from pixsed.cli.main import command_of
from pixsed.errors import PixsedError
from pixsed.io.formats.field_file import read_field

# Command -> option that follows from the field -> given options with which it is left out.
_EXCLUDED = {
    "psfmatch": {"segmap": {"correlation none"}},
    "cutout": {
        "segmap": {"position", "region"},
        "all": {"position", "region", "id"},
        "catalog": {"redshift", "no-redshift"},
    },
    "check": {
        "catalog": {"redshift", "redshift-map"},
        "redshift": {"catalog", "redshift-map"},
        "redshift-err": {"catalog", "redshift-map"},
    },
}


class Steps:
    """Steps of a field.

    Parameters
    ----------
    path : str
        Field file.
    only : str, optional
        The only command to run.
    given : dict, optional
        Options of `only` on its command line, as click's parser gives them.
    common : dict, optional
        Long names of options -> `Given`, for every command that has them.

    Attributes
    ----------
    field : `~pixsed.io.formats.field_file.FieldFile`
    folder : str
        Folder of the products.
    all : list of `~pixsed.cli.field.step.Step`
        All steps of the field.
    chosen : list of `~pixsed.cli.field.step.Step`
        Those of `only`.

    Raises
    ------
    PixsedError
        If the field file is wrong, or a file that it names is absent.
    """

    def __init__(self, path, *, only=None, given=None, common=None):
        self.field = read_field(path)
        self.only, self._line, self._common = only, given or {}, common or {}
        self.folder = self.field.place(self.field.output)
        self.images = by_band(self.field, "images")
        self.psfs = psfs_by_band(self.field, self.images)
        self.all = [*self._of_bands(), *self._of_galaxies()]
        check_files(self.field, self.images, self.all)
        self.chosen = [step for step in self.all if only in (None, step.command)]
        if not self.chosen and only != "check":
            why = "has no psfs" if only == "psfmatch" and not self.psfs else f"has {only} = false"
            raise PixsedError(f"{path} {why}, so there is nothing for pixsed {only} to do")

    def place(self, *names):
        """Return a path in the folder of the products."""
        return os.path.join(self.folder, *names)

    def before(self, step):
        """Return the steps whose products a step reads."""
        made = {one.output: one for one in self.all}
        if step.of_folder:
            return [made[os.path.join(os.path.dirname(step.inputs[0]), "")]]
        return [made[path] for path in step.paths() if path in made]

    def check_words(self):
        """Return the words of ``pixsed check``: its images are those before matching.

        Options of other commands that check has, such as ``--snr-min`` of fit, hold for it too.
        """
        pairs = [f"{band}={path}" for band, path in self.psfs.items()]
        own = self._own("segmap", "catalog", "model")
        for table in ("bkg", "psfmatch", "cutout", "fit"):
            command, bands = command_of("check"), tuple(self.images)
            found = options_of_file(self.field, table, command, None, bands, shared=True)
            if table in ("bkg", "psfmatch"):  # there it only masks sources
                found.pop("segmap", None)
            own |= found
        cutout = self.field.options.get("cutout") or {}
        if "redshift" in own or cutout.get("no-redshift") is True:
            own.pop("catalog", None)
        own["psf"] = Given(tuple(word for pair in pairs for word in ("--psf", pair)))
        if self.field.target:
            own["target"] = Given(("--target", self.field.target.upper()))
        return [*self.images.values(), *self._options("check", None, own)[0]]

    def _of_bands(self):
        """Return the steps of single images, and cutout, which reads what they make."""
        steps, images = [], dict(self.images)
        for command, ending in (("bkg", "bkg"), ("psfmatch", "psfm")):
            if self.field.options.get(command) is False:
                continue
            if command == "psfmatch" and not self.psfs:
                self._options(command, next(iter(images)), {})  # checks them all the same
                continue
            for band, image in images.items():
                own = {}
                if command == "psfmatch":
                    own["psf"] = named("psf", self.psfs[band])
                    own["target"] = named("target", self.psfs[self.field.target.upper()])
                own |= self._own("segmap")
                output = self.place("images", f"{band}_{ending}.fits")
                steps.append(self._step(command, (image,), output, own, band))
                images[band] = f"{band}={output}"
        own = self._own("segmap", "catalog")
        if "segmap" in own:
            own["all"] = Given(("--all",))
        return [*steps, self._step("cutout", tuple(images.values()), self.place("cubes/"), own)]

    def _of_galaxies(self):
        """Return the steps that read cubes or maps."""
        cubes, maps = (self.place(folder, "*.fits") for folder in ("cubes", "maps"))
        model, options = self._own("model"), self.field.options
        steps = [self._step("fit", (cubes,), self.place("maps/"), model)]
        if options.get("sum-mass") is not False:
            steps.append(self._step("sum-mass", (cubes,), self.place("masses.ecsv"), model))
        if options.get("plot", False) is not False:
            step = self._step("plot", (maps,), self.place("pictures/"), {})
            if "--contact-sheet" in step.options:
                name = f"contact_sheet.{picture_kind(step.options)}"
                step = replace(step, output=self.place(name))
            steps.append(step)
        return steps

    def _step(self, command, inputs, output, own, band=None):
        return Step(command, band, inputs, *self._options(command, band, own), output)

    def _own(self, *keys):
        """Return options that are keys of the field file: long name -> `Given`."""
        found = {}
        for key in keys:
            text = getattr(self.field, key)
            if text is None:
                continue
            is_file = key != "model" or text.endswith(".onnx")
            found[key] = (
                named(key, self.field.place(text)) if is_file else Given((f"--{key}", text))
            )
        return found

    def _options(self, name, band, own):
        """Return the words of the options of a command, and the files that they name.

        Options of the command line come before those of the file; then come those that follow
        from the field (`own`), and those of variables.
        """
        from pixsed.io.locate import parse_location

        command = command_of(name)
        given = options_of_file(self.field, name, command, band, tuple(self.images))
        names = {long_name(param) for param in command.params}
        given |= {key: one for key, one in self._common.items() if key in names}
        if name == self.only:
            line = options_of_line(command, self._line)
            given |= {key: one for key, one in line.items() if key not in OF_RUN}
        there = {key for key, one in given.items() if one.words}
        there |= {" ".join(one.words).lstrip("-") for one in given.values()}
        excluded = _EXCLUDED.get(name, {})
        own = {key: one for key, one in own.items() if not there & excluded.get(key, set())}
        found = own | given
        found |= options_of_environment(name, command, found)
        words = tuple(word for one in found.values() for word in one.words)
        files = (parse_location(file).path for one in found.values() for file in one.files)
        return words, tuple(files)


def picture_kind(options):
    """Return the ending of the pictures that plot draws, given the words of its options."""
    return dict(zip(options, options[1:], strict=False)).get("--format", "png")


def named(name, path):
    """Return the `Given` of an option that names a file."""
    return Given((f"--{name}", path), (path,))
