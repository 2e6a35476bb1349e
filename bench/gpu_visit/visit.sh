#!/bin/bash
# Runs on the GPU machine, in the repository's root; see bench/gpu_visit/__init__.py.
export DEVICE=${DEVICE:-cuda} REDUCED=${REDUCED:-} OUT=${OUT:-/tmp/out} WORK=${WORK:-/tmp/gpu-work}
export CLIPS=${CLIPS:-$PWD/.gpu/clips}
TOTAL=${TOTAL:-540} SITE=${SITE:-/tmp/site} KIT=$PWD/bench/gpu_visit
STAGES=${STAGES:-facts numbers speed pipe tests tries profile whole baseline snakemake}
mkdir -p "$OUT" "$WORK/bin"
SUMMARY=$OUT/summary.txt; : >"$SUMMARY"
say() { echo "${SECONDS}s $*" | tee -a "$SUMMARY"; }
SECONDS=0
PY=${PYTHON:-$(command -v python3)}
for name in python python3; do printf '#!/bin/bash\nexec %q "$@"\n' "$PY" >"$WORK/bin/$name"; done # the rules say `python`
chmod +x "$WORK/bin/"*; export PATH=$WORK/bin:$PATH
if [[ ! $REDUCED && ! -e $SITE/.complete ]]; then # a rehearsal has the packages of the environment
  python -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --disable-pip-version-check --upgrade \
    --target "$SITE" .gpu/wheels/*.whl >"$OUT/facts.log" 2>&1 && touch "$SITE/.complete" \
    || { say "PIP FAILED"; tail -n 5 "$OUT/facts.log"; }
fi
export PYTHONPATH=$SITE:$KIT/stub:$PWD PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_WAIT_POLICY=PASSIVE
say "packages are there"
stage() { # name, limit in seconds, command
  local name=$1 limit=$2 left=$(( TOTAL - SECONDS )) began=$SECONDS rc; shift 2
  [[ $REDUCED ]] && limit=$(( 4 * limit ))
  (( limit < left )) && left=$limit
  if (( left < 8 )); then say "$name: LEFT OUT, no time left"; return; fi
  timeout -k 5 "$left" "$@" >>"$OUT/$name.log" 2>&1; rc=$?
  case $rc in
    0) say "$name: done in $(( SECONDS - began )) s" ;;
    124 | 137) say "$name: STOPPED at its limit of $left s; what it printed is kept" ;;
    *) say "$name: FAILED ($rc): $(grep -v '^$' "$OUT/$name.log" | tail -n 1 | cut -c1-200)" ;;
  esac
}
declare -A LIMIT=([facts]=25 [numbers]=110 [speed]=140 [pipe]=120 [tests]=200 [tries]=100 [profile]=60 [whole]=60 [baseline]=60 [snakemake]=100)
for name in $STAGES; do
  case $name in
    tests) stage tests "${LIMIT[tests]}" python -m pytest -s -q -p no:cacheprovider -o addopts="-ra --import-mode=importlib" \
      --maxfail=8 tests/network/test_gpu.py -m gpu ${REDUCED:+--collect-only} ;;
    snakemake) stage snakemake "${LIMIT[snakemake]}" bash "$KIT/snakemake.sh" ;;
    *) stage "$name" "${LIMIT[$name]:-60}" python -m bench.gpu_visit "$name" ;;
  esac
done
echo; grep -h '^=' "$OUT"/*.log 2>/dev/null; cat "$SUMMARY"
! grep -qE 'FAILED|no such stage' "$SUMMARY"
