here=$(cd "$(dirname "$0")" && pwd)
setup=$here/../setup.sh

# Bob's key stands in the policy too.
ssh-keygen -q -t ed25519 -N '' -C bob -f bob
mkdir policy
sed "s|BOB|$(cat bob.pub)|" "$here/policy.toml" > policy/policy.toml
here=$PWD/policy
. "$setup"

# A person is asked in a terminal. Here there is none, and nobody else has this account.
export GIT_CONFIG_GLOBAL="$PWD/../gitconfig"
git config --global countersign.approve.unattended true

echo 'pay = bank.pay' > pay.py
git add pay.py
git commit -q -m 'Begin'
git push -q origin main
git checkout -q -b night

# At three in the night the agent does what nobody wants. Whoever is awake stops it, by one command and with no admin.
echo 'pay = bank.pay_twice' > pay.py
git commit -q -a -m 'Pay more'
countersign sign HEAD --agent claude-code > ../signed
git push -q origin night
countersign freeze claude-code --because 'It pays twice' --yes > ../frozen
head -n 1 ../frozen
echo 'pay = bank.pay_thrice' > pay.py
git commit -q -a -m 'Pay even more'
countersign sign HEAD --agent claude-code > ../signed
show git push -q origin night

# It mends that under her eyes. On main its work needs an approval of somebody who has looked at it in peace, and nobody has: two break the glass.
countersign thaw claude-code --because 'It mends what it did, under my eyes' --yes > ../thawed
git checkout -q -b mend main
echo 'pay = bank.pay_once' > pay.py
git commit -q -a -m 'Pay once'
countersign sign HEAD --agent claude-code > ../signed
show git push -q origin mend:main
old=$(git rev-parse main) new=$(git rev-parse mend)
countersign override main --from "$old" --to "$new" --code approval-missing \
    --because 'Payments run twice' --yes > ../one
show git push -q origin mend:main
countersign override main --from "$old" --to "$new" --code approval-missing \
    --because 'Seen with alice' --key ../bob --yes > ../two
show git push -q origin mend:main

# It is on record, and told to whoever pushes next.
countersign log show --server ../server.git --overrides | grep override: | cut -d ' ' -f 3-
git checkout -q -b next main
git commit -q --allow-empty -m 'Next day'
git push -q origin next 2>&1 | cut -d ' ' -f 2-4
