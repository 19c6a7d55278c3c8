//! `install --server` and `uninstall --server`.

use crate::world::{AGENTS_EVERYWHERE, CLAUDE, World, registry};

const MARKED: &str = "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n";

fn installed(world: &World, more: &[&str]) -> std::process::Output {
    let (server, policy) = (world.server().display().to_string(), world.policy_path().display().to_string());
    let words = ["install", "--server", &server, "--policy", &policy];
    world.countersign(&[&words, more].concat())
}

#[test]
fn one_command_protects_and_one_restores() {
    let world = World::new(AGENTS_EVERYWHERE);
    let hook = world.server().join("hooks/pre-receive");
    let theirs = "#!/bin/sh\ncat > seen\necho theirs ran >&2\n";
    world.write_executable(&hook, theirs);
    assert!(installed(&world, &[]).status.success());
    let again = installed(&world, &[]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("nothing changed"));

    world.commit("a", "1", MARKED);
    let pushed = world.push(&["HEAD:refs/heads/main"]);
    pushed.refused("unsealed-agent-commit");
    assert!(!pushed.said.contains("theirs ran"), "{}", pushed.said);
    world.seal_head(CLAUDE);
    let pushed = world.push(&["HEAD:refs/heads/main"]);
    pushed.accepted();
    assert!(pushed.said.contains("theirs ran"), "{}", pushed.said);
    assert!(std::fs::read_to_string(world.server().join("seen")).unwrap().contains("refs/heads/main"));

    let server = world.server().display().to_string();
    assert!(world.countersign(&["uninstall", "--server", &server]).status.success());
    assert_eq!(std::fs::read_to_string(&hook).unwrap(), theirs);
    assert!(!world.server().join("hooks/pre-receive.before-countersign").exists());
    world.commit("a", "2", MARKED);
    world.push(&["HEAD:refs/heads/main"]).accepted();
}

#[test]
fn a_linked_hook_is_kept_as_a_link() {
    let world = World::new(AGENTS_EVERYWHERE);
    let hook = world.server().join("hooks/pre-receive");
    std::fs::remove_file(&hook).unwrap();
    world.write_executable(&world.path("shared/hook"), "#!/bin/sh\necho theirs ran >&2\n");
    let target = std::path::Path::new("../../shared/hook");
    std::os::unix::fs::symlink(target, &hook).unwrap();
    assert!(installed(&world, &[]).status.success());
    world.commit("a", "1", "By hand\n");
    let pushed = world.push(&["HEAD:refs/heads/main"]);
    assert!(pushed.ok && pushed.said.contains("theirs ran"), "{}", pushed.said);
    let server = world.server().display().to_string();
    assert!(world.countersign(&["uninstall", "--server", &server]).status.success());
    assert_eq!(std::fs::read_link(&hook).unwrap(), target);
    assert!(world.server().join("hooks/pre-receive.before-countersign").symlink_metadata().is_err());
}

#[test]
fn a_hook_that_refuses_after_us_still_refuses() {
    let world = World::new(AGENTS_EVERYWHERE);
    world.write_executable(&world.server().join("hooks/pre-receive"), "#!/bin/sh\nexit 1\n");
    assert!(installed(&world, &[]).status.success());
    world.commit("a", "1", "By hand\n");
    assert!(!world.push(&["HEAD:refs/heads/main"]).ok);
}

