"""Draw the picture of docs/development/design.rst: python docs/make_architecture.py.

docs/images/architecture.png: the folders of pixsed with the files that pass between them, and the
functions on the way of a pixel from the command to onnxruntime and into the maps.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

FOLDER = Path(__file__).parent / "images"
INK, FAINT = "#22303c", "#6b7785"
#: Folder -> (number in the order of import, fill, edge, contents).
ROOMS = {
    "io": (1, "#e4e8ec", "#8795a3", "FITS in and out: units, WCS, formats, writers"),
    "models": (2, "#fdebd3", "#dd9a3c", "shipped .onnx"),
    "images": (3, "#dcebf7", "#5b93c4", "background, PSF,\ncutout, noise, bins"),
    "sps": (4, "#e3f1e1", "#6aa667", "SSP grids,\nphotometry"),
    "simulate": (5, "#e3f1e1", "#6aa667", "priors, noise,\nbatches"),
    "fit": (6, "#fdebd3", "#dd9a3c", "selection, draws,\nquantiles, masses"),
    "validate": (7, "#efe4f4", "#9b72b0", "tests of a model"),
    "train": (8, "#efe4f4", "#9b72b0", "network, export\n(imports torch)"),
    "plots": (9, "#fbe3e3", "#cc7373", "pictures"),
    "cite": (10, "#fbe3e3", "#cc7373", "references"),
    "cli": (11, "#f6f0d2", "#b9a24a", "options in, one library call, a file out"),
}
#: Steps of the way of a pixel: (folder, function, what it does). Indented steps are called by
#: the step above and return before the next one.
WAY = (
    ("cli", "fit.command", "options to FitOptions", 0),
    ("fit", "fit_to_file", "open, resume, provenance", 0),
    ("fit", "fit_tiles", "tile after tile", 0),
    ("fit", "TileFitter.fit", "one tile", 0),
    ("io", "PixelSource.read", "fluxes and errors", 1),
    ("fit", "select_pixels", "S/N, bands, redshifts, DQ", 1),
    ("fit", "summarise", "batches of 32 pixels", 0),
    ("fit", "_summarise_draws", "keyed draws in, quantiles out", 0),
    ("fit", "Model.sample", "photometry and normals in", 0),
    ("fit", "Model._run", "onnxruntime: samples out", 0),
    ("io", "MapsWriter.place", "planes to the file", 1),
)


def box(ax, x, y, width, height, room, pad=0.0):
    """Draw the rounded box of a room, its lower left corner at (x, y)."""
    _, fill, edge, _ = ROOMS[room]
    style = f"round,pad={pad},rounding_size=0.09"
    ax.add_patch(
        FancyBboxPatch((x, y), width, height, boxstyle=style, fc=fill, ec=edge, lw=1.1, zorder=2)
    )


def arrow(ax, start, end, curve=0.0, colour=INK, style="-|>", width=1.2):
    """Draw an arrow between two points."""
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle=style,
            mutation_scale=9,
            connectionstyle=f"arc3,rad={curve}",
            color=colour,
            lw=width,
            shrinkA=0,
            shrinkB=0,
            zorder=3,
        )
    )


def draw_room(ax, room, x, y, width, height):
    """Draw a room with its number, name and contents."""
    number, _, edge, contents = ROOMS[room]
    box(ax, x, y, width, height, room)
    middle = x + width / 2
    low = height < 0.6
    lines = contents.count("\n") + 1
    name_y = y + height / 2 if low else y + height - 0.23
    if low:
        ax.text(x + 0.42, name_y, room, size=9.5, weight="bold", color=INK, va="center", zorder=4)
        ax.text(middle + 0.25, name_y, contents, size=7.6, color=INK, ha="center", va="center")
    else:
        ax.text(middle, name_y, room, size=9.5, weight="bold", color=INK, ha="center", va="center")
        contents_y = y + (height - 0.36) / 2 - (0.02 if lines == 1 else 0)
        ax.text(middle, contents_y, contents, size=7.3, color=INK, ha="center", va="center")
    ax.text(x + 0.08, y + height - 0.06, str(number), size=6.5, color=edge, va="top", weight="bold")


def label(ax, x, y, text, **kwargs):
    """Write the name of a file that passes between rooms."""
    ax.text(x, y, text, size=7, style="italic", color=FAINT, ha="center", va="center", **kwargs)


def draw_rooms(ax):
    """Draw the folders, and the files between them."""
    ax.text(0.05, 5.78, "The folders, numbered in their order of import", size=10.5, color=INK)
    draw_room(ax, "cli", 0.05, 5.02, 5.95, 0.5)
    width, height = 1.25, 0.98
    upper, lower = 3.55, 1.62
    places = {"images": 0.05, "fit": 2.4, "plots": 4.75}
    for room, x in places.items():
        draw_room(ax, room, x, upper, width, height)
    for room, x in {"sps": 0.05, "simulate": 1.61, "train": 3.18, "validate": 4.75}.items():
        draw_room(ax, room, x, lower, width, height)
    for room, x in {"models": 1.61, "cite": 4.75}.items():
        draw_room(ax, room, x, 2.77, width, 0.62)
    arrow(ax, (2.65, 3.39), (2.75, upper))
    middle = upper + height / 2
    arrow(ax, (1.3, middle), (2.4, middle))
    label(ax, 1.85, middle + 0.14, "cube")
    arrow(ax, (3.65, middle), (4.75, middle))
    label(ax, 4.2, middle + 0.14, "maps, tables")
    middle = lower + height / 2
    arrow(ax, (1.3, middle), (1.61, middle))
    label(ax, 1.455, lower - 0.13, "SSP grid")
    arrow(ax, (2.86, middle), (3.18, middle))
    label(ax, 3.02, lower - 0.13, "simulations")
    arrow(ax, (3.6, lower + height), (3.25, upper), curve=0.12)
    label(ax, 3.93, 3.1, "model .onnx")
    arrow(ax, (4.43, middle), (4.75, middle))
    label(ax, 4.6, lower - 0.13, "model")
    arrow(ax, (0.675, 4.86), (0.675, upper + height))
    label(ax, 1.17, 4.72, "mosaics, PSFs")
    draw_room(ax, "io", 0.05, 0.78, 5.95, 0.5)
    ax.add_patch(
        FancyBboxPatch(
            (0.05, 0.1), 5.95, 0.46, boxstyle="round,pad=0,rounding_size=0.09", fc="white", ec=FAINT
        )
    )
    ax.text(
        3.02,
        0.33,
        "bands   properties   cosmology   dq   snr   redshifts   nodata   parallel   errors",
        size=7.6,
        color=INK,
        ha="center",
        va="center",
    )


def draw_way(ax):
    """Draw the functions on the way of a pixel, from top to bottom."""
    left, width, height = 6.75, 1.62, 0.36
    step = 0.492
    ax.text(left, 5.78, "The path of a pixel", size=10.5, color=INK)
    tops = []
    for i, (room, name, what, indent) in enumerate(WAY):
        x, y = left + 0.32 * indent, 5.18 - step * i
        tops.append((x, y, indent))
        box(ax, x, y, width, height, room)
        ax.text(
            x + width / 2,
            y + height / 2,
            name,
            size=7.6,
            family="DejaVu Sans Mono",
            color=INK,
            ha="center",
            va="center",
            zorder=4,
        )
        ax.text(x + width + 0.1, y + height / 2, what, size=7.3, color=FAINT, va="center")
    main = [(x, y) for x, y, indent in tops if not indent]
    for (x, y), (_, below) in zip(main[:-1], main[1:], strict=True):
        arrow(ax, (x + 0.16, y), (x + 0.16, below + height), width=1.1)
    callers = {4: 3, 5: 3, 10: 2}
    for i, caller in callers.items():
        x, y, _ = tops[i]
        if caller == 3:
            arrow(ax, (left + 0.16, y + height / 2), (x, y + height / 2), width=1.0)
    x, y, _ = tops[2]
    spine = left - 0.2
    ax.plot(
        [x, spine, spine, tops[10][0]],
        [y + height / 2, y + height / 2, tops[10][1] + height / 2, tops[10][1] + height / 2],
        color=FAINT,
        lw=1.0,
        ls=(0, (3, 2)),
        zorder=1,
    )
    end = tops[10][0]
    arrow(ax, (end - 0.05, tops[10][1] + height / 2), (end, tops[10][1] + height / 2), colour=FAINT)


def main():
    """Draw the picture."""
    figure = plt.figure(figsize=(10.0, 5.75))
    ax = figure.add_axes((0.005, 0.01, 0.99, 0.98))
    ax.set(xlim=(-0.05, 10.35), ylim=(0.0, 6.0))
    ax.axis("off")
    draw_rooms(ax)
    draw_way(ax)
    path = FOLDER / "architecture.png"
    # Without the version of matplotlib the file is the same each time.
    figure.savefig(path, dpi=130, metadata={"Software": None})
    print(path)


if __name__ == "__main__":
    main()
