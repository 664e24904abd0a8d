#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Trains and judges the starter vision model on a machine with a GPU: vision_run.sh OUT SECONDS [vision_train.py options]
set -eu
here=$(dirname "$0") out=$1 seconds=$2
shift 2
mkdir -p "$out"
export PYTHONUNBUFFERED=1
python3 "$here/vision_train.py" --seconds "$seconds" --out "$out" "$@"
python3 "$here/vision_evaluate.py" "$out/model.safetensors" --out "$out"
