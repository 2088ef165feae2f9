"""Small files of every kind that the commands write, and the names of what is in them.

``python tests/written.py`` brings docs/reference/written.csv up to date with the code.
"""

import ast
import contextlib
import csv
import re
import tempfile
import warnings
from pathlib import Path

import fakes
import numpy as np
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner

import pixsed
from pixsed.bands import BASIC_BANDS
from pixsed.cli.main import cli
from pixsed.io.formats.cube import bands_table, write_cube
from pixsed.io.provenance import _PACKAGES
from pixsed.plots.panels import DERIVED
from pixsed.properties import PROPERTIES

DOCUMENTED = Path(__file__).parents[1] / "docs" / "reference" / "written.csv"
MODEL = ("--model", "m.onnx", "--samples", "32")
ZEROPOINTS = ("--zero-points", "zp.csv")

#: Kind of file -> command line that writes it; the last word is the file.
COMMANDS = {
    "bkg": "bkg im.fits --box 5 -o bkg.fits",
    "psf": "psf stars.fits --stars stars.ecsv --side 35 -o psf.fits",
    "psfmatch": "psfmatch im.fits --psf narrow.fits --target wide.fits -o psfmatch.fits",
    "cutout": "cutout im.fits im2.fits im3.fits --segmap seg.fits --id 531 --redshift 1 "
    "-o cutout.fits",
    "noise": "noise g0.fits g1.fits -o noise.fits",
    "bin": "bin cube.fits --snr 40 -o bin.fits",
    "check": "check cube.fits MODEL -o check.fits",
    "fit": "fit cube.fits MODEL --model-fluxes ZP -o fit.fits",
    "fit, a binned cube": "fit bin.fits MODEL -o fit_bin.fits",
    "fit, one part": "fit cube.fits MODEL --part 1/2 -o fit_part.fits",
    "fit, mosaics": "fit im.fits im2.fits im3.fits --segmap seg.fits --redshift 1 MODEL "
    "-o fit_mosaics.fits",
    "fit, a table": "fit t.ecsv MODEL --model-fluxes --snr-min 1 ZP --redshift-err 0.1 "
    "-o fit_table.fits",
    "sum-mass": "sum-mass cube.fits g0.fits MODEL ZP -o sum_mass.fits",
    "sum-mass, one part": "sum-mass cube.fits g0.fits MODEL --part 1/2 -o sum_part.fits",
    "profile": "profile cube.fits MODEL --normalise --psf-fwhm 0.1 -o profile.fits",
    "corner": "corner cube.fits --pixel 13 11 MODEL -o corner.fits",
    "sfh": "sfh cube.fits --pixel 13 11 MODEL -o sfh.fits",
    "ppc": "ppc cube.fits --pixel 13 11 MODEL -o ppc.fits",
    "ppc, many galaxies": "ppc g0.fits g1.fits g2.fits g3.fits g4.fits g5.fits MODEL "
    "--propose zp.fits -o residuals.fits",
    "ppc --propose": "zp.fits",
    "compare": "compare fit_table.fits fit_table.fits -o compare.fits",
    "compare, maps": "compare fit.fits fit_bin.fits -o compare_maps.fits",
    "ssp": "grid.fits",
    "simulate": "simulate --ssp grid.fits --prior tau -n 200 --bands F115W,F200W,F277W,F356W,F444W "
    "--jobs 1 -o sims.fits",
    "validate": "validate m.onnx truths.ecsv --samples 50 --jobs 1 -o report.fits",
}


def gaussian(size, sigma, **cards):
    """Return a PSF of a width in pixels as an HDU."""
    y, x = np.indices((size, size)) - size // 2
    data = np.exp(-0.5 * (x**2 + y**2) / sigma**2)
    return fits.PrimaryHDU(data / data.sum(), fits.Header({"PIXSCALE": 0.03} | cards))


def write_inputs(folder):
    """Write the inputs of the commands to a folder."""
    fakes.fake_model(folder / "m.onnx", quantiles=True)
    one = fakes.make_cube()
    write_cube(one, folder / "cube.fits")
    for number in range(6):
        segmap = np.where(one.segmap == 531, number + 1, 0)
        cube = fakes.make_cube(object_id=str(number + 1), redshift=1.0, segmap=segmap)
        cube.table = bands_table(cube.bands, depths=[0.1] * 5, sky_rms=[0.1] * 5)
        write_cube(cube, folder / f"g{number}.fits")
    for name, band in {"im": "F444W", "im2": "F200W", "im3": "F277W"}.items():
        header = one.header.copy()
        header["BUNIT"], header["FILTER"], header["INSTRUME"] = "nJy", band, "NIRCAM"
        i = one.bands.index(band)
        planes = {"SCI": one.flux[i].astype("f4"), "ERR": one.err[i].astype("f4")}
        hdus = [fits.ImageHDU(data, header, name=key) for key, data in planes.items()]
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(folder / f"{name}.fits")
    fits.PrimaryHDU(one.segmap.astype("i4"), one.header).writeto(folder / "seg.fits")
    gaussian(41, 1.5, FILTER="F444W").writeto(folder / "narrow.fits")
    gaussian(41, 2.5, FILTER="F444W").writeto(folder / "wide.fits")
    write_stars(folder, header)
    photometry(3, BASIC_BANDS[::4]).write(folder / "t.ecsv")
    truths = photometry(120, BASIC_BANDS)
    truths["LOGMFORM_TRUE"] = np.linspace(9, 10, 120)
    truths.write(folder / "truths.ecsv")
    (folder / "zp.csv").write_text("BAND,OFFSET,FLOOR\nF444W,0.1,0.02\n")


