"""The messages in docs/reference/errors.rst are those that the commands give."""

import ctypes
import functools
import gzip
import os
import re
import resource
import signal
import sys
from pathlib import Path

import fakes
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from forked import import_all, run

from pixsed.fit.graph_check import signed
from pixsed.io.formats.cube import write_cube

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors.rst"
BKG, FIT = "bkg im.fits -o o.fits", "fit cube.fits --model fake.onnx --samples 8 -o o.fits"
CUT = "cutout im.fits F200W=im2.fits --segmap seg.fits --id 531 --redshift 1 -o o.fits"
ALL = "cutout im.fits F200W=im2.fits --segmap seg.fits --all --catalog z.csv -o cubes"
ONE = "cutout im.fits F200W=im2.fits --segmap seg.fits --id 531 --catalog z.csv -o o.fits"
TABLE = "fit phot.ecsv --model fake.onnx --samples 8 -o o.fits"


def edit(name, change):
    """Return a function that changes a FITS file of the folder."""

    def prepare(folder):
        with fits.open(folder / name) as hdulist:
            change(hdulist)
            hdulist.writeto(folder / name, overwrite=True, checksum=True)

    return prepare


def content(name, change):
    """Return a function that changes the bytes of a file of the folder."""
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def break_tiles(folder):
    """Compress the image, and move a tile out of the file."""
    with fits.open(folder / "im.fits") as hdulist:
        image = fits.CompImageHDU(hdulist["SCI"].data, hdulist["SCI"].header, name="SCI")
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(folder / "new.fits")
    data = bytearray((folder / "new.fits").read_bytes())
    with fits.open(folder / "new.fits", disable_image_compression=True) as hdulist:
        start = hdulist[1].fileinfo()["datLoc"]
    data[start + 4 : start + 8] = b"\x7f" * 4
    (folder / "im.fits").write_bytes(data)


def card(name, old, new):
    """Return a function that replaces a card in the bytes of a file without sums."""

    def change(data):
        data = re.sub(rb"(CHECKSUM|DATASUM )= ", b"COMMENT   ", data)
        at = data.index(old)
        return data[:at] + new.ljust(80) + data[at + 80 :]

    return content(name, change)


def cube(**changes):
    """Return a function that writes another cube."""
    return lambda folder: write_cube(
        fakes.make_cube(**changes), folder / "cube.fits", overwrite=True
    )


def text(name, lines):
    return lambda folder: (folder / name).write_text(lines)


def table(change):
    """Return a function that changes the table of photometry."""

    def prepare(folder):
        photometry = Table.read(folder / "phot.ecsv")
        changed = change(photometry)
        (photometry if changed is None else changed).write(folder / "phot.ecsv", overwrite=True)

    return prepare


def without_units(photometry):
    for name in photometry.colnames:
        photometry[name].unit = None


def set_data(extension, value):
    def change(hdulist):
        hdulist[extension].data = np.full(hdulist[extension].shape, value, "f4")

    return change


def nothing(folder):
    """Leave the inputs as they are."""


