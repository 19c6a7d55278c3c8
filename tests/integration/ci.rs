//! The recipes for CI, run as GitHub Actions and GitLab CI run them: the clone that they make, the variables that they document.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::world::{ALICE, CLAUDE, World, binary};

const RULES: &str = r#"
[[rule]]
name = "branches"
refs = ["refs/heads/**"]
identity = "agents"

[[rule]]
name = "main"
refs = ["refs/heads/main"]
identity = "everyone"
force-push = "deny"
delete = "deny"

[[rule]]
name = "policy"
refs = ["refs/heads/main"]
paths = [".countersign/**"]
identity = "everyone"
[rule.approvals]
for = "everyone"
from = ["bob"]
"#;

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci").join(path)
}

/// A forge without hooks: main holds the policy, and a request is open that brings what `propose` commits.
struct Forge {
    world: World,
    head: String,
}

impl Forge {
    fn with(propose: impl FnOnce(&World)) -> Self {
        let world = World::new(RULES);
        std::fs::remove_dir_all(world.server().join("hooks")).unwrap();
        let policy = std::fs::read_to_string(world.policy_path()).unwrap();
        std::fs::create_dir(world.clone_dir().join(".countersign")).unwrap();
        world.commit(".countersign/policy.toml", &policy, "Say who may do what\n");
        world.sign_head(ALICE);
        world.git(&["push", "-q", "origin", "HEAD:refs/heads/main"]);
        world.git(&["checkout", "-q", "-b", "retry"]);
        propose(&world);
        let head = world.git(&["rev-parse", "HEAD"]).trim().to_owned();
        world.git(&["push", "-q", "origin", "HEAD:refs/heads/retry", "HEAD:refs/pull/7/head"]);
        // What a forge keeps to see whether it merges.
        world.git(&["checkout", "-q", "-b", "trial", "HEAD~1"]);
        world.git(&["merge", "-q", "--no-ff", "-m", "Merge pull request #7", "retry"]);
        world.git(&["push", "-q", "origin", "HEAD:refs/pull/7/merge"]);
        Self { world, head }
    }

    /// A shallow clone with one commit checked out, as CI makes it.
    fn checkout(&self, refspec: &str, revision: &str) -> PathBuf {
        let directory = self.world.path("runner");
        std::fs::create_dir(&directory).unwrap();
        let git = |arguments: &[&str]| self.world.git_in(&directory, arguments);
        git(&["init", "-q"]);
        git(&["remote", "add", "origin", &format!("file://{}", self.world.server().display())]);
        git(&["fetch", "-q", "--no-tags", "--depth=1", "origin", refspec]);
        git(&["checkout", "-q", "--detach", revision]);
        directory
    }

    fn script(&self, directory: &Path, script: &str, variables: &[(&str, &str)]) -> Output {
        let mut command = self.world.command("bash", directory);
        let path = std::env::var_os("PATH").unwrap();
        let paths = std::iter::once(binary().parent().unwrap().to_owned()).chain(std::env::split_paths(&path));
        command.args(["-c", script]).env("PATH", std::env::join_paths(paths).unwrap());
        command.envs(variables.iter().copied());
        self.world.run(command, None)
    }

    /// The action in a run for the event `pull_request`.
    fn on_github(&self) -> (Option<i32>, String, Value) {
        let runner = self.checkout("+refs/pull/7/merge:refs/remotes/pull/7/merge", "refs/remotes/pull/7/merge");
        let temporary = self.world.path("");
        let (temp, output) = (temporary.display().to_string(), self.world.path("output").display().to_string());
        let variables = [
            ("GITHUB_EVENT_NAME", "pull_request"),
            ("GITHUB_REF", "refs/pull/7/merge"),
            ("GITHUB_BASE_REF", "main"),
            ("GITHUB_HEAD_REF", "retry"),
            ("GITHUB_OUTPUT", output.as_str()),
            ("RUNNER_TEMP", temp.as_str()),
            ("COUNTERSIGN", "countersign"),
            ("POLICY", ".countersign/policy.toml"),
            ("REPOSITORY", ""),
            ("REVISION", "HEAD"),
        ];
        let script = std::fs::read_to_string(example("github/check.sh")).unwrap();
        let ran = self.script(&runner, &script, &variables);
        let named = std::fs::read_to_string(&output).unwrap_or_default();
        let sarif = named.trim().strip_prefix("sarif=").map(|file| std::fs::read_to_string(file).unwrap());
        let sarif = sarif.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
        let said = String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap();
        (ran.status.code(), said, sarif)
    }
}

