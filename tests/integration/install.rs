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

/// A hook that was there goes on under another name in the same directory; one that goes by its name cannot.
#[test]
fn a_hook_that_goes_by_its_own_name_is_not_moved() {
    for (text, moves) in [
        ("#!/bin/sh\nfor hook in $0.d/*; do $hook || exit 1; done\n", false),
        ("#!/bin/sh\ncase \"$0\" in *pre-receive) exit 0;; esac\nexit 1\n", false),
        ("#!/bin/bash\nname=$(basename \"$0\")\nrun-parts \"hooks/$name.d\"\n", false),
        ("#!/usr/bin/env python3\nimport sys\nprint(sys.argv[0])\n", true),
        ("#!/bin/sh\necho \"usage: $0. $(basename \"$0\")\"; awk '{print $0}' /dev/null\n", true),
        ("#!/bin/sh\n# $0 says nothing here\n. \"$(dirname \"$0\")/library\"\n", true),
        ("#!/bin/sh\nexit 0\n", true),
    ] {
        let world = World::new(AGENTS_EVERYWHERE);
        let hook = world.server().join("hooks/pre-receive");
        world.write_executable(&hook, text);
        let output = installed(&world, &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), moves, "{text}: {said}");
        if !moves {
            assert!(said.contains("goes by its own name"), "{said}");
            assert_eq!(std::fs::read_to_string(&hook).unwrap(), text);
        }
    }
}

/// A process that is killed between giving a hook its second name and putting ours in its place leaves both names to one file.
#[test]
fn an_install_that_was_killed_is_taken_up_again() {
    let world = World::new(AGENTS_EVERYWHERE);
    let hooks = world.server().join("hooks");
    let theirs = "#!/bin/sh\nexit 0\n";
    world.write_executable(&hooks.join("pre-receive"), theirs);
    std::fs::hard_link(hooks.join("pre-receive"), hooks.join("pre-receive.before-countersign")).unwrap();
    std::fs::write(hooks.join(".countersign-unfinished-x"), "half").unwrap();
    let output = installed(&world, &[]);
    assert!(output.status.success(), "{output:?}");
    world.commit("a", "1", MARKED);
    world.push(&["HEAD:refs/heads/main"]).refused("unsealed-agent-commit");
    assert!(world.countersign(&["uninstall", "--server", world.server().to_str().unwrap()]).status.success());
    assert_eq!(std::fs::read_to_string(hooks.join("pre-receive")).unwrap(), theirs);
    assert!(
        !hooks.join("pre-receive.before-countersign").exists() && !hooks.join(".countersign-unfinished-x").exists()
    );
}

/// What an admin has said stays said, where install is run again for all repositories or as a hint says.
#[test]
fn what_was_told_is_kept() {
    let world = root(&["acme/payments.git", "acme/ledger.git"]);
    let one = world.path("root/acme/payments.git").display().to_string();
    let (policy, ledger) = (world.policy_path().display().to_string(), world.path("kept").display().to_string());
    let words =
        ["install", "--server", &one, "--policy", &policy, "--repository", "special/name", "--submitter", "http"];
    let more = ["--deadline", "60", "--ledger", &ledger, "--reference-transaction"];
    assert!(world.countersign(&[&words[..], &more].concat()).status.success());
    let shim = || std::fs::read_to_string(world.path("root/acme/payments.git/hooks/pre-receive")).unwrap();
    let before = shim();
    for again in [&words[..5], &["install", "--server", world.path("root").to_str().unwrap(), "--policy", &policy]] {
        let output = world.countersign(again);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && said.contains("keeps --submitter http --deadline 60"), "{said}");
        assert_eq!(shim(), before);
    }
    // To say otherwise is to say so; and to install without --observe is to enforce.
    let other = ["--submitter", "none", "--deadline", "5", "--repository", "acme/payments", "--observe"];
    assert!(world.countersign(&[&words[..5], &other].concat()).status.success());
    for word in ["--submitter none", "--deadline 5", "--repository 'acme/payments'", "--observe"] {
        assert!(shim().contains(word), "{word}: {}", shim());
    }
    assert!(world.countersign(&words[..5]).status.success() && !shim().contains("--observe"));
    // Where the hook is gone, the name is not. A second ledger is not begun beside the first.
    std::fs::remove_dir_all(&ledger).unwrap();
    let again = ["install", "--server", &one, "--policy", &policy, "--repository", "kept/name", "--ledger"];
    let own = world.path("root/acme/payments.git/countersign/ledger").display().to_string();
    assert!(world.countersign(&[&again[..], &[&own]].concat()).status.success());
    std::fs::remove_file(world.path("root/acme/payments.git/hooks/pre-receive")).unwrap();
    assert!(world.countersign(&words[..5]).status.success());
    assert!(shim().contains("--repository 'kept/name'"), "{}", shim());
    // The hook of another kind of server would be one too many.
    let output = world.countersign(&[&words[..5], &["--submitter", "gitlab"]].concat());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another kind of server"), "{output:?}");
}

