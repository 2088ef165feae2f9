"""Record of the steps of a field: ``steps.json`` in the folder of its products.

It says which command line made what, and whether the step was finished. Products alone do not say
that: whether a folder has all its cubes, by which options a picture was drawn, and whether a file
was made and deleted.
"""

import json
import os

from pixsed.errors import PixsedError
from pixsed.io.atomic import atomic_path
from pixsed.io.outputs import check_output
from pixsed.io.writers.file_lock import locked

NAME = "steps.json"


class Ledger:
    """Record of the steps of a field.

    Parameters
    ----------
    folder : str
        Folder of the products.

    Raises
    ------
    PixsedError
        If the record cannot be read.
    """

    def __init__(self, folder):
        self.path = os.path.join(folder, NAME)
        self._steps = self._read()

    def _read(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                steps = json.load(file)["steps"]
            for entry in steps.values():
                if not isinstance(entry["command"], str):
                    raise TypeError
                if not isinstance(entry["files"], list | None):
                    raise TypeError
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (ValueError, KeyError, TypeError, AttributeError, OSError):
            raise PixsedError(
                f"{self.path}, the record of the steps, cannot be read; delete it, and make the "
                "products again with --overwrite"
            ) from None
        return steps

    def command(self, step):
        """Return the command line that a step was begun with, or None."""
        return self._steps.get(step.name, {}).get("command")

    def files(self, step):
        """Return the names of the files that a finished step has made; None if it is not."""
        return self._steps.get(step.name, {}).get("files")

    def write(self, step, files):
        """Record that a step was begun, with None as the files, or finished."""
        check_output(self.path, overwrite=True)
        with locked(self.path):
            self._steps = self._read()  # another process may work on another step
            self._steps[step.name] = {"command": step.line(), "files": files}
            with atomic_path(self.path, overwrite=True) as temporary:
                temporary.write_text(json.dumps({"steps": self._steps}, indent=1) + "\n", "utf-8")
