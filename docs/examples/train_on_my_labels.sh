#!/usr/bin/env bash
# From frames to a model that serves: train_on_my_labels.sh IMAGES [STEPS]. IMAGES is an exchange folder, docs/data.md.
set -euo pipefail
images=$1 steps=${2:-3000}
s3k import "$images" --out data/mine
if [ ! -e data/mine/labels.json ]; then
  echo "no labels yet: click in two views or more of each frame, then Ctrl-C; docs/labelling.md" >&2
  s3k web --data data/mine || true
fi
s3k train keypoints --data data/mine --out models/mine --steps "$steps"
s3k evaluate keypoints --weights models/mine --data data/mine --out data/mine-evaluation