/// A directory of repositories may be a work tree itself, and a repository may be called like a canary: none of it hides another.
#[test]
fn nothing_hides_a_repository() {
    let world = root(&["a.git", ".countersign-canary-x.git"]);
    world.git_in(&world.path(""), &["init", "-q", "-b", "main", "root"]);
    let doctor = || {
        let output = world.countersign(&["doctor", "--server", world.path("root").to_str().unwrap()]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = doctor();
    assert!(code == Some(1) && said.matches("[missing]").count() == 3, "{said}");
    let (ok, said) = install_root(&world, &[]);
    assert!(ok && said.matches(": installed ").count() == 6, "{said}");
    assert_eq!(doctor().0, Some(0), "{}", doctor().1);
    // Git goes to `.git` first where a bare repository holds one.
    world.git_in(&world.path(""), &["init", "-q", "--bare", "-b", "main", "root/a.git/.git"]);
    let (code, said) = doctor();
    assert!(code == Some(1) && said.contains("a.git/.git: there is no pre-receive hook"), "{said}");
}

/// Several first pushes to a repository that was made after its hook: each finds the ledger whole.
#[test]
fn a_ledger_is_made_once() {
    let world = root(&["new.git"]);
    let words = format!(
        "--policy {} --below {} --ledger countersign/ledger",
        world.policy_path().display(),
        world.path("root").display()
    );
    let text = format!("#!/bin/sh\nexec '{}' hook pre-receive {words} \"$@\"\n", crate::world::binary().display());
    world.write_executable(&world.path("root/new.git/hooks/pre-receive"), &text);
    world.commit("a", "1", "By hand\n");
    world.git(&["remote", "set-url", "origin", world.path("root/new.git").to_str().unwrap()]);
    let (world, together) = (&world, std::sync::Barrier::new(8));
    let together = &together;
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                together.wait();
                world.push(&[&format!("HEAD:refs/heads/b{number}")]).accepted();
            });
        }
    });
    let left = std::fs::read_dir(world.path("root/new.git/countersign")).unwrap().count();
    assert_eq!(left, 1, "nothing half made is left");
}

