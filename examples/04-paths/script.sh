here=$(cd "$(dirname "$0")" && pwd)
. "$here/../setup.sh"

countersign install > ../installed-here
mkdir -p .github/workflows
echo 'on: push' > .github/workflows/ci.yml
git add .github
COUNTERSIGN_AGENT=claude-code git commit -q -m 'Speed up CI' 2> ../sealed
show git push -q --no-verify origin main
git reset -q --soft "$(git commit-tree -m 'Speed up CI' "$(git write-tree)")"
git commit -q --amend --no-edit -S
show git push -q origin main
