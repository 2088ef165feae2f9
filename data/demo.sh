#!/bin/sh
# From the mock field's images to maps and total masses: sh data/demo.sh [FOLDER]
set -eu
data=$(dirname "$0")
out=${1:-demo_output}
bands="F435W F606W F814W F115W F150W F200W F277W F356W F410M F444W"
run() { echo "+ $*"; "$@"; }

mkdir -p "$out/images" "$out/cubes"
for band in $bands; do
    run pixsed bkg "$data/mock_$band.fits" --segmap "$data/mock_seg.fits" --dilate 5 --box 50 \
        --overwrite -o "$out/images/bkg_$band.fits"
    run pixsed psfmatch "$out/images/bkg_$band.fits" --psf "$data/mock_psf_$band.fits" \
        --target "$data/mock_psf_F444W.fits" --segmap "$data/mock_seg.fits" \
        --overwrite -o "$out/images/matched_$band.fits"
done
run pixsed cutout "$out"/images/matched_*.fits --segmap "$data/mock_seg.fits" \
    --catalog "$data/mock_catalog.ecsv" --all --overwrite -o "$out/cubes"
for id in 1 2 3; do
    run pixsed fit "$out/cubes/$id.fits" --model tau --overwrite -o "$out/maps_$id.fits"
    run pixsed plot "$out/maps_$id.fits" --overwrite -o "$out/maps_$id.png"
done
run pixsed sum-mass "$out"/cubes/*.fits --model tau --overwrite -o "$out/masses.ecsv"

echo
echo "Maps:    $out/maps_1.fits maps_2.fits maps_3.fits, and a picture of each (.png)"
echo "Masses:  $out/masses.ecsv (the truth: $data/mock_truth.fits[MASSES])"
echo "Look at one map:         ds9 '$out/maps_1.fits[LOGMSTAR_P50]'"
echo "Look at maps in frames:  pixsed ds9 $out/maps_1.fits --run"