def photometry(rows, bands):
    """Return a table of photometry."""
    table = Table({"ID": np.arange(rows), "REDSHIFT": np.linspace(1, 4, rows)})
    for band in bands:
        table[band], table[f"{band}_ERR"] = np.linspace(50, 90, rows), np.full(rows, 5.0)
        table[band].unit = table[f"{band}_ERR"].unit = "nJy"
    return table


def write_stars(folder, header):
    """Write an image of stars and their table."""
    rng = np.random.default_rng(3)
    x, y = np.arange(8) % 4 * 60 + 40.0, np.arange(8) // 4 * 60 + 40.0
    rows, columns = np.indices((140, 260))
    data = rng.normal(0, 0.01, rows.shape)
    for number in range(8):
        r2 = (columns - x[number]) ** 2 + (rows - y[number]) ** 2
        data += (5 + number) * np.exp(-r2 / 8)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(data, header, name="SCI")]
    fits.HDUList(hdus).writeto(folder / "stars.fits")
    Table({"x": x, "y": y, "id": np.arange(8)}).write(folder / "stars.ecsv")


class Written:
    """Files of all kinds, each made when it is asked for.

    Parameters
    ----------
    folder : `~pathlib.Path`
        An empty folder, which has to be the working folder.
    """

    def __init__(self, folder):
        self._folder = folder
        write_inputs(folder)

    def path(self, kind):
        """Return the path of a file of a kind of `COMMANDS`."""
        command = COMMANDS[kind]
        path = self._folder / command.split()[-1]
        if not path.exists():
            self._make(command)
        return path

    def _make(self, command):
        lines = {kind: line for kind, line in COMMANDS.items() if " " in line or kind == "ssp"}
        names = {line.split()[-1]: kind for kind, line in lines.items()}
        words = command.replace("MODEL", " ".join(MODEL)).replace("ZP", " ".join(ZEROPOINTS))
        *words, last = words.split()
        for word in words:
            if word in names:
                self.path(names[word])
        if last == "grid.fits":
            from synthetic_ssp import synthetic_ssp

            from pixsed.sps.ssp import write_ssp

            write_ssp(synthetic_ssp(), self._folder / last)
        elif not words:  # made beside another
            self.path("ppc, many galaxies")
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = CliRunner().invoke(cli, [*words, last, "-q"], catch_exceptions=False)
            # check ends with 1 where it finds a problem, after it has written its table.
            done = result.exit_code == 0 or (words[0] == "check" and result.exit_code == 1)
            assert done, (command, result.output)


# Cards of the FITS standard and of WCS, which other documents describe.
_STANDARD = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|TFIELDS|EXTNAME|EXTVER|LONGSTRN|COMMENT"
    r"|HISTORY|CONTINUE||CHECKSUM|DATASUM|T(TYPE|FORM|UNIT|NULL|DISP|DIM|COMM|SCAL|ZERO)\d+"
    r"|WCSAXES|C(TYPE|RPIX|RVAL|DELT|UNIT|ROTA)\d|(PC|CD)\d_\d|L(ON|AT)POLE|RADESYS|EQUINOX"
    r"|MJDREF[IF]?|BSCALE|BZERO"
)
# What a card or a column is called if it depends on the number of inputs, the bands and so on.
CARDS = {
    r"INFILE\d{1,2}": "INFILEn",
    r"(DQ|FLAG)BIT\d+": r"\1BITn",
    r"(EET?)\d\d": r"\1nn",
    r"BAND\d+": "BANDn",
    "|".join(["VPYTHON", *_PACKAGES]): "Vname",
}
_PROPERTY = "|".join(sorted([*PROPERTIES, *DERIVED], key=len, reverse=True))
_BAND = "|".join(sorted(BASIC_BANDS, key=len, reverse=True))
_COLUMNS = {
    rf"((?:RES_|INT_|REL_)?)(?:{_PROPERTY})_P\d+": r"\1<PROP>_Pnn",
    rf"((?:RES_|INT_|REL_)?)(?:{_PROPERTY})_(STD|TRUTH|RANK)": r"\1<PROP>_\2",
    r"(SFR|FORMED|MODEL|RES)_P\d+": r"\1_Pnn",
    rf"(?:{_BAND})((?:_ERR|_MODEL)?)": r"<BAND>\1",
}
# Tables with a column for each property or parameter.
_OF_PROPERTIES = ("CORNER", "SIMS")


