here=$(cd "$(dirname "$0")" && pwd)
. "$here/../setup.sh"

export GIT_CONFIG_GLOBAL="$PWD/../gitconfig"
git config --global countersign.approve.unattended true
# The deploy job has this copy of the ledger's public key, and neither the repository nor the policy.
cp ../server.git/countersign/ledger/key.pub ../ledger.pub

echo 'def retry(): ...' > retry.py
git add retry.py
git commit -q -m 'Begin'
show git push -q origin main
git checkout -q -b retry
echo 'def retry(times): ...' > retry.py
git commit -q -a -m 'Retry several times'
countersign sign HEAD --agent claude-code > ../signed
git push -q origin retry
countersign approve retry --for main --yes > ../approved
show git push -q origin retry:main
commit=$(git rev-parse HEAD)

# On the server, when it has landed: one file, which the job is handed with what it deploys.
countersign log prove "$commit" --ref main --server ../server.git --out ../deploy.tlog-proof

# The job. It deploys nothing that the proof does not bear out.
cd ..
deploy() {
    countersign verify-proof deploy.tlog-proof --key ledger.pub --repository acme/payments \
        --ref main --commit "$1" --require "$2" > checked && echo "deploying"
}
show deploy "$commit" approvals=1,distinct,enforced
show deploy "$commit" approvals=2,distinct
show deploy "$(git -C clone rev-parse "$commit~1")" approvals=1
grep approved checked | cut -d ' ' -f 3-6