/// To observe is to refuse nothing, whatever is broken, in whichever hook.
/// Whoever looks for the ledger reads the hook as the shell does.
#[test]
fn a_ledger_is_found_wherever_its_path_leads() {
    let world = World::new(AGENTS_EVERYWHERE);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    let place = world.path("o'brien's \"ledgers\"/pay");
    assert!(installed(&world, &["--ledger", &place.display().to_string()]).status.success());
    world.commit("a", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    let server = world.server().display().to_string();
    let shown = world.countersign(&["log", "show", "--server", &server]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("refs/heads/main"), "{shown:?}");
    assert!(world.countersign(&["uninstall", "--server", &server]).status.success());
}

/// Several users who push as themselves cannot all write one ledger: install says so, before the first push would.
#[test]
fn a_repository_of_several_users_is_refused_before_the_first_push_is() {
    let world = World::new(AGENTS_EVERYWHERE);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    for (value, shared) in [("group", true), ("0660", true), ("umask", false)] {
        world.git_in(&world.server(), &["config", "core.sharedRepository", value]);
        let output = installed(&world, &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), !shared, "{value}: {said}");
        assert_eq!(said.contains("a ledger has one owner"), shared, "{value}: {said}");
        assert_eq!(world.server().join("hooks/pre-receive").exists(), !shared);
    }
    // What is served already goes on being served.
    world.git_in(&world.server(), &["config", "core.sharedRepository", "group"]);
    assert!(installed(&world, &[]).status.success());
    world.commit("a", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
}

/// Before somebody leaves: every line of the policy, and of what it includes, that hangs on her.
#[test]
fn what_hangs_on_somebody_is_listed() {
    let world = World::new(AGENTS_EVERYWHERE);
    let rule = "[groups]\nleads = [\"alice\"]\n[[rule]]\nname = \"led\"\nrefs = [\"refs/heads/led\"]\nsubmitters = [\"leads\"]\n";
    std::fs::write(world.path("people.toml"), registry()).unwrap();
    std::fs::write(world.path("top.toml"), format!("version = 1\ninclude = [\"people.toml\"]\n{rule}")).unwrap();
    let top = world.path("top.toml").display().to_string();
    let output = world.countersign(&["policy", "hangs-on", "alice", &top]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "top.toml:4: groups.leads\n",
        "top.toml:8: rule.submitters, through leads\n",
        "people.toml:",
        "people.alice.keys",
        "agents.claude-code.owner",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let output = world.countersign(&["policy", "hangs-on", "nobody", &top]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("nothing hangs on nobody"));
}

#[test]
fn observing_refuses_nothing_in_any_hook() {
    let world = World::new(AGENTS_EVERYWHERE);
    let strict = format!("{}{AGENTS_EVERYWHERE}", registry()).replacen(
        "version = 1\n",
        "version = 1\nout-of-band = \"refuse\"\n",
        1,
    );
    world.set_policy(&strict);
    let before = world.server().join("hooks/pre-receive");
    world.write_executable(&before, "#!/bin/sh\nread line\necho theirs saw $line >&2\n");
    world.install(&["--observe", "--reference-transaction"]);
    world.set_policy("broken [");
    world.commit("a", "1", MARKED);
    let pushed = world.push_with(&[("TMPDIR", "/nonexistent")], &["HEAD:refs/heads/main"]);
    assert!(pushed.ok && pushed.said.contains("theirs saw"), "{}", pushed.said);
    let head = world.git(&["rev-parse", "HEAD"]);
    world.git_in(&world.server(), &["update-ref", "refs/heads/moved", &head]);
}

/// One directory of hooks for several repositories holds one repository's name and ledger.
#[test]
fn a_directory_of_hooks_that_is_shared_is_not_written_to() {
    let world = World::new(AGENTS_EVERYWHERE);
    let hooks = world.server().join("hooks");
    std::fs::rename(&hooks, world.path("shared")).unwrap();
    std::os::unix::fs::symlink(world.path("shared"), &hooks).unwrap();
    let output = installed(&world, &[]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("is a link to"), "{output:?}");
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
    // It stays exempt when install is run again, and is extended only when asked.
    assert!(installed(&world, &[]).status.success());
    world.push(&["HEAD~1:refs/heads/new/c"]).accepted();
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

/// Every file below a directory, with its content.
pub fn files(directory: &std::path::Path) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.insert(path.clone(), std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// A root with repositories at these paths, and a policy that names none of them.
pub fn root(paths: &[&str]) -> World {
    let policy = registry().replace("repository = \"acme/payments\"\n", "");
    let world = World::with(&format!("{policy}{AGENTS_EVERYWHERE}"), "sha1");
    for path in paths {
        world.git_in(&world.path(""), &["init", "-q", "--bare", "-b", "main", &format!("root/{path}")]);
    }
    world
}

pub fn install_root(world: &World, more: &[&str]) -> (bool, String) {
    let (root, policy) = (world.path("root").display().to_string(), world.policy_path().display().to_string());
    let output = world.countersign(&[&["install", "--server", &root, "--policy", &policy], more].concat());
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

pub fn push_to(world: &World, path: &str, reference: &str) -> crate::world::Pushed {
    world.git(&["remote", "set-url", "origin", world.path(&format!("root/{path}")).to_str().unwrap()]);
    world.push(&[&format!("HEAD:{reference}")])
}

#[test]
fn one_policy_protects_every_repository_below_a_directory() {
    let world = root(&["acme/payments.git", "acme/Ledger.git", "tools.git"]);
    let before = files(&world.path("root"));
    let (ok, planned) = install_root(&world, &["--dry-run"]);
    assert!(ok && planned.matches("write ").count() == 6 && planned.contains("make the ledger"), "{planned}");
    assert!(planned.contains("--repository 'acme/ledger'"), "{planned}");
    assert_eq!(files(&world.path("root")), before, "a dry run writes nothing");
    assert!(install_root(&world, &[]).0);
    let (ok, said) = install_root(&world, &[]);
    assert!(ok && said.matches("nothing changed").count() == 3, "{said}");

    world.commit("a", "1", MARKED);
    for path in ["acme/payments.git", "acme/Ledger.git", "tools.git"] {
        push_to(&world, path, "refs/heads/main").refused("unsealed-agent-commit");
    }
    world.seal_head(CLAUDE);
    push_to(&world, "acme/payments.git", "refs/heads/main").accepted();
    push_to(&world, "tools.git", "refs/heads/main").refused("bad-seal");

    // A new repository has no hook until install is run again, which leaves the others alone.
    world.git_in(&world.path(""), &["init", "-q", "--bare", "-b", "main", "root/new.git"]);
    let (ok, said) = install_root(&world, &[]);
    assert!(ok && said.matches("nothing changed").count() == 3 && said.contains("new.git: installed"), "{said}");
    push_to(&world, "new.git", "refs/heads/main").refused("bad-seal");

    let root = world.path("root").display().to_string();
    assert!(world.countersign(&["uninstall", "--server", &root]).status.success());
    push_to(&world, "new.git", "refs/heads/main").accepted();
}

#[test]
fn nothing_is_written_below_a_directory_where_all_or_none_is_wanted() {
    let world = root(&["a.git", "b.git"]);
    world.git_in(&world.path("root/b.git"), &["config", "core.hooksPath", "/elsewhere"]);
    let before = files(&world.path("root"));
    let (ok, said) = install_root(&world, &["--all-or-nothing"]);
    assert!(!ok && said.contains("b.git: core.hooksPath"), "{said}");
    assert_eq!(files(&world.path("root")), before);
    // Two that would have one name.
    let world = root(&["a b.git", "a+b.git"]);
    let (ok, said) = install_root(&world, &["--all-or-nothing"]);
    assert!(!ok && said.contains("would both be named a-b"), "{said}");
    std::fs::create_dir(world.path("empty")).unwrap();
    let (empty, policy) = (world.path("empty").display().to_string(), world.policy_path().display().to_string());
    let output = world.countersign(&["install", "--server", &empty, "--policy", &policy]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("none lies below it"));
}

/// GitLab keeps repositories under hashes, says at each push what they are called, and runs what lies in custom_hooks.
#[test]
fn gitlab_runs_custom_hooks() {
    let hashes = ["6b".repeat(32), "d4".repeat(32)];
    let path = |hash: &String| format!("@hashed/{}/{}/{hash}.git", &hash[..2], &hash[2..4]);
    let paths = [path(&hashes[0]), path(&hashes[1]), path(&hashes[0]).replace(".git", ".wiki.git")];
    let world = root(&[&paths[0], &paths[1], &paths[2]]);
    // Gitaly sends git to a hook of its own, which runs the repository's.
    let gitaly = "#!/bin/sh\ntest -x custom_hooks/pre-receive || exit 0\nexec custom_hooks/pre-receive\n";
    world.write_executable(&world.path("gitaly/pre-receive"), gitaly);
    for path in &paths {
        let gitaly = world.path("gitaly").display().to_string();
        world.git_in(&world.path("root").join(path), &["config", "core.hooksPath", &gitaly]);
    }
    let server = world.path("root").join(&paths[0]);
    world.write_executable(&server.join("custom_hooks/pre-receive"), "#!/bin/sh\necho theirs ran >&2\n");
    for said in ["custom_hooks/pre-receive", "nothing changed"] {
        let (ok, text) = install_root(&world, &["--submitter", "gitlab"]);
        assert!(ok && text.contains(said), "{text}");
    }
    let push = |path: &str, project: &str| {
        world.git(&["remote", "set-url", "origin", world.path(&format!("root/{path}")).to_str().unwrap()]);
        let variables = [("GL_USERNAME", "alice"), ("GL_PROTOCOL", "ssh"), ("GL_PROJECT_PATH", project)];
        world.push_with(&variables, &["HEAD:refs/heads/main"])
    };
    world.commit("a", "1", MARKED);
    let pushed = push(&paths[0], "Acme/Payments");
    pushed.refused("unsealed-agent-commit");
    let own = |line: &&str| line.contains("error: ") || line.contains("hint: ");
    let lines: Vec<&str> = pushed.said.lines().filter(|line| line.starts_with("remote: ")).filter(own).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with("remote: GL-HOOK-ERR: ")), "{}", pushed.said);
    let root = world.path("root").display().to_string();
    let doctor = world.countersign(&["doctor", "--server", &root]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.status.success() && said.contains("was refused") && said.contains("[custom-hooks]"), "{said}");
    // The server goes on naming them, however it is installed again.
    let (ok, said) = install_root(&world, &["--layout", "gitlab"]);
    assert!(ok && said.contains("keeps --submitter gitlab") && !said.contains("--repository"), "{said}");
    world.seal_head(CLAUDE);
    let nameless = push(&paths[0], "");
    assert!(
        !nameless.ok && nameless.said.contains("GL_PROJECT_PATH does not name the repository"),
        "{}",
        nameless.said
    );
    let pushed = push(&paths[0], "Acme/Payments");
    assert!(pushed.ok && pushed.said.contains("theirs ran"), "{}", pushed.said);
    push(&paths[1], "acme/ledger").refused("bad-seal");
    push(&paths[2], "acme/payments.wiki").refused("bad-seal");
    let shown = world.countersign(&["log", "show", "--server", server.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("1 of claude-code"), "{shown:?}");
    // One name for all of them would be another's for all but one.
    world.set_policy(&format!("{}{AGENTS_EVERYWHERE}", registry()));
    let (ok, said) = install_root(&world, &["--submitter", "gitlab"]);
    assert!(!ok && said.contains("the policy is for one repository, acme/payments"), "{said}");
}

/// Bitbucket runs uploaded scripts, and says at each push what the repository is called.
#[test]
fn bitbucket_runs_uploaded_scripts() {
    let world = root(&["17", "18"]);
    let (ok, said) = install_root(&world, &["--submitter", "bitbucket"]);
    assert!(!ok && said.contains("--out DIR"), "{said}");
    let out = world.path("out").display().to_string();
    for said in ["installed", "already installed"] {
        let (ok, text) = install_root(&world, &["--submitter", "bitbucket", "--out", &out]);
        assert!(ok && text.contains(said) && text.contains("upload them"), "{text}");
    }
    assert!(!world.path("root/17/hooks/pre-receive").exists(), "what the server would not run is not written");
    // Bitbucket's own hook runs the scripts in the repository.
    world.git_in(&world.path(""), &["init", "-q", "--bare", "-b", "main", "root/19"]);
    for number in ["17", "18", "19"] {
        for hook in ["pre-receive", "post-receive"] {
            let text = format!("#!/bin/sh\nexec {out}/{hook}\n");
            world.write_executable(&world.path(&format!("root/{number}/hooks/{hook}")), &text);
        }
    }
    let push = |number: &str, slug: &str| {
        world.git(&["remote", "set-url", "origin", world.path(&format!("root/{number}")).to_str().unwrap()]);
        let variables = [("BB_USER_NAME", "alice"), ("BB_PROJECT_KEY", "ACME"), ("BB_REPO_SLUG", slug)];
        world.push_with(&variables, &["HEAD:refs/heads/main"])
    };
    world.commit("a", "1", MARKED);
    push("17", "payments").refused("unsealed-agent-commit");
    world.seal_head(CLAUDE);
    let nameless = push("17", "");
    assert!(!nameless.ok && nameless.said.contains("BB_PROJECT_KEY/BB_REPO_SLUG"), "{}", nameless.said);
    push("17", "payments").accepted();
    push("18", "ledger").refused("bad-seal");
    // A repository that was made afterwards keeps a ledger from its first push on.
    push("19", "payments").accepted();
    assert!(world.path("root/19/countersign/ledger/log").exists());
}

/// A link to a repository leads a push there as well as its own path does.
#[test]
fn links_below_a_directory() {
    let world = root(&["acme/payments.git"]);
    world.git_in(&world.path(""), &["init", "-q", "--bare", "-b", "main", "elsewhere.git"]);
    std::fs::create_dir(world.path("archive")).unwrap();
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(world.path(target), world.path(&format!("root/{name}"))).unwrap();
    };
    link("elsewhere.git", "linked.git");
    link("root/acme/payments.git", "again.git");
    link("archive", "archive");
    let (ok, said) = install_root(&world, &[]);
    assert!(ok && said.matches(": installed ").count() == 4, "{said}");
    assert!(said.contains("warning: ") && said.contains("root/archive: it is a link to another directory"), "{said}");
    world.commit("a", "1", MARKED);
    push_to(&world, "linked.git", "refs/heads/main").refused("unsealed-agent-commit");
    push_to(&world, "again.git", "refs/heads/main").refused("unsealed-agent-commit");
    let doctor = world.countersign(&["doctor", "--server", world.path("root").to_str().unwrap()]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(!doctor.status.success() && said.contains("2 repositories: 1 error, 0 warnings"), "{said}");
    assert!(said.contains("error: [passed-over]"), "{said}");
    // What is named as well is not passed over.
    world.git_in(&world.path(""), &["init", "-q", "--bare", "-b", "main", "archive/old.git"]);
    std::fs::write(world.path("root/led.git"), format!("gitdir: {}\n", world.path("led").display())).unwrap();
    world.git_in(&world.path(""), &["init", "-q", "--bare", "-b", "main", "led"]);
    world.git_in(&world.path(""), &["init", "-q", "--bare", "-b", "main", "root/acme/payments.git/nested.git"]);
    let servers = [world.path("root").display().to_string(), world.path("archive").display().to_string()];
    let policy = world.policy_path().display().to_string();
    let all = |command: &[&str]| {
        let output = world.countersign(&[command, &["--server", &servers[0], &servers[1]]].concat());
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, said) = all(&["doctor"]);
    assert!(code == Some(1) && said.matches("[missing]").count() == 3 && !said.contains("[passed-over]"), "{said}");
    let (code, said) = all(&["install", "--policy", &policy]);
    assert!(code == Some(0), "{said}");
    let shim = std::fs::read_to_string(world.path("led/hooks/pre-receive")).unwrap();
    assert!(shim.contains("--repository 'led'"), "{shim}");
    assert_eq!(all(&["doctor"]).0, Some(0), "{}", all(&["doctor"]).1);
}

/// Gitea and Forgejo run every file in pre-receive.d, in the order of their names.
#[test]
fn gitea_runs_what_lies_in_its_directories() {
    for kind in ["gitea", "forgejo"] {
        let world = root(&["acme/payments.git"]);
        let server = world.path("root/acme/payments.git");
        let (ok, said) = install_root(&world, &["--submitter", kind]);
        assert!(!ok && said.contains("regenerate hooks"), "{said}");
        // Like the one that the server writes: it goes by its own name, and asks every hook before it answers.
        let delegate = "#!/usr/bin/env bash\ndata=$(cat)\ncodes=\nname=$(basename $0)\nGIT_DIR=${GIT_DIR:-$(dirname $0)/..}\n\
            for hook in ${GIT_DIR}/hooks/${name}.d/*; do\n  test -x \"${hook}\" && test -f \"${hook}\" || continue\n  \
            echo \"${data}\" | \"${hook}\"\n  codes=\"${codes} $?\"\ndone\n\
            for code in ${codes}; do\n  [ ${code} -eq 0 ] || exit ${code}\ndone\n";
        world.write_executable(&server.join("hooks/pre-receive"), delegate);
        world.write_executable(
            &server.join("hooks/pre-receive.d/gitea"),
            "#!/bin/sh\ncat > /dev/null\ntest -n \"$SSH_ORIGINAL_COMMAND\"\n",
        );
        // Installed as if it were a plain hook, it would no longer find what it runs.
        let (ok, said) = install_root(&world, &["--submitter", kind, "--layout", "hooks"]);
        assert!(!ok && said.contains("goes by its own name"), "{said}");
        for said in ["pre-receive.d/countersign", "nothing changed"] {
            let (ok, text) = install_root(&world, &["--submitter", kind]);
            assert!(ok && text.contains(said), "{text}");
        }
        assert_eq!(std::fs::read_to_string(server.join("hooks/pre-receive")).unwrap(), delegate);
        world.commit("a", "1", MARKED);
        world.git(&["remote", "set-url", "origin", server.to_str().unwrap()]);
        let push = || {
            let variables =
                [("GITEA_PUSHER_NAME", "alice"), ("SSH_ORIGINAL_COMMAND", "git-receive-pack 'acme/payments.git'")];
            world.push_with(&variables, &["HEAD:refs/heads/main"])
        };
        push().refused("unsealed-agent-commit");
        world.seal_head(CLAUDE);
        push().accepted();
        let root = world.path("root").display().to_string();
        let doctor = || world.countersign(&["doctor", "--server", &root]);
        assert!(doctor().status.success(), "{:?}", doctor());
        // The server's own hook is what runs ours.
        std::fs::set_permissions(server.join("hooks/pre-receive"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .unwrap();
        assert!(String::from_utf8_lossy(&doctor().stdout).contains("[not-run]"), "{:?}", doctor());
        std::fs::set_permissions(server.join("hooks/pre-receive"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        // One that runs ours and does not ask what it said lets everything in; that the server's refuses the canary says nothing.
        let deaf = delegate.replace("exit ${code}", "true");
        world.write_executable(&server.join("hooks/pre-receive"), &format!("{deaf}exit 0\n"));
        let said = String::from_utf8_lossy(&doctor().stdout).into_owned();
        assert!(said.contains("error: [canary]") && said.contains("was ACCEPTED"), "{said}");
        world.write_executable(&server.join("hooks/pre-receive"), delegate);
        assert!(world.countersign(&["uninstall", "--server", &root]).status.success());
        assert!(!server.join("hooks/pre-receive.d/countersign").exists());
        assert_eq!(std::fs::read_to_string(server.join("hooks/pre-receive")).unwrap(), delegate);
    }
}

/// A git that says it is of another version, and is the one there is.
pub fn git_of(world: &World, version: &str) -> String {
    let path = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&path).map(|path| path.join("git")).find(|path| path.is_file()).unwrap();
    let text =
        format!("#!/bin/sh\n[ \"$1\" = version ] && exec echo git version {version}\nexec {} \"$@\"\n", real.display());
    world.write_executable(&world.path("bin/git"), &text);
    format!("{}:{}", world.path("bin").display(), std::env::var("PATH").unwrap())
}

/// Git of 2.54 and later runs hooks that its configuration names; what is written there is what such a git reads.
#[test]
fn one_hook_in_gits_configuration_serves_all() {
    let world = root(&["acme/payments.git"]);
    let (root, policy) = (world.path("root").display().to_string(), world.policy_path().display().to_string());
    let system = world.path("gitconfig");
    let run = |version: &str, words: &[&str]| {
        let mut command = world.command(crate::world::binary().to_str().unwrap(), &world.path(""));
        command
            .env("PATH", git_of(&world, version))
            .env("GIT_CONFIG_SYSTEM", &system)
            .env_remove("GIT_CONFIG_NOSYSTEM");
        let output = world.run(
            {
                command.args(words);
                command
            },
            None,
        );
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let words = ["install", "--server", &root, "--policy", &policy, "--layout", "config"];
    let (ok, said) = run("2.47.3", &words);
    assert!(!ok && said.contains("since 2.54 only") && !system.exists(), "{said}");
    for _ in 0..2 {
        let (ok, said) = run("2.54.0", &words);
        assert!(ok, "{said}");
    }
    let get =
        |key: &str| world.git_in(&world.path(""), &["config", "--file", system.to_str().unwrap(), "--get-all", key]);
    assert_eq!(get("hook.countersign.event"), "pre-receive");
    assert_eq!(get("hook.countersign-post-receive.event"), "post-receive");
    let doctor = ["doctor", "--server", root.as_str()];
    assert!(run("2.47.3", &doctor).1.contains("[old-git]"));
    // This git is older than it says, so the hook does not run, which nothing but the canary can tell.
    let said = run("2.54.0", &doctor).1;
    assert!(said.contains("error: [canary]") && said.contains("was ACCEPTED"), "{said}");
    let server = world.path("root/acme/payments.git");
    world.git_in(&server, &["config", "hook.countersign.enabled", "false"]);
    assert!(run("2.54.0", &doctor).1.contains("[disabled]"));
    world.git_in(&server, &["config", "--unset", "hook.countersign.enabled"]);
    world.git_in(&server, &["config", "hook.countersign.command", "true"]);
    assert!(run("2.54.0", &doctor).1.contains("[disabled]"));
    world.git_in(&server, &["config", "--remove-section", "hook.countersign"]);
    // What git 2.54 would run, in the repository's directory.
    let hook = format!("#!/bin/sh\n{}\n", get("hook.countersign.command"));
    world.write_executable(&world.path("root/acme/payments.git/hooks/pre-receive"), &hook);
    world.commit("a", "1", MARKED);
    push_to(&world, "acme/payments.git", "refs/heads/main").refused("unsealed-agent-commit");
    world.seal_head(CLAUDE);
    push_to(&world, "acme/payments.git", "refs/heads/main").accepted();
    // The hooks of a repository's own are another layout's, and stay.
    std::fs::remove_file(world.path("root/acme/payments.git/hooks/pre-receive")).unwrap();
    let own = ["install", "--server", server.to_str().unwrap(), "--policy", &policy, "--repository", "acme/payments"];
    assert!(world.countersign(&own).status.success());
    let (ok, said) = run("2.54.0", &["uninstall", "--server", &root, "--layout", "config"]);
    assert!(server.join("hooks/pre-receive").exists());
    assert!(ok && !std::fs::read_to_string(&system).unwrap().contains("countersign"), "{said}");
}
