#!/bin/bash
# Runs vAttention from this folder on a machine that has nothing of it installed: README.txt.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Written by npm run gpu:bundle.
source "$here/bundle.conf"

fail() {
  printf 'vattention: %s\n' "$1" >&2
  exit 1
}

# Whether version $1 is at least $2.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

check_machine() {
  local system glibc
  system="$(uname -s)-$(uname -m)"
  [ "$system" = "$bundle_system" ] ||
    fail "made for $bundle_system, this machine is $system. Make the bundle on a machine like it."
  glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d ' ' -f 2) || glibc=
  [ -n "$glibc" ] || glibc=$(ldd --version 2>/dev/null | sed -n '1s/.*(.*) //p') || glibc=
  [ -n "$glibc" ] || fail "glibc $bundle_glibc or newer required, found another C library (musl?)."
  at_least "$glibc" "$bundle_glibc" ||
    fail "glibc $bundle_glibc or newer required, found $glibc. Make the bundle on a machine with an older glibc, or run it in a container with a newer one."
  for tool in tar gzip sha256sum; do
    command -v "$tool" >/dev/null || fail "$tool is missing: install it, or unpack the bundle on a machine that has it and copy the folder."
  done
}

# The bundled Node, with the bundled C++ library where the system has none.
use_node() {
  local why
  if ! why=$("$1/node" --version 2>&1); then
    export LD_LIBRARY_PATH="$1/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    "$1/node" --version >/dev/null 2>&1 || fail "the bundled Node does not run here: $why"
  fi
}

# Unpacks into $1, all of it or nothing; another process may be doing the same.
unpack() {
  local work="$1.$$" part
  mkdir -p "$work" 2>/dev/null ||
    fail "$work cannot be made. Name a folder that can: VATTENTION_BUNDLE_DIR=/path bash run.sh ..."
  trap "rm -rf '$work'" EXIT
  printf 'Unpacking into %s (once)\n' "$1" >&2
  (cd "$here" && sha256sum --quiet --check SHA256SUMS >&2) ||
    fail "a file of the bundle is damaged or missing: copy the folder again."
  gzip -dc "$here/parts/node.tar.gz" | tar -xf - -C "$work"
  use_node "$work"
  for part in "$here"/parts/*.tar.br; do
    "$work/node" "$here/unpack.mjs" "$part" | tar -xf - -C "$work"
  done
  "$work/node" "$here/assemble.mjs" "$work/app"
  # Where another process was faster, its result is as good.
  mv -T "$work" "$1" 2>/dev/null || [ -x "$1/node" ] || fail "$work could not be renamed to $1."
  rm -rf "$work"
  trap - EXIT
}

usage() {
  cat <<END
Usage: bash run.sh <command>

  test [filter] [options]   runs the tests that need a GPU; test --help says more
  bench [name] [options]    runs a bench, or says which there are
  inspect                   says what this machine can run
  vattention ...            the command line: vattention --help
  native [name] ...         runs a native test by itself, or says which there are
  node ...                  the bundled Node, in the current folder
  unpack                    unpacks if need be, and says where

The first use unpacks the bundle next to this script, or into \$VATTENTION_BUNDLE_DIR.
END
}

command=${1:-}
[ $# -eq 0 ] || shift
case "$command" in
test | bench | inspect | vattention | native | node | unpack) ;;
"" | help | --help | -h)
  usage
  exit 0
  ;;
*)
  usage >&2
  exit 2
  ;;
esac

check_machine
folder="${VATTENTION_BUNDLE_DIR:-$here}/vattention-$bundle_id"
[ -x "$folder/node" ] || unpack "$folder"
use_node "$folder"
app="$folder/app"

case "$command" in
test | bench)
  # For what they report.
  VATTENTION_COMMIT="$bundle_commit" exec "$folder/node" "$app/runtime/$command.mjs" "$@"
  ;;
inspect) exec "$folder/node" "$app/packages/vattention/dist/bin.js" inspect "$@" ;;
vattention) exec "$folder/node" "$app/packages/vattention/dist/bin.js" "$@" ;;
node) exec "$folder/node" "$@" ;;
unpack) printf '%s\n' "$folder" ;;
native)
  name=${1:-}
  [ $# -eq 0 ] || shift
  if [ -z "$name" ]; then
    cat "$app/native/gpu-tests.txt" 2>/dev/null || fail "this bundle was made without native tests."
    exit 0
  fi
  [ -x "$app/native/$name" ] || fail "there is no native test $name."
  exec "$app/native/$name" "$@"
  ;;
esac
