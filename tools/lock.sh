#!/usr/bin/env bash
# Resolves setup.py and requirements/*.in for Python 3.10 to 3.14 into requirements/lock.txt.
# CUDA libraries are left to torch's own exact requirements, so that its CPU builds need none.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=${1:?usage: tools/lock.sh UV}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$tool" pip compile --quiet --universal --python-version 3.10 --no-annotate --no-header \
    --extra dev --extra page --constraints requirements/constraints.txt \
    setup.py requirements/ros.in --output-file "$work/lock.txt"
{
    echo '# Exact versions for Python 3.10 to 3.14, made by `make lock`; edit setup.py or ros.in instead.'
    grep -vE '^(nvidia-|cuda-|triton)' "$work/lock.txt"
} > requirements/lock.txt