fn sealed(world: &World) {
    world.commit("retry", "1", "Retry\n");
    world.seal_head(CLAUDE);
}

fn unsealed(world: &World) {
    world.commit("retry", "1", "Retry\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n");
}

#[test]
fn the_action_checks_the_head_of_a_pull_request() {
    let (code, said, sarif) = Forge::with(sealed).on_github();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("trial merge pull/7/merge"), "{said}");
    assert_eq!(sarif["runs"][0]["results"], serde_json::json!([]));

    let forge = Forge::with(unsealed);
    let (code, said, sarif) = forge.on_github();
    assert_eq!(code, Some(1), "{said}");
    let annotation = said.lines().find(|line| line.starts_with("::error ")).unwrap();
    assert!(annotation.contains("title=countersign%3A unsealed-agent-commit"), "{annotation}");
    assert!(annotation.contains(&forge.head[..7]), "{annotation}");
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "unsealed-agent-commit");
}

/// The policy is that of the protected branch, whatever a request makes of its own.
#[test]
fn a_pull_request_is_not_judged_by_its_own_policy() {
    let weakened = |world: &World| {
        world.commit(".countersign/policy.toml", "version = 1\nrepository = \"acme/payments\"\n", "Tidy up\n");
        unsealed(world);
    };
    let (code, said, _) = Forge::with(weakened).on_github();
    assert_eq!(code, Some(1), "{said}");
    for found in ["unsealed-agent-commit", "unsigned-commit", "approval-missing"] {
        assert!(said.contains(found), "{found}: {said}");
    }
}

#[test]
fn what_is_no_request_is_not_taken_for_a_good_one() {
    let forge = Forge::with(sealed);
    let script = std::fs::read_to_string(example("github/check.sh")).unwrap();
    let directory = forge.checkout("+refs/heads/main:refs/remotes/origin/main", "refs/remotes/origin/main");
    let ran = forge.script(&directory, &script, &[("GITHUB_EVENT_NAME", "workflow_dispatch")]);
    assert_eq!(ran.status.code(), Some(2));
}

/// The script of the component, as GitLab hands it to a shell.
fn gitlab_script() -> String {
    let text = std::fs::read_to_string(example("gitlab/template.yml")).unwrap();
    let script = text.split("  script:\n    - |\n").nth(1).unwrap().split("  artifacts:").next().unwrap();
    script.lines().map(|line| line.strip_prefix("      ").unwrap_or(line).to_owned() + "\n").collect()
}

#[test]
fn the_component_checks_a_merge_request() {
    for (is_sealed, code) in [(true, 0), (false, 1)] {
        let propose = if is_sealed { sealed } else { unsealed };
        let forge = Forge::with(propose);
        // In a pipeline for merged results, the trial merge is what is checked out.
        let runner = forge.checkout("+refs/pull/7/merge:refs/pipelines/1", "refs/pipelines/1");
        let trial = forge.world.git_in(&runner, &["rev-parse", "HEAD"]);
        let variables = [
            ("CI_PIPELINE_SOURCE", "merge_request_event"),
            ("CI_COMMIT_SHA", trial.trim()),
            ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", forge.head.as_str()),
            ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
            ("POLICY", ".countersign/policy.toml"),
            ("REPOSITORY", ""),
        ];
        let ran = forge.script(&runner, &gitlab_script(), &variables);
        let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(code), "{said}");
        let report = std::fs::read_to_string(runner.join("gl-code-quality-report.json")).unwrap();
        let issues: Value = serde_json::from_str(&report).unwrap();
        let issues = issues.as_array().unwrap();
        assert_eq!(issues.is_empty(), code == 0, "{report}");
        for issue in issues {
            for key in ["description", "check_name", "fingerprint", "severity"] {
                assert!(issue[key].is_string(), "{issue}");
            }
            assert!(issue["location"]["path"].is_string() && issue["location"]["lines"]["begin"].is_u64(), "{issue}");
        }
        let junit = std::fs::read_to_string(runner.join("countersign-junit.xml")).unwrap();
        assert_eq!(junit.contains("<failure"), code != 0, "{junit}");
    }
}
