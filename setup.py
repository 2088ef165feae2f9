"""Man pages, made from the commands when the package is built; all else is in setup.cfg."""

import sys
from pathlib import Path

import setuptools
from distutils.command.install_data import install_data  # of setuptools, imported before


class InstallManPages(install_data):
    """Write the man pages, and install them in share/man/man1."""

    def run(self):
        # The commands of this folder, whose --help needs click alone.
        sys.path.insert(0, str(Path(__file__).resolve().parent))
        from pixsed.cli.man_pages import write_man_pages

        folder = Path(self.get_finalized_command("build").build_base) / "man"
        self.data_files = [("share/man/man1", [str(page) for page in write_man_pages(folder)])]
        super().run()


# setuptools runs install_data only where there are data files.
setuptools.setup(
    cmdclass={"install_data": InstallManPages}, data_files=[("share/man/man1", [])]
)
