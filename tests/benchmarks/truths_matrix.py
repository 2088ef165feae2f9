"""The matrix model x truth of docs/explanation/truths.rst: bias, scatter and coverage of models.

    pixsed ssp --library bc03 --imf chabrier -o bc03.fits
    pixsed ssp --library fsps -o fsps.fits
    python tests/benchmarks/truths_matrix.py broad tau dirichlet --ssp bc03.fits --ssp fsps.fits \
        --folder truths --into docs/explanation/truths.rst

Truths that are not in the folder are made first: galaxies of Bagpipes by `bagpipes_truths.py`, on
the IMF of each model, and simulations of every prior by `outside_prior.py`, if the grids have its
IMF. Their seeds are those of no training. Each model is then scored by the code of `pixsed
validate`, and the part of the page between its two marks is replaced. Models that share
tables can be run one after another: the part has one section per model, and those of other models
are kept. --cards pixsed/models also writes the rows of a model into its card, <model>.md, as its
last section; run it after `pixsed validate --card`, which writes the card without it.

Needs bagpipes and the packages of pixsed[sps].
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from astropy.io import fits

from pixsed.fit.model import Model
from pixsed.models import resolve
from pixsed.validate.bins import bin_name
from pixsed.validate.options import ValidateOptions
from pixsed.validate.validate import validate_model

HERE = Path(__file__).resolve().parent
MARKS = ".. matrix: begin", ".. matrix: end"
SECTION = ".. model: "
CARD = "## Tests on other codes"
NAMES = "LOGMSTAR LOGMFORM LOGSFR LOGSFR10 METAL AV DUSTSLOPE LOGU AGE T50LB".split()
BY = {"bagpipes": ("DUSTSLOPE:-0.7", "FAMILY")}
PRIORS = "tau", "dirichlet", "continuity", "powerlaw", "dpl"


def recipes(grids, imf):
    """Return the tables of truths on an IMF: name of the file -> arguments of its script.

    Parameters
    ----------
    grids : list of str
        SSP grids: BC03, and optionally FSPS.
    imf : str
        ``"Chabrier"`` or ``"Kroupa"``.
    """
    end = f"_{imf.lower()}.fits"
    bagpipes = ["bagpipes_truths.py", "--imf", imf.lower()]
    found = {
        f"bagpipes{end}": bagpipes,
        f"bagpipes_z12{end}": [*bagpipes, "-n", "500", "--redshift", "7", "12", "--seed", "8151"],
    }
    grids = [grid for grid in grids if fits.getheader(grid)["IMF"] == imf]
    if not grids:
        return found
    for i, prior in enumerate(PRIORS):
        found[f"{prior}{end}"] = [
            "outside_prior.py",
            prior,
            "--ssp",
            grids[0],
            "--seed",
            str(8160 + i),
            "--label",
            f"{prior}, Calzetti, log U -2, BC03",
        ]
    if len(grids) > 1:
        both = ["outside_prior.py", "broad", "--ssp", grids[0], "--ssp", grids[1]]
        for i, (name, fraction) in enumerate((("BC03", "0"), ("FSPS", "1"))):
            found[f"{name.lower()}{end}"] = [
                *both,
                "--library-fraction",
                fraction,
                "--seed",
                str(8170 + i),
                "--label",
                f"broad, {name} only",
            ]
        found[f"broad{end}"] = [*both, "--seed", "8172", "--label", "broad"]
    return found


def tables(grids, imf, folder, jobs):
    """Return the files of truths on an IMF, made if they do not exist."""
    found = []
    for name, (script, *arguments) in recipes(grids, imf).items():
        path = Path(folder, name)
        if not path.is_file():
            command = [sys.executable, str(HERE / script), *arguments, "--jobs", str(jobs)]
            subprocess.run([*command, "-o", str(path)], check=True)
        found.append(path)
    return found


def score(model, path, given):
    """Return the label of a table and the rows of TESTS of a model on it."""
    by = next((by for start, by in BY.items() if path.name.startswith(start)), ())
    options = ValidateOptions(
        number=given.n, samples=given.samples, snr_min=5.0, by=by, jobs=given.jobs
    )
    report = validate_model(model, path, options)
    shown = [row for row in report.tables["TESTS"] if row["BY"] not in ("SNR", "REDSHIFT")]
    return fits.getheader(path)["TRUTHS"], shown


def cell(row):
    """Return the entry of a property: bias, scatter, coverage of the 68 % interval."""
    return f"{row['OFFSET']:+.2f} {row['MAD']:.2f} {row['COV68']:.2f}"


def entries(scores):
    """Return the names of the properties, and rows of (truths, N, cells)."""
    found = {
        (label, row["BY"], row["LOW"], row["HIGH"], row["PARAMETER"]): row
        for label, rows in scores
        for row in rows
    }
    names = [name for name in NAMES if any(key[-1] == name for key in found)]
    table = []
    for key in dict.fromkeys(key[:-1] for key in found):
        label, *bin_ = key
        rows = {name: found[*key, name] for name in names if (*key, name) in found}
        where = "" if bin_[0] == "ALL" else f": {bin_name(*bin_)}"
        number = max(row["N"] for row in rows.values())
        cells = [cell(rows[name]) if name in rows else "" for name in names]
        table.append((f"{label}{where}", str(number), cells))
    return names, table


def section(model, scores):
    """Return the lines of the section of a model, in reStructuredText."""
    names, table = entries(scores)
    lines = [f"{SECTION}{model}", "", model, "~" * len(model), ""]
    lines += [".. list-table::", "   :header-rows: 1", "   :class: matrix", ""]
    for label, number, cells in [("truths", "N", names), *table]:
        lines += [f"   * - {label}", f"     - {number}"]
        lines += [f"     - {text}" for text in cells]
    return [*lines, ""]


def card_section(scores):
    """Return the section of a card, in Markdown."""
    names, table = entries(scores)
    lines = [
        CARD,
        "",
        "Galaxies that are not of this model's prior, with a mean S/N above 5, in the 19 bands of "
        "Iglesias-Navarro+25 with 3 % of the flux as noise (`docs/explanation/truths.rst`). Each "
        "entry: bias, 1.48 MAD, coverage of 68 % intervals.",
        "",
        f"| truths | N | {' | '.join(names)} |",
        "|---" * (len(names) + 2) + "|",
    ]
    lines += [f"| {label} | {number} | {' | '.join(cells)} |" for label, number, cells in table]
    return "\n".join(lines) + "\n"


def replaced(text, model, lines):
    """Return the page with the section of a model replaced, or added."""
    before, rest = text.split(MARKS[0], 1)
    old, after = rest.split(MARKS[1], 1)
    parts = re.split(rf"^(?={re.escape(SECTION)})", old.strip("\n"), flags=re.MULTILINE)
    kept = {part.split("\n")[0].removeprefix(SECTION): part for part in parts if part.strip()}
    kept[model] = "\n".join(lines)
    body = "\n\n".join(part.strip("\n") for part in kept.values())
    return f"{before}{MARKS[0]}\n\n{body}\n\n{MARKS[1]}{after}"


def main():
    """Make the truths, score the models and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--ssp", action="append", default=[], help="BC03, then FSPS")
    parser.add_argument("--folder", default="truths")
    parser.add_argument("--into", required=True)
    parser.add_argument("--cards", metavar="DIR", help="folder of the cards to write into")
    parser.add_argument("-n", type=int, default=10_000, help="the most galaxies of a table")
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    Path(given.folder).mkdir(exist_ok=True)
    page = Path(given.into)
    for name in given.models:
        model = Model(resolve(name), threads=1)
        scores = []
        for path in tables(given.ssp, model.metadata["sps"]["IMF"], given.folder, given.jobs):
            if "_z12" in path.name and model.redshift_range[1] < 12:
                continue
            scores.append(score(name, path, given))
            print(name, *scores[-1][0:1], flush=True)
        page.write_text(replaced(page.read_text(), model.name, section(model.name, scores)))
        if given.cards:
            card = Path(given.cards, f"{model.name}.md")
            before = card.read_text().split(f"\n{CARD}\n")[0].rstrip("\n")
            card.write_text(f"{before}\n\n{card_section(scores)}")


if __name__ == "__main__":
    main()
