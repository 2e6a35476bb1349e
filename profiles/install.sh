#!/usr/bin/env bash
# Make the environment on a cluster of the Digital Research Alliance of Canada, or bring it up to date:
#
#     bash profiles/install.sh [FOLDER]        FOLDER: ~/envs/i3d unless given
#
# and from then on, in every session:
#
#     source FOLDER/load
#
# Run it on a login node, as often as you like. All packages come from the Alliance's wheelhouse, none from the network.
set -euo pipefail

MODULES="StdEnv/2023 python/3.12 ffmpeg/7.1.1" # of the software stack that all these clusters share
clone=$(realpath --no-symlinks "$(dirname "$0")/..")
requirements=$clone/envs/requirements.txt
folder=$(realpath -m "${1:-$HOME/envs/i3d}")

fail() {
    echo "error: $1" >&2
    exit 1
}

# Files on scratch that have not been used for 60 days are deleted, one by one: an environment there rots.
for scratch in /scratch ${SCRATCH:+"$(realpath -m "$SCRATCH")"}; do
    case $folder/ in
        "$scratch"/*) fail "$folder is on scratch, where files are purged: choose a folder under $HOME or your project" ;;
    esac
done
if [ -e "$folder" ] && [ ! -e "$folder/pyvenv.cfg" ] && [ -n "$(ls -A "$folder")" ]; then
    fail "$folder exists and is no environment: choose another folder"
fi
type module >/dev/null 2>&1 || fail "there is no 'module' command here: run this on a login node of the cluster"

module load $MODULES || fail "cannot load the modules $MODULES: see 'module spider python' for what there is now"

# An environment whose Python no longer runs, after an interrupted start or a change of modules, is made anew.
if ! "$folder/bin/python" -c "import pip" 2>/dev/null; then
    rm -rf "$folder"
    virtualenv --no-download "$folder"
fi
"$folder/bin/python" -m pip install --quiet --no-index --requirement "$requirements" ||
    fail "the wheelhouse lacks a package of $requirements: compare with 'avail_wheels NAME', and write the version it has"
# The workflow's own package, in place: nothing has to be built for it.
site=$("$folder/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
echo "$clone" >"$site/i3d_features.pth"
"$folder/bin/python" -c "import av, decord, i3d, snakemake, torch" || fail "the environment does not work: see the lines above"

cat >"$folder/load" <<END
module load $MODULES
source "$folder/bin/activate"
END
echo "The environment is ready. In every session: source $folder/load"
