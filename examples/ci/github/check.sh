# What the action runs, in a checkout of actions/checkout for the event pull_request, pull_request_target or merge_group.
# Reads GITHUB_EVENT_NAME, GITHUB_BASE_REF, GITHUB_OUTPUT, RUNNER_TEMP, and the inputs COUNTERSIGN, POLICY, REPOSITORY and REVISION.
set -euo pipefail

case $GITHUB_EVENT_NAME in
    pull_request | pull_request_target) target=$GITHUB_BASE_REF ;;
    # The queue names its branch gh-readonly-queue/BASE/pr-N-COMMIT.
    merge_group)
        target=${GITHUB_REF#refs/heads/gh-readonly-queue/}
        target=${target%/*}
        ;;
    *)
        echo "::error title=countersign::nothing is checked for the event $GITHUB_EVENT_NAME"
        exit 2
        ;;
esac

common=(--for "$target" --policy "ref:refs/heads/$target:$POLICY")
[ -z "${REPOSITORY:-}" ] || common+=(--repository "$REPOSITORY")

# For pull_request a trial merge is checked out, which never lands: countersign checks the head that it merges.
status=0
"$COUNTERSIGN" check --fetch "${common[@]}" --format github "$REVISION" || status=$?
"$COUNTERSIGN" check "${common[@]}" --format sarif "$REVISION" >"$RUNNER_TEMP/countersign.sarif" 2>/dev/null || true
echo "sarif=$RUNNER_TEMP/countersign.sarif" >>"$GITHUB_OUTPUT"
exit "$status"