#: What is wrong -> a function that prepares the folder, and the command.
CASES = {
    "no such file": (nothing, FIT.replace("cube.fits", "none.fits")),
    "a link to nothing": (lambda f: (f / "a.fits").symlink_to("b.fits"), "bkg a.fits -o o.fits"),
    "a folder": (lambda f: (f / "a").mkdir(), "bkg a -o o.fits"),
    "an empty file": (text("im.fits", ""), BKG),
    "a pipe": (lambda f: os.mkfifo(f / "pipe"), "bkg pipe -o o.fits"),
    "no FITS": (text("im.fits", "this is text\n"), BKG),
    "truncated in the data": (content("im.fits", lambda d: d[:9000]), BKG),
    "truncated in a header": (content("im.fits", lambda d: d[:10000]), BKG),
    "maps truncated between two HDUs": (
        content("maps.fits", lambda d: d[: d.rindex(b"XTENSION")]),
        "plot maps.fits -o o.png",
    ),
    "a flipped bit": (content("im.fits", lambda d: d[:6500] + b"x" + d[6501:]), BKG),
    "bytes after the last HDU": (content("im.fits", lambda d: d + b"more"), BKG),
    "a broken size": (card("im.fits", b"NAXIS1  =", b"NAXIS1  = 'wide'"), BKG),
    "a card that cannot be parsed": (card("im.fits", b"FILTER  =", b"FILTER  = 'F444W"), BKG),
    "a gzipped file cut short": (
        lambda f: (f / "im.fits").write_bytes(gzip.compress((f / "im.fits").read_bytes())[:900]),
        BKG,
    ),
    "a compressed image with a damaged table": (break_tiles, BKG),
    "no such extension": (nothing, "bkg im.fits[NOPE] -o o.fits"),
    "several images and none is SCI": (
        edit("im.fits", lambda h: [setattr(h[1], "name", "A"), setattr(h[2], "name", "B")]),
        BKG,
    ),
    "no 2-D image": (edit("im.fits", lambda h: h.__delitem__(slice(1, 3))), BKG),
    "no WCS": (edit("im.fits", lambda h: h["SCI"].header.remove("CTYPE1")), CUT),
    "a WCS without its reference pixel": (
        edit("im.fits", lambda h: h["SCI"].header.remove("CRPIX1")),
        CUT,
    ),
    "no unit": (edit("im.fits", lambda h: h["SCI"].header.remove("BUNIT")), CUT),
    "an unknown unit": (edit("im.fits", lambda h: h["SCI"].header.set("BUNIT", "stones")), CUT),
    "magnitudes as the unit": (
        edit("im.fits", lambda h: h["SCI"].header.set("BUNIT", "mag")),
        BKG,
    ),
    "no band": (edit("im.fits", lambda h: h["SCI"].header.remove("FILTER")), CUT),
    "a band twice": (nothing, CUT.replace("F200W=im2.fits", "F444W=im2.fits")),
    "errors of 0": (edit("im.fits", set_data("ERR", 0.0)), CUT),
    "negative errors": (edit("im.fits", set_data("ERR", -1.0)), CUT),
    "infinite errors": (
        edit("im.fits", set_data("ERR", np.inf)),
        CUT.replace("F200W=im2.fits ", ""),
    ),
    "errors of another shape": (
        edit("im.fits", lambda h: setattr(h["ERR"], "data", np.ones((3, 3), "f4"))),
        CUT,
    ),
    "an image without data": (
        edit("im.fits", set_data("SCI", np.nan)),
        CUT.replace("F200W=im2.fits ", ""),
    ),
    "a segmentation map of another shape": (
        edit("seg.fits", lambda h: setattr(h[0], "data", np.ones((3, 3), "i4"))),
        CUT,
    ),
    "a segmentation map of fractions": (
        edit("seg.fits", lambda h: setattr(h[0], "data", h[0].data + np.float32(0.5))),
        CUT,
    ),
    "an id that is not on the map": (nothing, CUT.replace("531", "999")),
    "no segments at all": (
        edit("seg.fits", lambda h: setattr(h[0], "data", 0 * h[0].data)),
        ALL,
    ),
    "a catalogue without the id": (text("z.csv", "id,z\n8,1\n"), ONE),
    "a catalogue without ids": (text("z.csv", "a,z\n531,1\n"), ONE),
    "a catalogue without redshifts": (text("z.csv", "id,b\n531,1\n"), ONE),
    "a redshift of -99": (text("z.csv", "id,z\n531,-99\n"), ONE),
    "an empty redshift": (text("z.csv", "id,z\n531,\n7,1\n"), ONE),
    "text as a redshift": (text("z.csv", "id,z\n531,high\n"), ONE),
    "an id twice": (text("z.csv", "id,z\n531,1\n531,2\n"), ONE),
    "no redshift": (nothing, CUT.replace(" --redshift 1", "")),
    "a negative redshift": (nothing, CUT.replace("--redshift 1", "--redshift -1")),
    "a redshift beyond the model": (nothing, f"{FIT} --redshift 12"),
    "no band of the model": (
        cube(bands=("X1", "X2"), flux=np.ones((2, 20, 24)), err=np.ones((2, 20, 24))),
        FIT,
    ),
    "maps instead of a cube": (nothing, FIT.replace("cube.fits", "maps.fits")),
    "a table without units": (table(without_units), TABLE),
    "a table without redshifts": (table(lambda t: t.remove_column("REDSHIFT")), TABLE),
    "a table without errors": (table(lambda t: t[[n for n in t.colnames if "_" not in n]]), TABLE),
    "a table without rows": (table(lambda t: t[:0]), TABLE),
    "text in a column of fluxes": (
        table(lambda t: t.replace_column("F444W", ["bright"] * len(t))),
        TABLE,
    ),
    "no such model": (nothing, FIT.replace("fake.onnx", "tao")),
    "a model cut short": (content("fake.onnx", lambda d: d[:500]), FIT),
    "a model that was changed": (
        content("fake.onnx", lambda d: signed(d).replace(b"BC03", b"BC04")),
        FIT,
    ),
    "no model at all": (nothing, FIT.replace("fake.onnx", "seg.fits")),
    "a model of another version": (
        lambda f: fakes.fake_model(f / "fake.onnx", format=1),
        FIT,
    ),
    "metadata of a wrong type": (
        lambda f: fakes.fake_model(f / "fake.onnx", base_dim="six"),
        FIT,
    ),
    "an output that exists": (text("o.fits", "mine"), FIT),
    "an output in no folder": (nothing, FIT.replace("o.fits", "none/o.fits")),
    "the output is an input": (nothing, f"{FIT.replace('o.fits', 'cube.fits')} --overwrite"),
    "an output of no known format": (nothing, "plot maps.fits -o o.gif"),
    "a table of no known format": (nothing, TABLE.replace("o.fits", "o.xyz")),
    "a journal of --resume that is damaged": (
        text(".o.fits.journal", "{} 1\n{} 2\n"),
        f"{FIT} --resume",
    ),
    "NaN as an option": (nothing, f"{FIT} --snr-min nan"),
    "a seed that is too large": (nothing, f"{FIT} --seed {2**63}"),
    "a part alone": (nothing, "merge part1.fits -o o.fits"),
    "a part twice": (nothing, "merge part1.fits part1.fits -o o.fits"),
    "no parts": (nothing, "merge maps.fits maps.fits -o o.fits"),
    "zero points without bands": (
        text("zp.csv", "A,OFFSET\nF444W,0.1\n"),
        f"{FIT} --zero-points zp.csv",
    ),
}


