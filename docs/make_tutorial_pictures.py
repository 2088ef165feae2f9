"""Copy pictures into docs/images: python docs/make_tutorial_pictures.py FIELD START.

FIELD and START are the folders in which the commands of docs/tutorials/mosaics_to_masses.rst and
docs/tutorials/quickstart.rst were run. Colours are reduced to 256 (by Pillow, which comes with
matplotlib), so that a picture has less than 200 kB. The last one is of
docs/howto/photometric_redshifts.rst; a picture that is not there is left as it is.
"""

import sys
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).parent / "images"
OF_FIELD = {
    "rgb_1.png": "tutorial_rgb.png",
    "maps_1.png": "tutorial_maps.png",
    "quality_1.png": "tutorial_quality.png",
    "corner_1.png": "tutorial_corner.png",
    "photoz_2.png": "photoz_corner.png",
}
OF_START = {"maps.png": "quickstart.png"}


def copy(folder, names):
    """Copy the pictures of a folder, with 256 colours."""
    for source, target in names.items():
        path = Path(folder) / source
        if path.exists():
            Image.open(path).convert("RGB").quantize(256).save(IMAGES / target, optimize=True)
            print(f"{target}: {(IMAGES / target).stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    field, start = sys.argv[1:]
    copy(field, OF_FIELD)
    copy(start, OF_START)
