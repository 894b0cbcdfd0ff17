#!/usr/bin/env bash
# Build the wheel, install it into an environment of its own, hold it against the checkout file by file, and run
# against it, from elsewhere, the tests of what a difference could break: commands, pages, files that come with the
# code, processes that start others. (The same bytes pass the other tests in `make test`.)
set -euo pipefail
bin=$1
shift # the rest goes to pytest
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$root/build" "$root"/*.egg-info # what an earlier build took in would be taken in again
"$bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
    --wheel-dir "$work/dist" "$root"
rm -rf "$root/build"
# A venv that sees the packages already installed beside the checkout, but not the checkout itself.
"$bin/python" -m venv "$work/venv"
site=$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
outer=$("$bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
mkdir "$work/outer"
for entry in "$outer"/*; do
    case $(basename "$entry") in
        __editable__* | highstreet-*) ;;
        *) ln -s "$entry" "$work/outer/" ;;
    esac
done
echo "$work/outer" > "$site/outer.pth"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$work"/dist/*.whl
cp -r "$root/tests" "$root/pyproject.toml" "$work/"
mkdir -p "$work/docs/results"
cp -r "$root/docs/secure-sum" "$work/docs/"  # known answers that tests read
cp "$root/docs/results/audit.json" "$work/docs/results/"  # likewise
touched='_(cli|command|commands|page|report|statement|receipts?|records?|catalogue|special_products|vault)[._]'
touched+='|_(node|shim|supernode|process|processes|service|journey|importing|rights_desk|verifier)[._]'
cd "$work"
found=$("$work/venv/bin/python" -c 'import highstreet.client; print(highstreet.client.__file__)')
case $found in
    "$work"/venv/*) echo "testing $found" ;;
    *) echo "the wheel is not what is tested: $found" >&2; exit 1 ;;
esac
"$work/venv/bin/python" "$root/scripts/wheel_contents.py" "$root"
"$work/venv/bin/python" -m pytest "$@" -m "not slow and not system and not checkout" -p no:cacheprovider \
    tests/test_*.py $(find tests -name 'test_*.py' | grep -E "$touched" | sort)
