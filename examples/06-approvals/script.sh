here=$(cd "$(dirname "$0")" && pwd)
. "$here/../setup.sh"

# A person is asked in a terminal. Here there is none, and nobody else has this account.
export GIT_CONFIG_GLOBAL="$PWD/../gitconfig"
git config --global countersign.approve.unattended true

echo 'def retry(): ...' > retry.py
git add retry.py
git commit -q -m 'Begin'
show git push -q origin main

# The agent seals its work; that says who made it, not that anybody wants it.
git checkout -q -b retry
echo 'def retry(times): ...' > retry.py
git commit -q -a -m 'Retry several times'
countersign sign HEAD --agent claude-code > ../signed
show git push -q origin retry:main

# On a branch of its own it can be looked at and approved.
show git push -q origin retry
show countersign approve --list
countersign approve retry --for main --yes > ../approved
head -n 1 ../approved
show git push -q origin retry:main

# One more commit was not approved.
echo 'def retry(times, evil): ...' > retry.py
git commit -q -a -m 'Retry more'
countersign sign HEAD --agent claude-code > ../signed
show git push -q origin retry:main
countersign approve --list | cut -c 1-8