#[test]
fn nothing_is_half_installed() {
    let world = World::new(AGENTS_EVERYWHERE);
    let hook = world.server().join("hooks/pre-receive");
    std::fs::remove_file(&hook).unwrap();
    let policy = world.policy_path().display().to_string();
    let server = world.server().display().to_string();
    let missing = world.path("missing.git").display().to_string();
    for (words, why) in [
        (vec!["install", "--server", &server, &missing, "--policy", &policy], "missing.git"),
        (vec!["install", "--server", &server], "no policy"),
        (vec!["install", "--server", &server, "--policy", "nowhere.toml"], "nowhere.toml"),
        (vec!["install", "--server", &server, "--policy", &policy, "--repository", "Bad Name"], "repository name"),
        (vec!["install", "--server", &server, "--policy", &policy, "--repository", "acme/other"], "acme/other"),
        (vec!["install", "--server", &server, "--policy", "ref:refs/heads/main:p.toml"], "does not exist yet"),
    ] {
        let output = world.countersign(&words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(why), "{words:?}: {said}");
        assert!(!hook.exists(), "{words:?}");
    }
    world.git_in(&world.server(), &["config", "core.hooksPath", "/elsewhere"]);
    assert_eq!(installed(&world, &[]).status.code(), Some(2));
    world.git_in(&world.server(), &["config", "--unset", "core.hooksPath"]);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(world.policy_path(), open).unwrap();
    assert!(String::from_utf8_lossy(&installed(&world, &[]).stderr).contains("chmod o-w"));
    std::fs::set_permissions(world.policy_path(), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    world.set_policy("version = 1\nnonsense = true\n");
    let output = installed(&world, &[]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("nonsense"));
    assert!(!hook.exists());
}

#[test]
fn a_baseline_exempts_what_the_refs_have_now() {
    let world = World::new("");
    world.commit("a", "1", MARKED);
    world.push(&["HEAD:refs/heads/old"]).accepted();
    world.set_policy(&format!(
        "{}{}",
        registry(),
        AGENTS_EVERYWHERE.replace("heads/**", "heads/new/*").replace(", \"refs/tags/**\"", "")
    ));
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    assert!(installed(&world, &[]).status.success());
    world.push(&["HEAD:refs/heads/new/a"]).refused("unsealed-agent-commit");
    assert!(installed(&world, &["--baseline"]).status.success());
    world.push(&["HEAD:refs/heads/new/a"]).accepted();
    world.commit("a", "2", MARKED);
    world.push(&["HEAD:refs/heads/new/b"]).refused("unsealed-agent-commit");
}

#[test]
fn a_policy_in_the_repository_is_pinned_at_install_and_judged_by_its_old_value() {
    let world = World::new(AGENTS_EVERYWHERE);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    let everyone = AGENTS_EVERYWHERE.replace("\"agents\"", "\"everyone\"\nforce-push = \"deny\"\ndelete = \"deny\"\n[rule.approvals]\nfor = \"everyone\"\nfrom = [\"bob\"]");
    let policy = format!("{}{everyone}", registry());
    world.set_policy(&policy);
    let file = world.policy_path().display().to_string();
    let digest = String::from_utf8(world.countersign(&["policy", "digest", &file]).stdout).unwrap();
    let place = format!("ref:refs/heads/main:.countersign/policy.toml@{}", digest.trim());
    let server = world.server().display().to_string();
    let output =
        world.countersign(&["install", "--server", &server, "--policy", &place, "--repository", "acme/payments"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    world.commit("a", "1", "Nothing yet\n");
    world.sign_head(crate::world::ALICE);
    world.push(&["HEAD:refs/heads/other"]).refused("policy-invalid");
    world.commit(".countersign/policy.toml", "version = 1\n", "Another policy than the pinned one\n");
    world.sign_head(crate::world::ALICE);
    world.push(&["HEAD:refs/heads/main"]).refused("policy-invalid");
    world.commit(".countersign/policy.toml", &policy, "The pinned policy\n");
    world.sign_head(crate::world::ALICE);
    world.push(&["HEAD:refs/heads/main"]).refused("approval-missing");
    let record = world.refspec(&world.draft("HEAD", "refs/heads/main", crate::world::BOB));
    world.push(&["HEAD:refs/heads/main", &record]).accepted();

    // Weakened in the push that would profit from it: the old value judges.
    world.commit(".countersign/policy.toml", &policy.replace("\"everyone\"", "\"agents\""), "Weaken\n");
    world.push(&["HEAD:refs/heads/main"]).refused("unsigned-commit");
    world.sign_head(crate::world::ALICE);
    // Signed it passes identity, but the policy would no longer protect itself.
    world.push(&["HEAD:refs/heads/main"]).refused("policy-invalid");
    world.git(&["reset", "-q", "--hard", "origin/main"]);
    world.commit(".countersign/policy.toml", "broken", "Break\n");
    world.sign_head(crate::world::ALICE);
    world.push(&["HEAD:refs/heads/main"]).refused("policy-invalid");
    world.push(&[":refs/heads/main"]).refused("delete-denied");
    world.git(&["reset", "-q", "--hard", "origin/main~1"]);
    world.push(&["+HEAD:refs/heads/main"]).refused("force-push-denied");
}
