# What every example begins with: a protected server repository, a clone, an agent's key in the policy.
# Read by the scripts with `. setup.sh`; the policy is the one beside the script.
set -eu

export GIT_AUTHOR_NAME='Alice Ng' GIT_AUTHOR_EMAIL=alice@acme.dev
export GIT_COMMITTER_NAME='Alice Ng' GIT_COMMITTER_EMAIL=alice@acme.dev
export COUNTERSIGN_AGENT=none

git init -q --bare -b main server.git
git init -q -b main clone
cp "$here/policy.toml" policy.toml
cd clone
git remote add origin ../server.git
git config countersign.policy "$PWD/../policy.toml"

# Alice signs with a key of her own.
ssh-keygen -q -t ed25519 -N '' -C alice -f ../alice
git config gpg.format ssh
git config user.signingkey "$PWD/../alice"
sed "s|ALICE|$(cat ../alice.pub)|" ../policy.toml > ../policy.new
mv ../policy.new ../policy.toml

countersign agent add claude-code --owner alice >> ../policy.toml
countersign install --server ../server.git --policy ../policy.toml > ../installed

# Runs a command, shows it, and says how it ended.
show() {
    echo "\$ $*"
    if "$@" 2>&1; then echo '(ok)'; else echo '(refused)'; fi
}
