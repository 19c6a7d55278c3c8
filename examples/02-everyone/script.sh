here=$(cd "$(dirname "$0")" && pwd)
. "$here/../setup.sh"

echo 1 > file
git add file
git commit -q -m 'No mark, no signature'
show git push -q origin main
git commit -q --amend --no-edit -S
show git push -q origin main
