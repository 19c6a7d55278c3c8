here=$(cd "$(dirname "$0")" && pwd)
. "$here/../setup.sh"

countersign install > ../installed-here
echo 'def retry(): ...' > retry.py
git add retry.py
COUNTERSIGN_AGENT=claude-code git commit -q -m 'Add retry' 2> ../sealed
echo 'def retry(times): ...' > retry.py
git commit -q -a --amend --no-edit 2> ../reminded
show git push -q --no-verify origin main
countersign sign HEAD --adopt > ../adopted
show git push -q origin main
show git log -1 --format=%B
