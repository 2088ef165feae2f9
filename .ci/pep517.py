"""Build sdist and wheel, check them, and use the wheel in a new environment.

    python .ci/pep517.py FOLDER

FOLDER is emptied. `build` and `twine` must be installed.
"""

import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Files without which an archive is of no use; the wheel has those of the package alone.
PACKAGE = (
    "pixsed/__main__.py",
    "pixsed/py.typed",
    "pixsed/cite/references.bib",
    "pixsed/models/tau.onnx",
    "pixsed/models/tau.md",
    "pixsed/models/SHA256SUMS",
    "pixsed/settings/dask.yaml",
    "pixsed/sps/inoue14_table2.ecsv",
)
SOURCE = (
    "CHANGES.rst",
    "CITATION.cff",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "tox.ini",
    "data/demo.sh",
    "data/mock_F444W.fits",
    "docs/conf.py",
    "docs/images/maps.png",
    "tests/conftest.py",
    "tests/fit/reference.ecsv",
)


def run(*args, **kwargs):
    print("+", *args, flush=True)
    subprocess.run([str(arg) for arg in args], check=True, **kwargs)


def build(folder):
    """Return the paths of the sdist, and of the wheel that was built from it."""
    shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, stdout=subprocess.DEVNULL)
    run(sys.executable, "-m", "twine", "check", "--strict", *folder.iterdir())
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def check_contents(sdist, wheel):
    """Compare the files of both archives with those that must be there, and print a summary."""
    with tarfile.open(sdist) as archive:
        members = [m for m in archive.getmembers() if m.isfile()]
        source = {m.name.split("/", 1)[1]: m.size for m in members}
    with zipfile.ZipFile(wheel) as archive:
        package = {info.filename: info.file_size for info in archive.infolist()}
    for path, sizes in ((sdist, source), (wheel, package)):
        missing = [name for name in PACKAGE if name not in sizes]
        if path is sdist:
            missing += [name for name in SOURCE if name not in sizes]
        if missing:
            sys.exit(f"{path.name} lacks {', '.join(missing)}")
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, {len(sizes)} files")
        folders = {}
        for name, size in sizes.items():
            top = "/".join(name.split("/")[: 2 if name.startswith("pixsed/") else 1])
            top = top if "/" in name and not top.endswith(".py") else "single files"
            number, total = folders.get(top, (0, 0))
            folders[top] = number + 1, total + size
        for top, (number, total) in sorted(folders.items()):
            print(f"    {top:32} {number:4} files {total / 1e6:8.2f} MB")
    if not any(name.endswith("/share/man/man1/pixsed-fit.1") for name in package):
        sys.exit(f"{wheel.name} lacks the man pages")
    foreign = [n for n in package if not n.startswith(("pixsed/", "pixsed-"))]
    if foreign:
        sys.exit(f"{wheel.name} holds files outside pixsed: {', '.join(foreign)}")


def use(wheel, folder):
    """Install the wheel in a new environment, and run commands outside the source folder."""
    venv.create(folder, with_pip=True, clear=True)
    scripts = folder / ("Scripts" if sys.platform == "win32" else "bin")
    run(scripts / "python", "-m", "pip", "install", "--quiet", wheel)
    pixsed = scripts / "pixsed"
    run(pixsed, "--version", cwd=folder)
    run(pixsed, "models", cwd=folder)
    # The first command of data/demo.sh.
    data = ROOT / "data"
    sky = ("--segmap", data / "mock_seg.fits", "--dilate", 5, "--box", 50)
    run(pixsed, "bkg", data / "mock_F435W.fits", *sky, "-o", folder / "bkg.fits", cwd=folder)
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    print(f"the environment, with all requirements: {size / 1e6:.0f} MB")


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    sdist, wheel = build(target)
    check_contents(sdist, wheel)
    use(wheel, target / "venv")
