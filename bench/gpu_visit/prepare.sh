#!/bin/bash
# Puts all that a GPU machine without a network needs into .gpu, which git ignores: wheels and clips. Run where there is a
# network, by `make gpu-visit`; then take the folder to the GPU machine and run bench/gpu_visit/visit.sh there.
set -euo pipefail
KIT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$KIT" && git rev-parse --show-toplevel)
CACHE=${GPU_KIT_CACHE:-$HOME/.cache/i3d-gpu-kit}
OUT=$REPO/.gpu
LIMIT=$((64 * 1024 * 1024))
PY=$(command -v python3)
mkdir -p "$CACHE/wheels" "$CACHE/small" "$OUT/wheels" "$OUT/clips"

# 1. Wheels that a machine with torch, NumPy, Pillow and pytest still lacks, at the project's pins; Pillow, which is there, for its version:
#    Pillow 13 resizes some sizes otherwise, and then i3d/decoding/resize.py falls back to Pillow, four times slower.
pin() { grep -E "^$1==" "$REPO/envs/requirements.txt"; }
CORE=("$(pin av)" "$(pin decord)" "$(pin msgspec)" "$(pin pillow)" jsonschema==4.26.0 jsonschema-specifications==2025.9.1
  referencing==0.37.0 rpds-py==2026.9.1)
SNAKEMAKE=("$(pin snakemake)" snakemake-interface-common==1.23.0 snakemake-interface-executor-plugins==9.4.0
  snakemake-interface-logger-plugins==2.1.0 snakemake-interface-report-plugins==1.3.0
  snakemake-interface-scheduler-plugins==2.0.2 snakemake-interface-storage-plugins==4.4.1 annotated-types==0.8.0
  appdirs==1.4.4 argparse-dataclass==2.0.0 conda-inject==1.3.2 configargparse==1.9.0 docutils==0.23 dpath==2.2.0
  greenlet==3.5.6 humanfriendly==10.0 immutables==0.21 pydantic==2.14.4 pydantic-core==2.50.5 smart-open==7.7.1
  sqlalchemy==2.0.58 sqlmodel==0.0.37 tenacity==9.2.1 throttler==1.2.3 typing-inspection==0.4.5 yte==1.9.4)
# Left out on purpose: pulp, gitpython, nbformat (Snakemake runs without them), imageio-ffmpeg (30 MB; stub/ stands in).
FOR=(--no-deps --only-binary=:all: --python-version 3.12 --implementation cp)
for tag in 2_28 2_27 2_24 2_17; do FOR+=(--platform "manylinux_${tag}_x86_64"); done
FOR+=(--platform manylinux2014_x86_64 --platform manylinux2010_x86_64 --platform manylinux1_x86_64)
stamp=$(printf '%s\n' "${CORE[@]}" "${SNAKEMAKE[@]}" | sha256sum | cut -c1-16)
if [[ ! -e $CACHE/complete-$stamp ]]; then
  rm -rf "$CACHE/wheels" "$CACHE/small"; mkdir -p "$CACHE/wheels" "$CACHE/small"
  "$PY" -m pip download -q "${FOR[@]}" -d "$CACHE/wheels" "${CORE[@]}" "${SNAKEMAKE[@]}" 2> >(grep -v 'is ignored' >&2)
  "$PY" -m pip wheel -q --no-deps -w "$CACHE/wheels" connection-pool==0.0.3 2> >(grep -v 'is ignored' >&2) # no wheel on PyPI
  # The large ones again with LZMA inside, which pip reads too: a quarter smaller (two minutes, once).
  echo "making the large wheels smaller: two minutes of CPU, once"
  for wheel in "$CACHE"/wheels/*.whl; do
    if (( $(stat -c %s "$wheel") > 4000000 )); then nice "$PY" "$KIT/repack.py" "$wheel" "$CACHE/small/"; else cp "$wheel" "$CACHE/small/"; fi
  done
  touch "$CACHE/complete-$stamp"
fi
rm -f "$OUT"/wheels/*; cp "$CACHE"/small/*.whl "$OUT/wheels/"

# 2. Clips: real ones where there are some, else made up. Many copies are made on the device, by links.
FFMPEG=$(command -v ffmpeg || "$REPO/.venv/bin/python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
REAL=$REPO/../shared/videos/real
enc=(-an -c:v libx264 -preset veryfast -pix_fmt yuv420p -y)
made() { # name size frames crf: a moving picture with noise, 30 frames a second
  nice "$FFMPEG" -v error -nostdin -f lavfi -i "testsrc2=s=$2:r=30,noise=alls=8:allf=t" -frames:v "$3" "${enc[@]}" -crf "$4" "$OUT/clips/$1"
}
from() { # name size frames crf source
  nice "$FFMPEG" -v error -nostdin -stream_loop 9 -i "$5" -vf "scale=$2" -frames:v "$3" "${enc[@]}" -crf "$4" "$OUT/clips/$1"
}
if [[ ! -e $OUT/clips/complete ]]; then
  small=$(ls "$REAL"/v_*.mp4 2>/dev/null | head -n 1 || true); large=$(ls "$REAL"/normal_*.MP4 2>/dev/null | head -n 1 || true)
  if [[ $small && $large ]]; then
    from 320x240.mp4 320:240 900 27 "$small"; from 1280x720.mp4 1280:720 450 30 "$large"; from 1920x1080.mp4 1920:1080 240 32 "$large"
  else
    made 320x240.mp4 320x240 900 30; made 1280x720.mp4 1280x720 300 36; made 1920x1080.mp4 1920x1080 120 38
  fi
  touch "$OUT/clips/complete"
fi

# 3. Sizes. What travels: tracked and untracked-not-ignored files, and .gpu.
tree=$(cd "$REPO" && git ls-files -zco --exclude-standard | xargs -0 -r stat -c %s 2>/dev/null | awk '{s += $1} END {print s + 0}')
size() { find "$1" -type f -printf '%s\n' | awk '{s += $1} END {print s + 0}'; }
total=$((tree + $(size "$OUT")))
printf '%-10s %10d bytes\n' tree "$tree" wheels "$(size "$OUT/wheels")" clips "$(size "$OUT/clips")" total "$total" limit "$LIMIT"
ls -l "$OUT/clips" | awk 'NR>1 {print "  clip", $9, $5}'
if (( total > LIMIT - 1000000 )); then echo "TOO LARGE: under 1 MB of the 64 MiB is left" >&2; exit 1; fi
echo 'ready: take the checkout with .gpu to the GPU machine and run  bash bench/gpu_visit/visit.sh  there'
