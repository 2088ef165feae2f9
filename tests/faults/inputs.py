"""Small inputs of all commands, and commands that read each of them."""

import json
import subprocess
import sys

import numpy as np
from astropy.io import fits
from astropy.table import Table
from fakes import binned_cube, fake_model, make_cube

#: Commands of which each input is mutated in turn; the words that are names of inputs are found.
COMMANDS = """
bkg im.fits --segmap seg.fits -o o.fits
bkg im.fits --coverage im.fits -o o.fits
psf stars.fits --stars stars.csv --side 15 -o o.fits
psfmatch im.fits --kernel psf.fits -o o.fits
psfmatch im.fits --psf psf.fits --target psf2.fits -o o.fits
cutout im.fits F200W=im2.fits --segmap seg.fits --id 531 --redshift 1 -o o.fits
cutout im.fits F200W=im2.fits --segmap seg.fits --all --catalog cat.fits -o cubes
cutout F444W=im.fits.gz F200W=im2.fits --segmap seg.fits --id 531 --catalog cat.csv -o o.fits
cutout F444W=im.fits.fz F200W=im2.fits --segmap seg.fits --id 531 --catalog cat.ecsv -o o.fits
cutout im.fits F200W=im2.fits --position 53.12343 -27.80000 --size 0.3 --redshift 1 -o o.fits
noise cube.fits -o o.fits
bin cube.fits --snr 20 -o o.fits
fit cube.fits --model fake.onnx --samples 8 -o o.fits
fit cube.fits --model fake.onnx --samples 8 -o o.fits
fit binned.fits --model fake.onnx --samples 8 -o o.fits
fit cube.fits cube2.fits --model fake.onnx --samples 8 -o maps
fit F444W=im.fits F200W=im2.fits --model fake.onnx --samples 4 --redshift 1 -o o.fits
fit im.fits F200W=im2.fits --model fake.onnx --samples 4 --redshift-map z.fits \
-o o.fits
fit im.fits F200W=im2.fits --model fake.onnx --samples 4 --segmap seg.fits \
--catalog cat.fits -o o.fits
fit cube.fits --model fake.onnx --samples 8 --zero-points zp.ecsv -o o.fits
fit phot.fits --model fake.onnx --samples 8 -o o.fits
fit phot.csv --unit nJy --model fake.onnx --samples 8 -o o.fits
fit phot.ecsv --model fake.onnx --samples 8 -o o.fits
fit phot.vot --model fake.onnx --samples 8 -o o.fits
fit cube.fits --model small.onnx --samples 8 -o o.fits
sum-mass cube.fits cube2.fits --model fake.onnx --samples 8 -o o.fits
sum-mass im.fits F200W=im2.fits --segmap seg.fits --catalog cat.fits \
--model fake.onnx --samples 8 -o o.fits
profile cube.fits --model fake.onnx --samples 8 -o o.fits
merge part1.fits part2.fits -o o.fits
merge t1.fits t2.fits -o o.fits
rgb cube.fits -o o.png
rgb --red im.fits --green im2.fits --blue im.fits -o o.png
plot maps.fits -o o.png
plot maps.fits --rgb cube.fits -o o.png
corner cube.fits --pixel 12 10 --model fake.onnx --samples 200 -o o.ecsv
corner cube.fits --region reg.reg --model fake.onnx --samples 200 -o o.ecsv
corner phot.fits --id 1 --model fake.onnx --samples 200 -o o.ecsv
sfh cube.fits --segment --model fake.onnx --samples 200 -o o.ecsv
ppc cube.fits --segment --model fake.onnx --samples 50 -o o.ecsv
ppc cube.fits --maps mapsf.fits --model fake.onnx -o o.ecsv
compare t1.fits t3.fits -o o.ecsv
compare maps.fits maps2.fits -o o.ecsv
ds9 maps.fits
models
simulate --ssp ssp.fits --prior tau --bands F200W,F444W -n 20 --jobs 1 -o o.fits
simulate --ssp ssp.fits --prior tau --bands OWN,F444W --filter OWN=own.dat -n 20 --jobs 1 -o o.fits
validate small.onnx sims.fits -n 100 --samples 50 --jobs 1 --cases paper,ood -o o.fits
validate fake.onnx truth.fits -n 100 --samples 50 --jobs 1 -o o.fits
validate small.onnx sims.fits --noise noise.fits -n 100 --samples 50 --jobs 1 \
--cases ood -o o.fits
train sims.fits --ssp ssp.fits --epochs 1 --jobs 1 --continue small.ckpt -o o.ckpt
train sims.fits --ssp ssp.fits --epochs 1 --jobs 1 --finish small.ckpt --recalibrate -o o.ckpt
export small.ckpt --sims sims.fits -o o.onnx
""".strip().splitlines()


