here=$(cd "$(dirname "$0")" && pwd)
. "$here/../setup.sh"

# The rule only observes, so nothing is refused.
echo 'def retry(): ...' > retry.py
git add retry.py
git commit -q -m 'Add retry' -m 'Co-Authored-By: Claude <noreply@anthropic.com>'
show git push -q origin main

show countersign log show --would-refuse --server ../server.git

# Somebody moves a ref on the server, past the hook.
git -C ../server.git update-ref refs/heads/smuggled main
show countersign log verify --server ../server.git > ../verified
grep -v '^acme' ../verified
echo 'def retry(times): ...' > retry.py
git commit -q -a -m 'Retry several times'
show git push -q origin main
countersign log show --server ../server.git --ref smuggled | cut -d ' ' -f 4-
