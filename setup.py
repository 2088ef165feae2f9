"""Man pages and the description for a package index; all else is in setup.cfg."""

import re
import sys
from pathlib import Path

import setuptools

# isort: split
from distutils.command.install_data import install_data  # of setuptools, imported before

HERE = Path(__file__).resolve().parent
README = (HERE / "README.md").read_text(encoding="utf-8")


class InstallManPages(install_data):
    """Write the man pages, and install them in share/man/man1."""

    def run(self):
        # The commands of this folder, whose --help needs click alone.
        sys.path.insert(0, str(HERE))
        from pixsed.cli.man_pages import write_man_pages

        folder = Path(self.get_finalized_command("build").build_base) / "man"
        self.data_files = [("share/man/man1", [str(page) for page in write_man_pages(folder)])]
        super().run()


setuptools.setup(
    cmdclass={"install_data": InstallManPages},
    # setuptools runs install_data only where there are data files.
    data_files=[("share/man/man1", [])],
    # An index does not have the files of docs/: a picture of this folder would be a broken link.
    long_description=re.sub(r"^!\[[^]]*\]\((?!https:).*\)\n+", "", README, flags=re.MULTILINE),
)
