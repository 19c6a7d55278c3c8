here=$(cd "$(dirname "$0")" && pwd)
. "$here/../setup.sh"

echo 'def retry(): ...' > retry.py
git add retry.py
git commit -q -m 'Add retry' -m 'Co-Authored-By: Claude <noreply@anthropic.com>'
show git push -q origin main
countersign sign --agent claude-code > ../signed
show git push -q origin main
