#!/usr/bin/env bash
# Builds the core into packages/pg-core/python/pequegrad, without installing anything.
# Afterwards: export PYTHONPATH=packages/pg-core/python:packages/pg-nn/src:packages/pg-jax/src:packages/pg-onnx/src
#
#   ci/dev-build.sh [--generic] [--tests] [--build DIR] [-- ninja arguments]
#
# --generic  no architecture-specific code    --tests  also build and run tests/cpp
# Uses the python, cmake and ninja on PATH (pybind11 must be installed for that python), and ccache where there is one.
set -euo pipefail
cd "$(dirname "$0")/.."

generic=OFF tests=OFF build=""
while [ $# -gt 0 ]; do
  case "$1" in
    --generic) generic=ON ;;
    --tests) tests=ON ;;
    --build) build=$2; shift ;;
    --) shift; break ;;
    *) echo "dev-build.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
if [ -z "$build" ]; then
  build=build/dev
  [ $generic = ON ] && build=build/generic
fi

options=(-S packages/pg-core -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DPG_DEV=ON
         -DPG_GENERIC=$generic -DPG_BUILD_TESTS=$tests "-DPython_EXECUTABLE=$(command -v python)")
if command -v ccache >/dev/null; then
  export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD} CCACHE_NOHASHDIR=1
  options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi
mkdir -p "$build"
cmake "${options[@]}" >"$build/configure.log" 2>&1 || { cat "$build/configure.log" >&2; exit 1; }
cmake --build "$build" -- "$@"
if [ $tests = ON ]; then
  ctest --test-dir "$build" --output-on-failure --no-tests=ignore
fi
