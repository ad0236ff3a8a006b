#!/usr/bin/env bash
# Everything that only a GPU can tell: build, tests, sanitizers, benchmarks.
#
#   tests/cuda/check.sh DIR [STAGE …]
#
# Logs and results go to DIR. A stage that fails or takes too long is told at the end, and the
# others go on; the exit status is the number of those that failed. Without STAGE all are run:
#   build  ops  tests  memcheck  racecheck  initcheck  synccheck
#   leaky  gru  chaos  random_numbers  mine  training
# PYTHON=… names the interpreter, LIMIT=… seconds for every stage in place of its own; QUICK=1 takes
# the benchmarks' small shapes, PROFILE=1 writes traces. Nothing is downloaded.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

[ $# -ge 1 ] || { echo "usage: tests/cuda/check.sh DIR [STAGE …]" >&2; exit 2; }
mkdir -p "$1/logs" || exit 2
out=$(cd "$1" && pwd)
shift
all="build ops tests memcheck racecheck initcheck synccheck"
all="$all leaky gru chaos random_numbers mine training"
for stage in "$@"; do
  case " $all " in *" $stage "*) ;; *) echo "unknown stage: $stage; there are: $all" >&2; exit 2 ;; esac
done

python=${PYTHON:-python3}
failed=0
: >"$out/summary.txt"

# stage NAME SECONDS COMMAND…
stage() {
  local name=$1 limit=${LIMIT:-$2} start=$SECONDS status
  shift 2
  case " ${wanted[*]} " in *" $name "*) ;; *) return ;; esac
  echo "== $name" >&2
  timeout --kill-after=10 "$limit" "$@" >"$out/logs/$name.txt" 2>&1
  status=$?
  local told=ok
  if [ $status -eq 124 ] || [ $status -eq 137 ]; then
    told="TOO LONG (limit $limit s)"
  elif [ $status -ne 0 ]; then
    told="FAILED ($status)"
  fi
  [ "$told" = ok ] || failed=$((failed + 1))
  printf '%-16s %-24s %5d s\n' "$name" "$told" $((SECONDS - start)) | tee -a "$out/summary.txt" >&2
}

skip() {
  case " ${wanted[*]} " in *" $1 "*) ;; *) return ;; esac
  printf '%-16s %s\n' "$1" "skipped: $2" | tee -a "$out/summary.txt" >&2
}

wanted=("$@")
[ $# -gt 0 ] || read -r -a wanted <<<"$all"

if command -v nvidia-smi >/dev/null; then
  nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,clocks.sm,power.limit --format=csv \
    >"$out/logs/gpu.txt" 2>&1
fi

# For the GPU at hand alone: half the compiling.
if [ -z "${TORCH_CUDA_ARCH_LIST:-}" ]; then
  found=$("$python" -c 'import torch; print("%d.%d" % torch.cuda.get_device_capability())' 2>/dev/null)
  [ -z "$found" ] || export TORCH_CUDA_ARCH_LIST=$found
fi

stage build 600 env MIDIFF_NATIVE=1 MIDIFF_CUDA=1 "$python" setup.py -q build_ext --inplace
stage ops 60 "$python" -c 'import sys, torch
from midiff_fast import _load
print(torch.__version__, _load.build_info(), _load.cuda_reason)
sys.exit(not (torch.cuda.is_available() and _load.cuda_available))'
stage tests 600 env MIDIFF_GPU=1 "$python" -m pytest -q -p no:cacheprovider --durations=10 tests/cuda

sanitizer=$(command -v compute-sanitizer) ||
  sanitizer=$(ls "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer" 2>/dev/null)
for tool in memcheck racecheck initcheck synccheck; do
  if [ -n "$sanitizer" ]; then
    # Every tensor an allocation of its own: torch's pool would hide what lies beyond its end. Calls
    # that report an error are torch's, which tries some without a device; ours are checked.
    options=(--tool $tool --error-exitcode 1)
    [ $tool != memcheck ] || options+=(--report-api-errors no)
    stage $tool 300 env PYTORCH_NO_CUDA_MEMORY_CACHING=1 \
      "$sanitizer" "${options[@]}" "$python" -m tests.cuda.small_shapes
  else
    skip $tool "compute-sanitizer was not found"
  fi
done

for name in leaky gru chaos random_numbers mine training; do
  limit=300
  [ $name != training ] || limit=600
  stage $name $limit "$python" -m "bench.$name" --device cuda --out "$out/results" \
    ${QUICK:+--quick} ${PROFILE:+--profile}
done

echo "-- $out/summary.txt" >&2
cat "$out/summary.txt"
exit $failed
