#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Trains, exports and judges the starter model on a machine with a GPU: starter_run.sh OUT SECONDS [train.py options]
set -eu
here=$(dirname "$0") out=$1 seconds=$2
shift 2
mkdir -p "$out"
python3 "$here/train.py" --seconds "$seconds" --out "$out" "$@"
python3 "$here/export_gguf.py" "$out/starter.safetensors" "$out/training.json" --out "$out/starter.gguf"
python3 "$here/evaluate.py" "$out/starter.gguf" "$out/starter.safetensors" --config "$out/training.json" --out "$out"
