"""`pixsed validate`."""

import click

from pixsed.cli.options import examples, jobs, noise, output, quiet_verbose, seed, show_progress


@click.command(
    "validate",
    epilog=examples(
        "pixsed validate tau test.fits -o report.fits",
        "pixsed validate mine.onnx test.fits --noise noise.fits -o report.fits",
        "pixsed validate tau.onnx test.fits -n 2000 --cases paper --max-miss 0.02 -o report.fits",
    ),
)
@click.argument("model")
@click.argument("simulations", type=click.Path())
@click.option("-n", "number", type=click.IntRange(min=100), default=10_000, show_default=True,
              help="Simulations above the S/N cut, a case.")  # fmt: skip
@noise(default="depth", help="depth: the paper's Table 1, scatter 0.25, 2 % of the flux; wide: "
       "what the shipped models are trained under; or a FILE of 'pixsed noise'.")  # fmt: skip
@click.option("--cases", default="paper,paper-drop,all,all-drop", show_default=True,
              help="Band sets: the paper's 19 or all; -drop: less 3 to 10 at random.")  # fmt: skip
@click.option("--samples", type=click.IntRange(min=50), default=500, show_default=True)
@click.option("--snr-min", type=float, default=1.0, show_default=True,
              help="Mean S/N over F277W, F356W, F444W.")  # fmt: skip
@click.option("--max-miss", type=float,
              help="Largest miss of 68 % coverage; exit 1 where it is exceeded.")  # fmt: skip
@click.option("--card", type=click.Path(), help="Also write the model's card, in Markdown.")
@output("Report, FITS tables.")
@seed
@jobs
@quiet_verbose
def command(model, simulations, number, noise, noise_floor, cases, samples, snr_min, max_miss,
            card, output, overwrite, seed, jobs):  # fmt: skip
    """Test a model on simulations: accuracy and calibration.

    For each parameter: R^2 of the posterior medians, median bias, posterior over prior
    width, coverage of 50, 68 and 95 % intervals, and the p-value of the ranks. Printed on
    standard output, and written as FITS tables, one a case.
    """
    import numpy as np
    from astropy.io import fits
    from astropy.table import Table
    from tqdm import tqdm

    from pixsed.errors import PixsedError
    from pixsed.infer.derived import derive
    from pixsed.infer.model import Model
    from pixsed.io.atomic import atomic_path, check_output, write_hdulist
    from pixsed.io.provenance import stamp
    from pixsed.models import resolve
    from pixsed.simulate.noise import NOISE_MODELS, choose_noise
    from pixsed.simulate.table import read_simulations
    from pixsed.train.calibration import CASES, assess, observe_test_set, summarise
    from pixsed.train.card import card_text

    check_output(output, overwrite)
    if card:
        check_output(card, overwrite)
    flow = Model(resolve(model), threads=jobs)
    sims = read_simulations(simulations)
    if sims.bands != flow.bands:
        raise PixsedError(f"{simulations} has other bands than {model}; simulate with the model's")
    errors = choose_noise(noise, sims.bands, floor=noise_floor)
    inputs = [simulations] if noise in NOISE_MODELS else [simulations, noise]

    def sampler(flux, flux_err, z, z_err, base):
        drawn, _ = flow.sample(flux, flux_err, z, z_err, base)
        found = {name: drawn[..., i] for i, name in enumerate(flow.parameters)}
        return found | derive(found, flow.sfh, z[:, None].astype(float))

    names = [name for name in flow.parameters if name != "REDSHIFT"] + ["AGE"]
    chosen = [case.strip() for case in cases.split(",")]
    known = {label: (bands, drop) for label, bands, drop in CASES}
    primary = fits.PrimaryHDU()
    stamp(primary.header, inputs=inputs, MODEL=flow.name, MODELSHA=flow.sha256,
          NOISE=errors.name, NSAMP=samples, SNRMIN=snr_min, SEED=seed)  # fmt: skip
    hdus, worst, whole_tables = [primary], (0.0, ""), {}
    for label in chosen:
        if label not in known:
            raise PixsedError(f"--cases: no case {label!r}; choose from {', '.join(known)}")
        bands, drop = known[label]
        observed = observe_test_set(sims, errors, bands=bands, drop=drop,
                                    snr_min=snr_min, number=number, seed=seed)  # fmt: skip
        with tqdm(total=number, desc=label, unit="pix", disable=not show_progress()) as bar:
            result = assess(observed, sampler, names, samples=samples, dim=flow.base_dim,
                            seed=seed + 1, progress=bar.update)  # fmt: skip
        rows = summarise(result)
        whole_tables[label] = list(rows)
        for low, high in ((1, 5), (5, 10), (10, np.inf)):
            inside = (observed.snr >= low) & (observed.snr < high)
            for row in summarise(result, inside):
                rows.append(dict(row, SNR_MIN=low, SNR_MAX=high))
        table = Table([dict({"SNR_MIN": snr_min, "SNR_MAX": np.inf}, **row) for row in rows])
        for row in whole_tables[label]:
            miss = abs(row["COV68"] - 0.68)
            if miss > worst[0]:
                worst = (miss, f"{row['PARAMETER']} ({label})")
        hdus.append(fits.BinTableHDU(table, name=label.upper().replace("-", "_")))
        click.echo(f"{label}: {number} simulations, mean S/N > {snr_min:g}, noise {errors.name}")
        click.echo(f"{'':10s}{'R2':>8s}{'bias':>9s}{'width':>8s}{'50 %':>8s}{'68 %':>8s}"
                   f"{'95 %':>8s}{'SBC p':>9s}")  # fmt: skip
        for row in whole_tables[label]:
            click.echo(f"{row['PARAMETER']:10s}{row['R2']:8.3f}{row['BIAS']:9.3f}"
                       f"{row['WIDTH']:8.3f}{row['COV50']:8.3f}{row['COV68']:8.3f}"
                       f"{row['COV95']:8.3f}{row['SBC_P']:9.2g}")  # fmt: skip
    primary.header["WORST68"] = (worst[0], "largest miss of 68 % coverage")
    write_hdulist(fits.HDUList(hdus), output, overwrite)
    if card:
        text = card_text(
            flow.metadata, whole_tables, noise=errors.name, samples=samples, snr_min=snr_min,
            command=f"pixsed validate {flow.name} SIMULATIONS -n {number} --noise {errors.name}",
        )  # fmt: skip
        with atomic_path(card, overwrite) as temporary:
            temporary.write_text(text)
    if max_miss is not None and worst[0] > max_miss:
        raise PixsedError(
            f"68 % coverage of {worst[1]} misses by {worst[0]:.3f}, more than {max_miss:g}; "
            "train longer"
        )
