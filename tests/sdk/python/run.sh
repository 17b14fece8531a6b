#!/usr/bin/env bash
# The published Python SDK, JSON and Protobuf, against the real server.
#
#   SERVER_BIN=target/debug/livehouse tests/sdk/python/run.sh [unittest arguments]
#
# Makes a virtual environment in the target directory the first time.
set -euo pipefail

: "${SERVER_BIN:?must name the binary of the server}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SERVER_BIN=$(realpath "$SERVER_BIN")
export SERVER_BIN
venv=${CARGO_TARGET_DIR:-$here/../../../target}/sdk-python

if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv" || {
        echo "python3 with venv is needed: apt-get install python3-venv" >&2
        exit 1
    }
fi
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/installed.txt"
fi

cd "$here"
exec "$venv/bin/python" -B -W error::ResourceWarning -m unittest "${@:-test_gifts}"