def _run(folder, *commands):
    """Run commands of pixsed, lists of words, in a folder, one after the other in one process."""
    code = "import sys, json; from pixsed.cli.main import cli\n"
    code += "for args in json.loads(sys.argv[1]):\n"
    code += "    sys.argv = ['pixsed', *args]; cli.main(args, standalone_mode=False)"
    words = [sys.executable, "-c", code, json.dumps(commands)]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)


def make_inputs(folder):
    """Write the inputs into a folder."""
    from pixsed.io.formats.cube import write_cube

    rng = np.random.default_rng(5)
    cube = make_cube(redshift_err=0.02)
    write_cube(cube, folder / "cube.fits")
    write_cube(make_cube(object_id="7"), folder / "cube2.fits")
    write_cube(binned_cube(), folder / "binned.fits")
    for name, band in {"im": "F444W", "im2": "F200W"}.items():
        _mosaic(cube, band).writeto(folder / f"{name}.fits", checksum=True)
    _mosaic(cube, "F444W").writeto(folder / "im.fits.gz")
    with fits.open(folder / "im.fits") as hdus:
        items = [fits.PrimaryHDU()]
        items += [fits.CompImageHDU(h.data, h.header, name=h.name) for h in hdus[1:]]
        fits.HDUList(items).writeto(folder / "im.fits.fz", checksum=True)
    segmap = fits.PrimaryHDU(cube.segmap.astype(np.int32), cube.header)
    segmap.writeto(folder / "seg.fits", checksum=True)
    z = fits.PrimaryHDU(np.full(cube.shape, 1.5, np.float32), cube.header)
    fits.HDUList([z, fits.ImageHDU(np.full(cube.shape, 0.1, np.float32), name="ERR")]).writeto(
        folder / "z.fits", checksum=True
    )
    _tables(folder, rng)
    _stars(folder, rng)
    _psf(2.0).writeto(folder / "psf.fits", checksum=True)
    _psf(2.6).writeto(folder / "psf2.fits", checksum=True)
    (folder / "reg.reg").write_text("image\nellipse(12,11,4,3,20)\n")
    wave = np.linspace(20000, 24000, 50)
    curve = np.exp(-(((wave - 22000) / 900) ** 2))
    (folder / "own.dat").write_text(
        "# Angstrom\n" + "".join(f"{w:.2f} {t:.6f}\n" for w, t in zip(wave, curve, strict=True))
    )
    fake_model(folder / "fake.onnx")
    few = ("--model", "fake.onnx", "--samples", "8")
    fit = ("fit", "cube.fits", *few)
    _run(
        folder,
        (*fit, "-o", "maps.fits"),
        (*fit, "--model-fluxes", "-o", "mapsf.fits"),
        (*fit, "--seed", "7", "-o", "maps2.fits"),
        (*fit, "--part", "1/2", "-o", "part1.fits"),
        (*fit, "--part", "2/2", "-o", "part2.fits"),
        ("sum-mass", "cube.fits", *few, "-o", "t1.fits"),
        ("sum-mass", "cube2.fits", *few, "-o", "t2.fits"),
        ("sum-mass", "cube.fits", *few, "--seed", "7", "-o", "t3.fits"),
        ("noise", "cube.fits", "-o", "noise.fits"),
    )


