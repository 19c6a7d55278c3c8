here=$(cd "$(dirname "$0")" && pwd)
set -eu

export GIT_AUTHOR_NAME='Alice Ng' GIT_AUTHOR_EMAIL=alice@acme.dev
export GIT_COMMITTER_NAME='Alice Ng' GIT_COMMITTER_EMAIL=alice@acme.dev
export COUNTERSIGN_AGENT=none
show() {
    echo "\$ $*"
    if "$@" 2>&1; then echo '(ok)'; else echo '(refused)'; fi
}

# Two repositories, with what an agent left in them unsealed long ago.
cp "$here/policy.toml" policy.toml
git init -q -b main clone
for name in payments ledger; do
    git init -q --bare -b main git/$name.git
done
cd clone
git commit -q --allow-empty -m 'Long ago' -m 'Co-Authored-By: Claude <noreply@anthropic.com>'
git push -q ../git/payments.git main
git push -q ../git/ledger.git main
cd ..

# Baseline and observe: nothing is refused.
countersign install --server git --policy policy.toml --baseline --observe --dry-run | grep -c '^write .*pre-receive'
countersign install --server git --policy policy.toml --baseline --observe > installed
cd clone
git commit -q --allow-empty -m 'This week' -m 'Co-Authored-By: Claude <noreply@anthropic.com>'
show git push -q ../git/payments.git main
show countersign log show --would-refuse --server ../git/payments.git

# The agent gets a key. Warn: pushers see what would be refused.
git config countersign.repository payments
countersign agent add claude-code --owner alice >> ../policy.toml
sed 's/^identity/mode = "warn"\nidentity/' ../policy.toml > ../policy.new
mv ../policy.new ../policy.toml
countersign install --server ../git --policy ../policy.toml > ../installed
git commit -q --allow-empty -m 'Next week' -m 'Co-Authored-By: Claude <noreply@anthropic.com>'
show git push -q ../git/payments.git main

# Enforce: the policy is read at every push.
grep -v '^mode = "warn"' ../policy.toml > ../policy.new
show countersign policy diff ../policy.toml ../policy.new
mv ../policy.new ../policy.toml
echo 'def retry(): ...' > retry.py
git add retry.py
git commit -q -m 'Add retry' -m 'Co-Authored-By: Claude <noreply@anthropic.com>'
show git push -q ../git/payments.git main
countersign sign HEAD --agent claude-code > ../signed
show git push -q ../git/payments.git main

# Old history still goes where it goes.
show git push -q ../git/ledger.git main~3:refs/heads/old

# Prove it.
countersign doctor --server ../git | tail -n 1
