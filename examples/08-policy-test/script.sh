# A policy is tested like code: its cases hold, and a weaker one breaks them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
show() {
    echo "\$ $*"
    "$@" 2>&1 || echo "(exit $?)"
}

cp "$here/policy.toml" "$here/cases.toml" .
show countersign policy test cases.toml
sed -i '/^agents = /d; s/^independent = true$//' policy.toml
show countersign policy test cases.toml