def fill_the_disk():
    """Let files of this process have few bytes, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def close_the_pipe():
    """Make standard output a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)


def interrupt_when_written():
    """Send SIGINT before the output takes its name."""
    from pixsed.io import atomic

    atomic.place = lambda *args, **kwargs: interrupt()


def after_a_tile(action):
    """Return a function that has the process call `action` when the first tile is done."""

    def begin():
        from pixsed.io.writers.maps import MapsWriter

        commit = MapsWriter.commit

        @functools.wraps(commit)
        def then(self, counts):
            commit(self, counts)
            action()

        MapsWriter.commit = then

    return begin


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def obey_permissions():
    """Give up the capability of root to read and write everything."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset")


def mode(name, number):
    """Return a function that changes the mode of a file of the folder, or of the folder."""
    return lambda folder: (folder / name).chmod(number)


def read_only(folder):
    text("o.fits", "mine")(folder)
    (folder / "o.fits").chmod(0o444)


#: What is wrong with the process or its disk -> a function that prepares the folder, one that is
#: called in the process, and the command.
PROCESSES = {
    "an input without permission": (mode("im.fits", 0), obey_permissions, BKG),
    "a folder without permission": (mode(".", 0o555), obey_permissions, BKG),
    "an output that is read-only": (read_only, obey_permissions, f"{BKG} --overwrite"),
    "a full disk": (nothing, fill_the_disk, BKG),
    "a disk that becomes full during a fit": (
        nothing,
        after_a_tile(fill_the_disk),
        f"{FIT} --tile 4",
    ),
    "a closed pipe": (nothing, close_the_pipe, BKG.replace("o.fits", "-")),
    "Ctrl-C": (nothing, interrupt_when_written, BKG),
    "Ctrl-C during a fit": (nothing, after_a_tile(interrupt), f"{FIT} --tile 4"),
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    from click.testing import CliRunner

    from pixsed.cli.main import cli

    folder = tmp_path_factory.mktemp("inputs")
    one = fakes.make_cube()
    write_cube(one, folder / "cube.fits")
    for name, band in {"im": "F444W", "im2": "F200W"}.items():
        header = one.header.copy()
        header["BUNIT"], header["FILTER"], header["INSTRUME"] = "nJy", band, "NIRCAM"
        i = one.bands.index(band)
        planes = {"SCI": one.flux[i].astype("f4"), "ERR": one.err[i].astype("f4")}
        hdus = [fits.ImageHDU(data, header, name=key) for key, data in planes.items()]
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(folder / f"{name}.fits", checksum=True)
    segmap = fits.PrimaryHDU(one.segmap.astype("i4"), one.header)
    segmap.writeto(folder / "seg.fits", checksum=True)
    (folder / "z.csv").write_text("id,z\n531,1\n7,2\n")
    photometry = Table({"ID": [1, 2], "REDSHIFT": [1.0, 2.0]})
    for band in ("F115W", "F277W", "F444W"):
        photometry[band], photometry[f"{band}_ERR"] = [50.0, 60.0], [5.0, 5.0]
        photometry[band].unit = photometry[f"{band}_ERR"].unit = "nJy"
    photometry.write(folder / "phot.ecsv")
    fakes.fake_model(folder / "fake.onnx")
    fit = FIT.split()[2:-1]
    for output, part in {"maps": (), "part1": ("--part", "1/2")}.items():
        args = ["fit", str(folder / "cube.fits"), *fit, str(folder / f"{output}.fits"), *part, "-q"]
        args[args.index("fake.onnx")] = str(folder / "fake.onnx")
        CliRunner().invoke(cli, args, catch_exceptions=False)
    return folder


def said(name, inputs, folder, run_cli):
    """Run a case in a folder of its own; return the message and the files that appeared."""
    prepare, command = CASES[name]
    for path in inputs.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    prepare(folder)
    before = {path: path.lstat().st_mtime_ns for path in folder.iterdir()}
    result = run_cli(*command.split())
    assert result.exit_code in (1, 2), (result.output, result.warned)
    message = str(result.exception)
    if isinstance(result.exception, SystemExit):
        message = result.stderr.rpartition("Error: ")[2]
    after = {path: path.lstat().st_mtime_ns for path in folder.iterdir()}
    assert after == before, "a file was written or changed"
    return " ".join(message.split())


def documented():
    """Return the messages of the page, by what is wrong."""
    rows = re.findall(r"^   \* - (.+)\n     - ``(.+?)``$", PAGE.read_text(), re.MULTILINE)
    return {title.strip(): message for title, message in rows}


def test_the_page_has_all_cases():
    assert list(documented()) == [*CASES, *PROCESSES] and len(CASES) >= 50


@pytest.mark.skipif(os.name != "posix", reason="pipes")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_messages(name, inputs, tmp_path, run_cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_documented(name, said(name, inputs, tmp_path, run_cli))


def check_documented(name, message):
    pattern = ".*".join(map(re.escape, documented()[name].split("...")))
    assert re.fullmatch(pattern, message), message


@pytest.mark.machine
@pytest.mark.skipif(sys.platform != "linux", reason="forks, and uses capabilities of Linux")
@pytest.mark.parametrize("name", PROCESSES)
def test_messages_of_processes(name, inputs, tmp_path):
    import_all()
    prepare, begin, command = PROCESSES[name]
    for path in inputs.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for stream in (".out", ".err"):
        (tmp_path / stream).touch()
    prepare(tmp_path)
    before = set(os.listdir(tmp_path))
    status, message = run(tmp_path, [*command.split(), "-q"], before=begin)
    tmp_path.chmod(0o755)
    assert status == (130 if name.startswith("Ctrl-C") else 1), message
    assert message.count("\n") == 1, message
    check_documented(name, message.strip().removeprefix("pixsed: ").removeprefix("error: "))
    kept = {".o.fits.part", ".o.fits.journal"} if "--resume" in message else set()
    assert set(os.listdir(tmp_path)) - before == kept


#: Faults of outputs, which a check does not have.
OUTPUTS = ("o.fits exists", "none/o.fits", "cube.fits is an input", "o.xyz:", ".o.fits.journal")
OF_FIT = [
    name
    for name, (_, command) in CASES.items()
    if command.startswith("fit ") and not documented()[name].startswith(OUTPUTS)
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OF_FIT)
def test_check_gives_the_messages_of_fit(name, inputs, tmp_path, run_cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = said(name, inputs, tmp_path, run_cli)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    command = CASES[name][1].replace(" -o o.fits", "").replace("fit ", "check ", 1)
    result = run_cli(*command.split())
    assert result.exit_code == (2 if message.startswith("Invalid value") else 1)
    found = result.stderr if result.exit_code == 2 else result.stdout
    assert message in " ".join(found.split())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
