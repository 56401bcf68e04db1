#!/usr/bin/env bash
# Generates s3k_dist/v1 from protos/, into the folder given (default: in place).
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-.}
mkdir -p "$out"
"${PYTHON:-python}" -m grpc_tools.protoc -I protos --python_out="$out" --pyi_out="$out" --grpc_python_out="$out" \
  protos/s3k_dist/v1/*.proto
