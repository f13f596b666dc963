#!/usr/bin/env bash
# Builds source archives and, from those, wheels, with isolation; installs the wheels into an empty environment and
# uses them from a folder outside the checkout: the smoke test, then the main training example.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PIP_NO_BUILD_ISOLATION PYTHONPATH SKBUILD_BUILD_DIR SKBUILD_CMAKE_DEFINE

python3 -m venv "$work/tools"
"$work/tools/bin/pip" install -q build
for package in pg-core pg-nn pg-jax pg-onnx; do
  "$work/tools/bin/python" -m build --outdir "$work/dist" "$root/packages/$package" >"$work/build.log" 2>&1 ||
    { cat "$work/build.log"; exit 1; }
done
ls -l "$work/dist"

python3 -m venv "$work/bare"
"$work/bare/bin/pip" install -q "$work"/dist/*.whl scikit-learn matplotlib
mkdir "$work/elsewhere"
cp "$root/ci/smoke.py" "$root"/packages/pg-nn/examples/*.py "$root/packages/pg-onnx/examples/finetune_digits.py" "$work/elsewhere"
cd "$work/elsewhere"
"$work/bare/bin/python" -W error smoke.py
"$work/bare/bin/python" train_digits.py --out "$work/run" </dev/null
tail -n 1 "$work/run/metrics.jsonl"
"$work/bare/bin/python" finetune_digits.py
"$work/bare/bin/python" - "$work/run/metrics.jsonl" <<'PY'
import json, sys
accuracy = json.loads(open(sys.argv[1]).read().splitlines()[-1])["test_accuracy"]
assert accuracy >= 0.98, f"test accuracy {accuracy} is below 0.98"
PY
