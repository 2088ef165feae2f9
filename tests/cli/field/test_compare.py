"""Comparison of recorded command lines with those of a field file."""

import pytest

from pixsed.cli.field.compare import difference
from pixsed.cli.main import command_of


def differ(there, asked, **options):
    name = asked.split()[1]
    return difference(name, command_of(name), there, asked, **options)


@pytest.mark.parametrize(
    "there, asked",
    [
        # The order of options, their short names, and what does not change the data.
        ("bkg a.fits --box 50 --sigma 2 -o b.fits", "bkg a.fits --sigma 2.0 --box 50 -o b.fits"),
        ("bkg --output b.fits --overwrite -q a.fits", "bkg a.fits -o b.fits"),
        ("bkg a.fits -o b.fits -vv --log l --no-verify", "bkg a.fits -o b.fits"),
        ("fit c.fits --jobs 3 --resume --tile 8 --part 1/2 -o m.fits", "fit c.fits -o m.fits"),
        # Defaults.
        ("bkg a.fits --box 200 --estimator mean -o b.fits", "bkg a.fits -o b.fits"),
        ("fit c.fits --seed 42 --model tau -o m.fits", "fit c.fits -o m.fits"),
        # The same files from other folders.
        (
            "bkg a.fits --segmap seg.fits -o out/b.fits",
            "bkg f/a.fits --segmap f/seg.fits -o f/out/b.fits",
        ),
        ("bkg a.fits -o out/b.fits", "bkg ../f/a.fits -o ../f/out/b.fits"),
        ("bkg /d/a.fits -o /d/out/b.fits", "bkg /e/a.fits -o /e/out/b.fits"),
        ("bkg /d/a.fits -o /d/out/b.fits", "bkg /d/a.fits -o out/b.fits"),
        ("bkg 'X=a.fits[SCI]' -o b.fits", "bkg 'X=f/a.fits[SCI]' -o f/b.fits"),
        # Letters that FITS cannot hold.
        ("bkg galaxia.fits -o b.fits", "bkg galáxia.fits -o b.fits"),
    ],
)
def test_the_same(there, asked):
    assert differ(f"pixsed {there}", f"pixsed {asked}") is None


@pytest.mark.parametrize(
    "there, asked, message",
    [
        ("bkg a.fits --box 50 -o b.fits", "bkg a.fits -o b.fits", "with --box 50, now 200"),
        ("bkg a.fits -o b.fits", "bkg a.fits --segmap s.fits -o b.fits",
         "with --segmap not given, now s.fits"),
        ("bkg a.fits --segmap d/s.fits -o b.fits", "bkg a.fits --segmap s.fits -o b.fits",
         "with --segmap d/s.fits, now s.fits"),
        ("bkg 'a.fits[SCI]' -o b.fits", "bkg 'a.fits[1]' -o b.fits", "from other images"),
        ("bkg 'a.fits[]' -o b.fits", "bkg a.fits -o b.fits", "from other images"),
        ("bkg a.fits -o b.fits", "bkg 'a.fits[1,2]' -o b.fits", "from other images"),
        ("cutout a.fits --unit 'x[a,b]' -o c/", "cutout a.fits --unit 'y[1,1]' -o c/",
         "with --unit x[a,b], now y[1,1]"),
        ("bkg X=a.fits -o b.fits", "bkg Y=a.fits -o b.fits", "from other images"),
        ("bkg d/a.fits -o b.fits", "bkg a.fits -o b.fits", "from other images"),
        ("cutout a.fits b.fits -o c/", "cutout b.fits a.fits -o c/", "from other images"),
        ("cutout a.fits --all -o c/", "cutout a.fits -o c/", "with --all True, now not given"),
        ("cutout a.fits --id 1 --id 2 -o c/", "cutout a.fits --id 1 -o c/", "with --id 1 2, now 1"),
        ("fit c.fits --snr-min 3 -o m/", "fit c.fits -o m/", "with --snr-min 3.0, now not given"),
        ("fit c.fits --model broad -o m/", "fit c.fits -o m/", "with --model broad, now tau"),
        ("psfmatch a.fits -o b.fits", "bkg a.fits -o b.fits", "by 'pixsed psfmatch a.fits -o"),
        ("bkg a.fits --no-such 3 -o b.fits", "bkg a.fits -o b.fits", "by 'pixsed bkg a.fits"),
        ("bkg 'a.fits -o b.fits", "bkg a.fits -o b.fits", "by 'pixsed bkg 'a.fits -o b.fits'"),
    ],
)  # fmt: skip  # one case a line
def test_differences(there, asked, message):
    assert differ(f"pixsed {there}", f"pixsed {asked}").startswith(message)


def test_cubes_of_a_folder_are_not_compared():
    there = "pixsed fit out/cubes/1.fits out/cubes/2.fits -o out/maps/"
    asked = "pixsed fit 'f/out/cubes/*.fits' -o f/out/maps/"
    assert differ(there, asked, inputs=False) is None
    assert differ(there, asked) == "from other images"
    assert (
        differ("pixsed fit out/cubes/1.fits -o out/maps/1_maps.fits", asked, inputs=False) is None
    )
