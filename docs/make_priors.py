"""Draw the pictures of docs/explanation/priors.rst: python docs/make_priors.py (needs matplotlib).

docs/images/prior_NAME.png: distributions of the parameters of a prior and of derived quantities,
and eight of its histories. docs/images/prior_compare.png: derived quantities of all priors.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from pixsed.cosmology import age
from pixsed.simulate.priors import PRIORS

FOLDER = Path(__file__).parent / "images"
N = 100_000
SHOWN_Z = 2.0
LABELS = {
    "LOGMFORM": "LOGMFORM [dex(Msun)]",
    "METAL": "METAL [dex]",
    "AV": "AV [mag]",
    "REDSHIFT": "REDSHIFT",
    "LOGSSFR": "LOGSSFR [dex(1/yr)]",
    "TAU": "TAU [Gyr]",
    "TSTART": "TSTART [Gyr]",
    "T25": "T25 / age(z)",
    "T50": "T50 / age(z)",
    "T75": "T75 / age(z)",
    "SSFR": "LOGSFR - LOGMFORM",
    "AGE/": "AGE / age(z)",
}
COLOURS = dict(zip(PRIORS, ("C0", "C3", "C2", "C1", "C4", "C5"), strict=True))


def drawn(name, seed=1):
    """Return the columns of a table of simulations without photometry, all mass surviving."""
    prior = PRIORS[name]()
    z, unit = prior.draw(N, np.random.default_rng(seed))
    history = prior.history(z, unit)
    columns = prior.parameters(z, unit, history, np.ones(N))
    if "T50" not in columns:
        times = history.formation_time(np.array([0.25, 0.5, 0.75]))
        columns |= dict(zip(("T25", "T50", "T75"), times.T, strict=True))
    columns["SSFR"] = columns["LOGSFR"] - columns["LOGMFORM"]
    columns["AGE/"] = columns["AGE"] / age(z)
    return columns


def bins_of(key, values):
    """Return the values to bin, the bins and the label; log10 of a log-uniform quantity."""
    label = LABELS.get(key, key)
    if key.startswith("LOGRATIO"):
        return values, np.linspace(-3, 3, 61), label
    if (
        values.min() > 0
        and np.log10(values.max() / values.min()) > 1.8
        and key
        in (
            "TAU",
            "GROWTH",
            "ALPHA",
            "BETA",
        )
    ):
        return np.log10(values), 40, f"log10 {label}"
    return values, 40, label


def draw_histories(ax, name):
    """Draw eight histories at one redshift, each with the same mass."""
    prior = PRIORS[name]()
    _, unit = prior.draw(8, np.random.default_rng(12))
    z = np.full(8, SHOWN_Z)
    history = prior.history(z, unit)
    at_z = float(age(SHOWN_Z))
    edges = np.linspace(0, at_z, 401)
    rate = history.weights(edges) / (edges[1] * 1e9)
    time = at_z - 0.5 * (edges[1:] + edges[:-1])
    # The square root shows bursts and low rates at once.
    ax.plot(time, np.sqrt(rate.T * 1e9), lw=1.1, drawstyle="steps-mid")
    ax.set(xlim=(0, at_z), ylim=(0, 3), xlabel="cosmic time [Gyr]")
    ax.set_title(
        f"eight histories at redshift {SHOWN_Z:g}: square root of SFR / mass formed [1/Gyr]",
        fontsize=8,
    )


def draw_prior(name, columns):
    """Draw the picture of a prior: a histogram per quantity, and histories."""
    own = [c.name for c in PRIORS[name].COORDINATES[3:]]
    keys = ["LOGMFORM", "METAL", "AV", "REDSHIFT", *own, "SSFR", "AGE/"]
    keys += [key for key in ("T25", "T50", "T75") if key not in own]
    across = 5
    rows = -(-(len(keys) + 3) // across)  # the histories take the remaining columns, at least three
    figure = plt.figure(figsize=(11, 2.1 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, across)
    for i, key in enumerate(keys):
        ax = figure.add_subplot(grid[divmod(i, across)])
        values, bins, label = bins_of(key, columns[key])
        ax.hist(values, bins=bins, density=True, color=COLOURS[name], alpha=0.75)
        ax.set_xlabel(label)
        ax.set_yticks([])
    first = len(keys) - across * (rows - 1)
    draw_histories(figure.add_subplot(grid[rows - 1, max(first, 0) :]), name)
    save(figure, f"prior_{name}.png")


def draw_compare(tables):
    """Draw the distributions of derived quantities, all priors in one picture."""
    figure, axes = plt.subplots(1, 4, figsize=(11, 2.6), layout="constrained")
    ranges = {"SSFR": (-14.1, -7.5), "AGE/": (0, 1), "T50": (0, 1), "T75": (0, 1)}
    for ax, (key, limits) in zip(axes, ranges.items(), strict=True):
        for name, columns in tables.items():
            ax.hist(
                columns[key],
                bins=50,
                range=limits,
                density=True,
                histtype="step",
                color=COLOURS[name],
                label=name,
                lw=1.3,
            )
        ax.set_xlabel(LABELS[key])
        ax.set_yticks([])
        ax.set_xlim(limits)
    axes[0].set_yscale("log")
    axes[0].set_ylim(1e-3, 5)
    axes[0].set_yticks([1e-3, 1e-2, 1e-1, 1])
    axes[1].legend(frameon=False, fontsize=8)
    save(figure, "prior_compare.png")


def save(figure, name):
    """Write a picture of few colours, without the date or version: it is the same each time."""
    figure.savefig(FOLDER / name, dpi=90, metadata={"Software": None})
    plt.close(figure)
    print(FOLDER / name)


def main():
    """Draw every picture."""
    plt.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})
    tables = {name: drawn(name) for name in PRIORS}
    for name, columns in tables.items():
        draw_prior(name, columns)
    draw_compare(tables)


if __name__ == "__main__":
    main()
