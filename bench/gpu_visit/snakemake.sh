#!/bin/bash
# A small tree by Snakemake itself, then the self-check; run by visit.sh.
set -e
repo=$PWD run=$WORK/run; rm -rf "$run"; mkdir -p "$run"; cd "$run"
settings=(videos=videos features=features weights=random "device=$DEVICE")
if [[ $REDUCED ]]; then
  python "$repo/scripts/make_demo_videos.py" videos; settings+=(sample_mode=center_crop)
else
  mkdir -p videos/test/anomaly; settings+=(precision=bf16)
  for n in 1 2 3 4 5 6; do cp "$CLIPS/320x240.mp4" "videos/test/anomaly/a$n.mp4"; done
fi
began=$SECONDS
python -m snakemake -s "$repo/Snakefile" --cores "$(nproc)" --config "${settings[@]}"
echo "= snakemake: $(find features -name '*.npy' | wc -l) features in $(( SECONDS - began )) s"
[[ $REDUCED ]] || timeout 60 python -m snakemake -s "$repo/Snakefile" --cores "$(nproc)" --config "${settings[@]}" -- selfcheck || tail -n 60 logs/selfcheck.log
