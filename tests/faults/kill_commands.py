"""Kill commands at random moments, and check that nothing is lost, half-written or left behind.

From the root of the repository:

    python tests/faults/kill_commands.py -n 200

Each command runs undisturbed first. Then it is killed by SIGKILL at a random moment and run
again, with --resume where it has this option, until a run ends by itself. After each kill the
output must be absent or whole, and at the end it must have the content of the undisturbed run,
except for dates, and no temporary file beside it. The status is 1 if that does not hold.
"""

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent), str(HERE)]

import numpy as np  # noqa: E402
from inputs import make_inputs, make_training_inputs  # noqa: E402

#: Commands that write, by name; OUT is their output.
WRITERS = {
    "bkg": "bkg im.fits --segmap seg.fits -o OUT.fits",
    "psfmatch": "psfmatch im.fits --psf psf.fits --target psf2.fits -o OUT.fits",
    "cutout": "cutout im.fits F200W=im2.fits --segmap seg.fits --id 531 --redshift 1 -o OUT.fits",
    "bin": "bin cube.fits --snr 20 -o OUT.fits",
    "fit": "fit cube.fits --model fake.onnx --samples 300 --tile 4 --jobs 1 -o OUT.fits --resume",
    "fit gz": "fit cube.fits --model fake.onnx --samples 300 --tile 4 -o OUT.fits.gz --resume",
    "fit table": "fit phot.fits --model fake.onnx --samples 300 -o OUT.fits",
    "sum-mass": "sum-mass cube.fits cube2.fits --model fake.onnx -o OUT.fits --resume",
    "merge": "merge part1.fits part2.fits -o OUT.fits",
    "plot": "plot maps.fits -o OUT.png",
    "simulate": "simulate --ssp ssp.fits --prior tau --bands F200W,F444W -n 20000 --jobs 1 "
    "-o OUT.fits --resume",
    "train": "train sims.fits --ssp ssp.fits --epochs 2 --batch 64 --jobs 1 -o OUT.ckpt",
    "export": "export small.ckpt --name small -o OUT.onnx",
    "validate": "validate small.onnx sims.fits -n 100 --samples 50 --jobs 1 --cases ood "
    "-o OUT.fits",
}


def content(path):
    """Return a digest of a file, without dates and command lines."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        import gzip

        data = gzip.decompress(data)
    if data.startswith(b"SIMPLE"):
        cards = [data[i : i + 80] for i in range(0, len(data), 80)]
        kept, continued = [], False
        for card in cards:
            continued = continued and card.startswith(b"CONTINUE")
            if not (continued or card.startswith((b"DATE", b"PIXSCMD", b"CHECKSUM"))):
                # astropy writes dates into the comments of sums.
                kept.append(card[:31] if card.startswith(b"DATASUM") else card)
            continued = continued or card.startswith(b"PIXSCMD")
        data = b"".join(kept)
    return hashlib.sha256(data).hexdigest()


def check_whole(path):
    """Raise unless a file can be read as what its ending says."""
    if path.suffix in (".fits", ".gz"):
        from pixsed.io.locate import open_fits

        with open_fits(path) as hdulist:
            assert len(hdulist) > 0
    elif path.suffix == ".onnx":
        from pixsed.fit.model import Model

        Model(path)
    elif path.suffix == ".ckpt":
        from pixsed.train.checkpoint import read_checkpoint

        read_checkpoint(path)
    else:
        from PIL import Image

        Image.open(path).verify()


def run(command, folder, kill_after=None):
    """Run a command; return its status, None if it was killed, and what it said."""
    words = [sys.executable, "-m", "pixsed", *command.split(), "-q"]
    env = os.environ | {"TMPDIR": str(folder / "tmp"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        words, cwd=folder, env=env, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        _, said = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None, ""
    return process.returncode, said.decode()


def campaign(folder, name, kills, rng):
    """Kill a command a number of times; return the problems found, as texts, and the seconds."""
    command = WRITERS[name]
    (folder / "tmp").mkdir(exist_ok=True)
    start = time.monotonic()
    status, said = run(command.replace("OUT", "whole").replace(" --resume", ""), folder)
    seconds = time.monotonic() - start
    if status:
        return [f"{name} failed undisturbed: {said}"], seconds
    output = next(word for word in command.split() if word.startswith("OUT"))
    whole = folder / output.replace("OUT", "whole")
    expected = content(whole)
    path = folder / output.replace("OUT", "other")
    problems, killed = [], 0
    while killed < kills:
        for _ in range(20):
            last = killed >= kills
            status, said = run(
                command.replace("OUT", "other"), folder, None if last else rng.uniform(0, seconds)
            )
            killed += status is None
            if path.exists():
                try:
                    check_whole(path)
                except Exception as error:
                    problems.append(f"{name}: after a kill: {type(error).__name__}: {error}")
            if status is not None:
                break
            if path.exists():  # the kill came after the end
                break
        else:
            status, said = run(command.replace("OUT", "other"), folder)
        if status:
            problems.append(f"{name}: status {status}: {said.strip()}")
        elif not path.exists():
            problems.append(f"{name}: no output")
        elif content(path) != expected and not name.startswith("train"):
            problems.append(f"{name}: another content than undisturbed")
        _age(folder)
        _clean(folder, path)
    problems += _left_over(folder, command, whole, path)
    return problems, seconds


def _age(folder):
    """Make leftovers old enough to be removed."""
    for path in [*folder.glob(".pixsed-*"), *(folder / "tmp").iterdir()]:
        os.utime(path, (1, 1))


def _clean(folder, path):
    """Remove an output, and the unfinished file of a run that was killed."""
    path.unlink(missing_ok=True)
    for left in folder.glob(f".{path.name}.*"):
        left.unlink()
    path.with_name(path.name + ".part").unlink(missing_ok=True)


def _left_over(folder, command, whole, path):
    """Return the temporary files that a run after the kills does not remove."""
    whole.unlink()
    run(command.replace("OUT", "whole").replace(" --resume", ""), folder)
    left = [p.name for p in [*folder.glob(".pixsed-*"), *folder.glob("*.part")]]
    return [f"{command.split()[0]}: left over: {left}"] if left else []


def main():
    """Run the campaign and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-n", type=int, default=200, help="number of kills in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", choices=WRITERS, action="append", help="only this command")
    parser.add_argument("--inputs", type=Path, help="folder of the inputs, made before")
    options = parser.parse_args()
    names = options.command or list(WRITERS)
    found = 0
    with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
        inputs = options.inputs or Path(scratch) / "inputs"
        if options.inputs is None:
            inputs.mkdir()
            make_inputs(inputs)
            make_training_inputs(inputs)
        rng = np.random.default_rng(options.seed)
        for name in names:
            folder = Path(scratch) / name.replace(" ", "-")
            shutil.copytree(inputs, folder)
            kills = -(-options.n // len(names))
            problems, seconds = campaign(folder, name, kills, rng)
            print(f"{name}: {kills} kills, {seconds:.1f} s undisturbed, {len(problems)} problems")
            for problem in problems:
                print("   ", problem, flush=True)
            found += len(problems)
    sys.exit(found > 0)


if __name__ == "__main__":
    main()
