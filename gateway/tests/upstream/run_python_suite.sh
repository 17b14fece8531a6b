#!/bin/sh
# Runs the test suite of the published centrifuge-python SDK against our conformance example, unchanged.
#
#   run_python_suite.sh PATH_TO_CONFORMANCE_BINARY [WORK_DIR]
#
# Downloads the source distribution (the wheel holds no tests) and its dependencies once, into WORK_DIR (default:
# target/python-suite at the workspace root). Every test of the suite that has two formats runs JSON and Protobuf as
# sub-tests; the suite is run twice, over dense and over sparse offsets. Prints "N passed, N failed" and exits
# accordingly. The suite speaks to localhost:8000; when that port is taken, a copy with another port is used.
set -eu

VERSION=0.7.0
LIMIT_SECONDS=180
# Indexes publications by offset, which only dense offsets allow; skipped in the sparse run.
DENSE_ONLY=test_auto_recovery

binary=${1:?usage: run_python_suite.sh PATH_TO_CONFORMANCE_BINARY [WORK_DIR]}
root=$(cd "$(dirname "$0")/../../.." && pwd)
work=${2:-$root/target/python-suite}
suite=$work/centrifuge_python-$VERSION
python=$work/venv/bin/python
mkdir -p "$work"

if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv" || {
        echo "python3 with venv is needed: apt-get install python3-venv" >&2
        exit 1
    }
fi
if [ ! -f "$suite/tests/test_client.py" ]; then
    "$python" -m pip download --quiet --no-deps --no-binary :all: --dest "$work" "centrifuge-python==$VERSION"
    tar -xzf "$work/centrifuge_python-$VERSION.tar.gz" -C "$work"
fi
grep -qx "Version: $VERSION" "$suite/PKG-INFO" || {
    echo "$suite is not centrifuge-python $VERSION" >&2
    exit 1
}
if ! "$python" -c 'import websockets, google.protobuf' 2>/dev/null; then
    "$python" -m pip install --quiet 'websockets>=15.0,<18.0.0' 'protobuf>=5.29.6,<8.0.0'
fi

port_taken() {
    "$python" -c 'import socket, sys; s = socket.socket(); sys.exit(s.connect_ex(("127.0.0.1", 8000)) != 0)'
}

tests=$suite
port=8000
if port_taken; then
    port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    echo "port 8000 is taken: a copy of the suite uses $port" >&2
    tests=$(mktemp -d "$work/copy.XXXXXX")
    cp -R "$suite/." "$tests"
    find "$tests/tests" -name '*.py' -exec sed -i "s/localhost:8000/localhost:$port/g" {} +
fi

server=
cleanup() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
    if [ "$tests" != "$suite" ]; then rm -rf "$tests"; fi
}
trap cleanup EXIT INT TERM

total_passed=0
total_failed=0

# run NAME SERVER_FLAGS UNITTEST_ARGUMENTS...
run() {
    name=$1
    flags=$2
    shift 2
    log=$work/$name.log
    # shellcheck disable=SC2086  # flags are words
    "$binary" --profile py --port "$port" $flags >"$work/$name.server.log" 2>&1 &
    server=$!
    outcome=0
    (cd "$tests" && timeout "$LIMIT_SECONDS" "$python" -m unittest "$@") >"$log" 2>&1 || outcome=$?
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
    ran=$(sed -n 's/^Ran \([0-9]*\) tests\{0,1\} in .*/\1/p' "$log" | tail -n 1)
    failed=$(sed -n 's/^FAILED (\(.*\))$/\1/p' "$log" | tail -n 1 | tr ',' '\n' |
        sed -n 's/^ *\(failures\|errors\)=\([0-9]*\)$/\2/p' | awk '{ sum += $1 } END { print sum + 0 }')
    if [ -z "$ran" ]; then
        echo "$name: no result after $LIMIT_SECONDS s or a crash (exit $outcome); see $log" >&2
        ran=0
        failed=1
    elif [ "$outcome" -ne 0 ] && [ "$failed" -eq 0 ]; then
        failed=1
    fi
    if [ "$failed" -gt 0 ]; then
        grep -E '^(FAIL|ERROR):' "$log" >&2 || true
        echo "$name: see $log" >&2
    fi
    passed=$((ran > failed ? ran - failed : 0))
    echo "$name: $passed passed, $failed failed"
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
}

run dense "" discover -s tests -t .
# unittest's -k only selects: list what remains.
sparse=$(cd "$tests" && "$python" - "$DENSE_ONLY" <<'END'
import sys, unittest

def names(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from names(test)
        else:
            yield test.id()

found = list(names(unittest.defaultTestLoader.loadTestsFromName("tests.test_client")))
print(*[name for name in found if not name.endswith("." + sys.argv[1])])
END
)
# shellcheck disable=SC2086  # names are words
run sparse --sparse $sparse

echo "centrifuge-python $VERSION: $total_passed passed, $total_failed failed"
[ "$total_failed" -eq 0 ] && [ "$total_passed" -gt 0 ]