def make_training_inputs(folder):
    """Write a grid, simulations, a checkpoint and its model into a folder."""
    import torch
    from synthetic_ssp import synthetic_ssp

    from pixsed.simulate.noise import DEPTH
    from pixsed.simulate.table import read_simulations
    from pixsed.sps.ssp import read_ssp, write_ssp
    from pixsed.train.options import NetworkSizes, TrainOptions
    from pixsed.train.train import train

    write_ssp(synthetic_ssp(), folder / "ssp.fits")
    bands = "F606W,F090W,F115W,F150W,F200W,F277W,F356W,F410M,F444W"
    simulate = ("simulate", "--ssp", "ssp.fits", "--prior", "tau", "--bands", bands, "--jobs", "1")
    _run(
        folder,
        (*simulate, "-n", "500", "-o", "sims.fits"),
        (*simulate, "-n", "2000", "--seed", "3", "-o", "sims2000.fits"),
    )
    sizes = NetworkSizes(width=24, blocks=1, context=16, hidden=12, bins=4)
    simulations = read_simulations(str(folder / "sims2000.fits"))
    options = TrainOptions(epochs=1, batch=256, sizes=sizes)
    grid = read_ssp(folder / "ssp.fits")
    train(simulations, grid, DEPTH, folder / "small.ckpt", options, threads=1)
    export = ("export", "small.ckpt", "--sims", "sims2000.fits", "--name", "small")
    _run(folder, (*export, "-o", "small.onnx"))
    (folder / "sims2000.fits").unlink()
    torch.set_num_threads(1)


def _mosaic(cube, band):
    header = cube.header.copy()
    header["BUNIT"], header["FILTER"], header["INSTRUME"] = "nJy", band, "NIRCAM"
    i = cube.bands.index(band)
    return fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(cube.flux[i].astype(np.float32), header, name="SCI"),
            fits.ImageHDU(cube.err[i].astype(np.float32), header, name="ERR"),
        ]
    )


def _tables(folder, rng):
    catalogue = Table({"id": [531, 7], "z": [2.0, 1.0], "z_err": [0.02, 0.01]})
    for name in ("cat.fits", "cat.csv", "cat.ecsv"):
        catalogue.write(folder / name)
    table = _photometry(3, rng)
    table.write(folder / "phot.csv")
    _with_units(table)
    table.write(folder / "phot.fits")
    table.write(folder / "phot.ecsv")
    table.write(folder / "phot.vot", format="votable")
    table = _with_units(_photometry(150, rng))
    for name in ("LOGMSTAR", "LOGSFR", "AV"):
        table[f"{name}_TRUE"] = rng.uniform(0, 1, len(table)) + 9
    table.write(folder / "truth.fits")
    zero_points = Table(
        {"BAND": ["F200W", "F444W"], "OFFSET": [0.02, -0.01], "FLOOR": [0.02, 0.02]}
    )
    zero_points.write(folder / "zp.ecsv")


def _photometry(rows, rng):
    columns = {"ID": np.arange(1, rows + 1), "REDSHIFT": np.linspace(1.0, 3.0, rows)}
    for band in ("F115W", "F200W", "F277W", "F356W", "F444W"):
        columns[band] = rng.uniform(50, 100, rows)
        columns[f"{band}_ERR"] = np.full(rows, 5.0)
    return Table(columns)


def _with_units(table):
    for name in table.colnames[2:]:
        table[name].unit = "nJy"
    return table


def _stars(folder, rng):
    y, x = np.mgrid[:80, :80]
    image, places = rng.normal(0, 0.1, (80, 80)), [(20, 20), (60, 22), (24, 58), (57, 55)]
    for x0, y0 in places:
        image += 100 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 4)
    header = make_cube().header.copy()
    header["BUNIT"], header["FILTER"] = "nJy", "F444W"
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(image.astype(np.float32), header, name="SCI"),
        fits.ImageHDU(np.full(image.shape, 0.1, np.float32), name="ERR"),
    ]
    fits.HDUList(hdus).writeto(folder / "stars.fits", checksum=True)
    rows = "".join(f"{x0},{y0}\n" for x0, y0 in places)
    (folder / "stars.csv").write_text("x,y\n" + rows)


def _psf(sigma):
    y, x = np.mgrid[-10:11, -10:11]
    image = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    hdu = fits.PrimaryHDU((image / image.sum()).astype(np.float32))
    hdu.header["PIXELSCL"] = 0.03
    return hdu