def standard(keyword):
    """Return whether a card is one of the FITS standard or of WCS."""
    return _STANDARD.fullmatch(keyword) is not None


def renamed(name, rules):
    """Return the name under which a card or a column is documented."""
    for pattern, name_of_all in rules.items():
        if found := re.fullmatch(pattern, name):
            return found.expand(name_of_all)
    return name


def names_in(path):
    """Return what a FITS file holds: (extension, name, unit, meaning); no extension for cards."""
    found = []
    with fits.open(path) as hdus:
        for hdu in hdus:
            for card in hdu.header.cards:
                if not standard(card.keyword):
                    found.append(("", renamed(card.keyword, CARDS), "", card.comment.strip()))
            if not isinstance(hdu, fits.BinTableHDU):
                continue
            for number, column in enumerate(hdu.columns, 1):
                name = renamed(column.name, _COLUMNS)
                if hdu.name in _OF_PROPERTIES and column.name in PROPERTIES:
                    name = "<PROP>"
                meaning = hdu.header.get(f"TCOMM{number}", "")
                found.append((hdu.name, name, column.unit or "", meaning))
    return list(dict.fromkeys(found))


def cards_in_code():
    """Return the keywords of cards in the source code, in the forms that the package uses.

    Names of properties and of columns are left out: the same forms describe tables.
    """
    found = set()
    for path in Path(pixsed.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            found |= {key for key in _keys(node) if re.fullmatch("[A-Z][A-Z0-9_-]{1,7}", str(key))}
    columns = {name for extension, name in documented() if extension}
    return {name for name in found - PROPERTIES.keys() - columns if not standard(name)}


def _keys(node):
    """Return the keys of a node: ``header["KEY"] = ...``, or ``{"KEY": (value, comment)}``."""
    keys = []
    if isinstance(node, ast.Assign):
        targets = [t for target in node.targets for t in getattr(target, "elts", [target])]
        headers = [t for t in targets if isinstance(t, ast.Subscript)]
        keys = [t.slice for t in headers if re.search("header|cards", ast.unparse(t.value))]
    elif isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        keys = [key for key, value in pairs if isinstance(value, ast.Tuple) and _is_card(value)]
    elif isinstance(node, ast.Tuple) and len(node.elts) == 3:  # keyword, value, comment
        keys = node.elts[:1] if _is_card(ast.Tuple(node.elts[1:])) else []
    elif isinstance(node, ast.Call) and "stamp" in (
        getattr(node.func, "id", ""),
        getattr(node.func, "attr", ""),
    ):
        return {keyword.arg for keyword in node.keywords}
    return {key.value for key in keys if isinstance(key, ast.Constant)}


def _is_card(value):
    """Return whether a tuple is a value, which is not a constant, and the comment of a card."""
    if len(value.elts) != 2 or isinstance(value.elts[0], ast.Constant):
        return False
    return isinstance(value.elts[1], ast.Constant | ast.JoinedStr)


def documented():
    """Return the rows of docs/reference/written.csv: (extension, name) -> row."""
    if not DOCUMENTED.is_file():
        return {}
    with open(DOCUMENTED, newline="") as file:
        return {(row["extension"], row["name"]): row for row in csv.DictReader(file)}


def collect(written):
    """Return rows of all kinds of files: (extension, name) -> commands, units and meanings."""
    rows = {}
    for kind in COMMANDS:
        command = kind.partition(",")[0].partition(" --")[0]
        for extension, name, unit, meaning in names_in(written.path(kind)):
            row = rows.setdefault((extension, name), ([], {}))
            row[0].extend([command] * (command not in row[0]))
            row[1].setdefault((unit, meaning))
    return rows


def main():
    """Write the table of documentation anew, with the texts of the code; keep those by hand."""
    old = documented()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        found = collect(Written(Path(folder)))
    for name in cards_in_code():
        found.setdefault(("", renamed(name, CARDS)), ([], {("", ""): None}))
    rows = []
    for (extension, name), (commands, texts) in found.items():
        before = old.pop((extension, name), {})
        unit, meaning = next(iter(texts)) if len(texts) == 1 else ("", "")
        by_code = bool(meaning) and before.get("source") != "hand"
        rows.append(
            {
                "extension": extension,
                "name": name,
                "commands": " ".join(commands) or before.get("commands", ""),
                "unit": unit or before.get("unit", ""),
                "source": "code" if by_code else "hand",
                "meaning": meaning if by_code else before.get("meaning", ""),
            }
        )
    # Cards and columns that the small inputs do not lead to.
    rows += [row for row in old.values() if row["source"] == "hand"]
    with open(DOCUMENTED, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: (row["extension"] != "", 0)))
    for row in rows:
        if not row["meaning"]:
            print(f"no meaning: {row['extension']} {row['name']}")


if __name__ == "__main__":
    main()
