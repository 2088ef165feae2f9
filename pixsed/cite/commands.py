"""References of the commands: packages and methods that each one uses."""

#: What every use of pixsed cites: key and reason.
ALWAYS = (
    ("pixsed", "this program"),
    ("iglesiasnavarro2025", "the method"),
    ("astropy2022", "package"),
    ("harris2020", "package"),
    ("virtanen2020", "package"),
)

_MODEL = (("onnxruntime", "package"),)
_CLUSTER = (("rocklin2015", "only with --scheduler"),)
_PICTURE = (("hunter2007", "pictures"),)
_GRIDS = (("reproject", "only for bands on different grids"),)
_BINS = (("cappellari2003", "bins"), ("diehl2006", "bins"))
_PSF_MATCHING = (
    ("photutils", "kernels"),
    ("boucaud2016", "only with --method wiener, laplacian or biharmonic"),
)

#: Command -> (key, reason) of what it uses, besides `ALWAYS` and the model.
USED = {
    "bkg": (("photutils", "background"),),
    "psf": (("photutils", "effective PSF"), ("anderson2000", "effective PSF")),
    "psfmatch": _PSF_MATCHING,
    "cutout": _GRIDS,
    "noise": (),
    "bin": (*_BINS, ("abdurrouf2021", "only with --method sed")),
    "check": _MODEL,
    "fit": (*_MODEL, *_CLUSTER),
    "sum-mass": (*_MODEL, *_CLUSTER),
    "profile": (*_MODEL, *_PICTURE),
    "merge": (),
    "run": (
        ("photutils", "background"),
        *_PSF_MATCHING,
        *_GRIDS,
        *_MODEL,
        ("hunter2007", "only with [plot]"),
    ),
    "rgb": (("lupton2004", "colours"), *_PICTURE),
    "plot": _PICTURE,
    "corner": (*_MODEL, *_PICTURE),
    "sfh": (*_MODEL, *_PICTURE),
    "ppc": (*_MODEL, ("gelman1996", "posterior predictive p-values"), *_PICTURE),
    "compare": _PICTURE,
    "ds9": (("joye2003", "DS9"),),
    "models": (),
    "cite": (),
    "completion": (),
    "ssp": (),
    "simulate": (("johnson2021", "filter curves: sedpy"), *_CLUSTER),
    "train": (
        ("paszke2019", "package"),
        ("durkan2019", "network"),
        ("tejerocantero2020", "only with --net maf-paper"),
        ("papamakarios2017", "only with --net maf-paper"),
    ),
    "export": (("paszke2019", "package"),),
    "validate": (
        *_MODEL,
        ("talts2018", "simulation-based calibration"),
        ("lemos2023", "joint coverage (TARP)"),
        *_PICTURE,
    ),
}

#: Commands that run a model.
WITH_MODEL = ("check", "fit", "sum-mass", "profile", "run", "corner", "sfh", "ppc", "validate")
