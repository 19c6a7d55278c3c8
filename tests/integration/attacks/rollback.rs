//! Ways back to an old version of something guarded, and ways past the rule that guards it: through a branch at an old commit, a side
//! merge, what cannot be read, a symbolic name. Each with the same push done openly, and a harmless one.

use crate::attacks::raw_entry;
use crate::world::{ALICE, BOB, CLAUDE, FORGE, Pushed, World, registry};

/// Rules about the pipeline, each with the code by which it refuses an agent's own hand on it.
const GUARDS: [(&str, &str); 3] = [
    ("refs = [\"refs/heads/**\"]\nidentity = \"everyone\"\nagents = []\n", "path-denied"),
    (
        "refs = [\"refs/heads/**\"]\nidentity = \"everyone\"\n[rule.approvals]\nfor = \"everyone\"\ncount = 2\nfrom = [\"maintainers\"]\n",
        "approval-missing",
    ),
    ("refs = [\"refs/heads/main\", \"refs/heads/release/*\"]\nidentity = \"everyone\"\nagents = []\n", "path-denied"),
];

/// What the rule beside it asks.
const AGENTS: &str = "identity = \"agents\"";

/// A rule on all branches, and one of those above about the pipeline.
fn guarded(beside: &str, guard: &str) -> String {
    format!(
        "{}\n[groups]\nmaintainers = [\"alice\", \"bob\"]\n[paths]\npipeline = [\"Jenkinsfile\"]\n\
         [[rule]]\nname = \"all\"\nrefs = [\"refs/heads/**\"]\n{beside}\n\
         [[rule]]\nname = \"pipelines\"\npaths = [\"pipeline\"]\n{guard}",
        registry()
    )
}

/// A server whose main had no pipeline once, then a vulnerable one, and now one that Bob repaired.
struct PipelineServer {
    world: World,
    bare: String,
    vulnerable: String,
    repaired: String,
}

impl std::ops::Deref for PipelineServer {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl PipelineServer {
    fn new(policy: &str) -> Self {
        let world = World::with(policy, "sha1");
        let by_bob = |content: &str, message: &str| {
            world.commit("Jenkinsfile", content, message);
            world.sign_head(BOB)
        };
        world.commit("readme", "1\n", "Begin\n");
        let bare = world.sign_head(ALICE);
        let (vulnerable, repaired) = (by_bob("vulnerable\n", "Build\n"), by_bob("repaired\n", "Repair the build\n"));
        std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
        world.push_main().accepted();
        world.install(&["--baseline"]);
        Self { world, bare, vulnerable, repaired }
    }

    /// An agent's commit on `parent` with the pipeline of another commit.
    fn agent_takes(&self, parent: &str, pipeline: &str) -> String {
        self.git(&["reset", "-q", "--hard", parent]);
        let other = self.git(&["ls-tree", pipeline, "Jenkinsfile"]);
        match other.split_once('\t') {
            Some(_) => drop(self.git(&["checkout", "-q", pipeline, "--", "Jenkinsfile"])),
            None => drop(self.git(&["rm", "-q", "Jenkinsfile"])),
        }
        self.commit("notes", "1\n", "Tidy up\n");
        self.seal_head(CLAUDE)
    }

    fn to_main(&self, commit: &str) -> Pushed {
        self.push(&[&format!("{commit}:refs/heads/main")])
    }

    /// A commit with this tree, these parents and this message, signed or not.
    fn commit_tree(&self, tree: &str, parents: &[&str]) -> String {
        let tree = self.git(&["rev-parse", &format!("{tree}^{{tree}}")]);
        let parents = parents.iter().flat_map(|parent| ["-p", parent]);
        let made = self.git(&["commit-tree", "-m", "Merge", &tree].into_iter().chain(parents).collect::<Vec<_>>());
        self.git(&["reset", "-q", "--hard", &made]);
        made
    }
}

/// That it stands at the tip of some branch makes no old version free, whether somebody makes the branch for it or finds it there.
#[test]
fn a_branch_at_an_old_commit_frees_no_old_version() {
    for (guard, code) in GUARDS {
        let setup = PipelineServer::new(&guarded(AGENTS, guard));
        for (old, branch) in [(&setup.vulnerable, "refs/heads/release/1"), (&setup.bare, "refs/heads/release/0")] {
            let rolled_back = setup.agent_takes(&setup.repaired, old);
            setup.to_main(&rolled_back).refused(code);
            setup.push(&[&format!("{old}:{branch}")]).accepted();
            setup.to_main(&rolled_back).refused(code);
            // Nor in two steps that undo each other on the way, nor as the branch's own line merged.
            setup.git(&["checkout", "-q", "--detach", old]);
            setup.git(&["merge", "-q", "-s", "ours", "-m", "Merge", &setup.repaired]);
            let foxtrot = setup.seal_head(CLAUDE);
            setup.to_main(&foxtrot).refused(code);
        }
        // What leaves the pipeline alone lands, also where it merges a branch that is at the old commit.
        setup.git(&["checkout", "-q", "--detach", &setup.vulnerable]);
        setup.commit("side", "1\n", "Side\n");
        setup.seal_head(CLAUDE);
        setup.push(&["HEAD:refs/heads/release/2"]).accepted();
        setup.git(&["merge", "-q", "-m", "Merge", &setup.repaired]);
        setup.seal_head(CLAUDE);
        setup.push_main().accepted();
    }
}

/// A person may go back, where the rule asks for no more than one.
#[test]
fn a_person_may_go_back_openly() {
    let setup = PipelineServer::new(&guarded(AGENTS, GUARDS[0].0));
    setup.git(&["reset", "-q", "--hard", &setup.repaired]);
    setup.git(&["revert", "--no-edit", "HEAD"]);
    setup.push_main().refused("unsigned-commit");
    setup.sign_head(BOB);
    setup.push_main().accepted();
}

/// Against one of its parents the merge changes nothing, and against what it brings the service's merge adds nothing.
#[test]
fn a_side_merge_that_a_service_merges_hides_no_old_version() {
    for (guard, code) in GUARDS {
        let setup = PipelineServer::new(&guarded(AGENTS, guard));
        for parents in [[&setup.repaired, &setup.vulnerable], [&setup.vulnerable, &setup.repaired]] {
            setup.commit_tree(&setup.vulnerable, &parents.map(String::as_str));
            let side = setup.seal_head(CLAUDE);
            setup.to_main(&side).refused(code);
            setup.commit_tree(&setup.vulnerable, &[&setup.repaired, &side]);
            setup.sign_head(FORGE);
            setup.push_main().refused(code);
        }
        // Its twin leaves the repaired one, whichever way round.
        setup.git(&["checkout", "-q", "--detach", &setup.vulnerable]);
        setup.commit("side", "1\n", "Side\n");
        setup.seal_head(CLAUDE);
        setup.git(&["merge", "-q", "--no-ff", "-m", "Merge", &setup.repaired]);
        let merged = setup.seal_head(CLAUDE);
        setup.git(&["checkout", "-q", "--detach", &setup.repaired]);
        setup.git(&["merge", "-q", "--no-ff", "-m", "Merge", &merged]);
        setup.sign_head(FORGE);
        setup.push_main().accepted();
    }
}

/// Who cannot be read touches every path: no commit without a single reading, and no tree that git would not write, takes something
/// past a rule with paths, whatever other rules there are.
#[test]
fn what_cannot_be_read_takes_nothing_past_the_rule() {
    for beside in ["", "identity = \"everyone\"\nmode = \"observe\"", "force-push = \"deny\"", AGENTS] {
        for (guard, code) in GUARDS {
            let setup = PipelineServer::new(&guarded(beside, guard));
            setup.git(&["reset", "-q", "--hard", &setup.repaired]);
            setup.commit("Jenkinsfile", "evil\n", "Speed up\n");
            let (headers, message) = setup.head();
            setup.push_main().refused(if code == "path-denied" { "unsigned-commit" } else { code });
            let raw = format!("{headers}\ngpgsigx junk\n\n{message}");
            let malformed = setup.store("commit", raw.as_bytes());
            setup.to_main(&malformed).refused("malformed-commit");
            // A commit that leaves it as it is hides it no better.
            let on_top = setup.commit_tree(&malformed, &[&malformed]);
            setup.to_main(&on_top).refused("malformed-commit");
            // A mode that git does not write, elsewhere in the tree.
            let blob = setup.git_with(&["hash-object", "-w", "--stdin"], b"x\n");
            let below = setup.store("tree", &raw_entry("100664", b"x", &blob));
            let evil = setup.git(&["rev-parse", "HEAD:Jenkinsfile"]);
            let entries = [raw_entry("100644", b"Jenkinsfile", &evil), raw_entry("40000", b"docs", &below)];
            let tree = setup.store("tree", &entries.concat());
            let own = setup.git(&["rev-parse", "HEAD^{tree}"]);
            let raw = format!("{}\n\n{message}", headers.replace(&own, &tree));
            let malformed = setup.store("commit", raw.as_bytes());
            setup.to_main(&malformed).refused("malformed-tree");
            // What can be read and leaves the pipeline alone lands.
            setup.git(&["reset", "-q", "--hard", &setup.repaired]);
            setup.commit("docs/x", "x\n", "Document\n");
            setup.push_main().accepted();
        }
    }
}

/// The policy that a repository holds guards itself, and an older and weaker one does not come back by a branch.
#[test]
fn a_policy_in_the_repository_is_weakened_by_no_way_round() {
    let rules = |count: usize| {
        format!(
            "{}\n[groups]\nmaintainers = [\"alice\", \"bob\"]\n[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\n\
             force-push = \"deny\"\ndelete = \"deny\"\n[[rule]]\nname = \"policy\"\nrefs = [\"refs/heads/**\"]\n\
             paths = [\".countersign/**\"]\nidentity = \"everyone\"\n[rule.approvals]\nfor = \"everyone\"\ncount = {count}\n\
             from = [\"maintainers\"]\n",
            registry()
        )
    };
    let (weak, strong) = (rules(1), rules(2));
    let world = World::with(&strong, "sha1");
    let file = ".countersign/policy.toml";
    world.commit(file, &weak, "Begin\n");
    let old = world.sign_head(BOB);
    world.commit(file, &strong, "Ask for two\n");
    let now = world.sign_head(BOB);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.push_main().accepted();
    let server = world.server().display().to_string();
    let policy = format!("ref:refs/heads/main:{file}");
    let output = world.countersign(&["install", "--server", &server, "--policy", &policy, "--baseline"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    world.commit(file, &weak, "Tidy up\n");
    let (headers, message) = world.head();
    world.sign_head(BOB);
    world.push_main().refused("approval-missing");
    world.push(&[&format!("{old}:refs/heads/old")]).accepted();
    world.push_main().refused("approval-missing");
    let malformed = world.store("commit", format!("{headers}\ngpgsigx junk\n\n{message}").as_bytes());
    world.push(&[&format!("{malformed}:refs/heads/main")]).refused("malformed-commit");
    world.git(&["reset", "-q", "--hard", &malformed]);
    world.git(&["commit", "-q", "--allow-empty", "-m", "Nothing"]);
    world.push_main().refused("malformed-commit");
    world.git(&["reset", "-q", "--hard", &now]);
    world.commit("readme", "1\n", "Begin\n");
    world.push_main().accepted();
    assert!(world.git_in(&world.server(), &["show", &format!("main:{file}")]).contains("count = 2"));
}

/// A rule about main is about whatever main leads to, under each of its names.
#[test]
fn a_rule_on_a_symbolic_ref_governs_what_it_leads_to() {
    let rule = "\n[[rule]]\nname = \"protected\"\nrefs = [\"refs/heads/main\", \"refs/heads/release\"]\nidentity = \"everyone\"\n\
                force-push = \"deny\"\ndelete = \"deny\"\n";
    let world = World::new(rule);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.commit("file", "1\n", "Begin\n");
    world.sign_head(ALICE);
    world.push(&["HEAD:refs/heads/trunk"]).accepted();
    world.git_in(&world.server(), &["symbolic-ref", "refs/heads/main", "refs/heads/trunk"]);
    world.install(&["--baseline"]);
    world.commit("file", "2\n", crate::attacks::MARKED);
    for name in ["main", "trunk", "release"] {
        world.push(&[&format!("HEAD:refs/heads/{name}")]).refused("unsealed-agent-commit");
    }
    world.push(&["HEAD:refs/heads/other"]).accepted();
    world.push(&["HEAD:refs/heads/trunk"]).refused("unsealed-agent-commit");
    world.push(&[":refs/heads/trunk"]).refused("delete-denied");
    world.git(&["reset", "-q", "--hard", "HEAD~1"]);
    world.commit("file", "2\n", "Work\n");
    world.seal_head(CLAUDE);
    for name in ["main", "trunk", "release"] {
        world.push(&[&format!("HEAD:refs/heads/{name}")]).accepted();
    }
}

/// Whoever works on trees that an old tool wrote can change what stands beside and below it, and leaves nothing odd of their own.
#[test]
fn ordinary_work_goes_on_above_old_trees() {
    for mode in ["040000", "100664", "120777"] {
        let world = World::new(crate::world::AGENTS_EVERYWHERE);
        let blob = world.git_with(&["hash-object", "-w", "--stdin"], b"x\n");
        let below = world.store("tree", &raw_entry("100644", b"x", &blob));
        let old = if mode == "040000" { &below } else { &blob };
        let tree = world.store("tree", &[raw_entry("100644", b"a", &blob), raw_entry(mode, b"d", old)].concat());
        let root = world.git(&["commit-tree", "-m", "Written in 2009", &tree]);
        std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
        world.push(&[&format!("{root}:refs/heads/main")]).accepted();
        world.install(&["--baseline"]);
        // With git, which writes the directory anew; and by a tool that keeps what it does not change.
        world.git(&["reset", "-q", "--hard", &root]);
        world.commit("a", "changed\n", "By hand\n");
        world.push_main().accepted();
        let changed = world.git(&["rev-parse", "HEAD:a"]);
        let commit = |entries: &[Vec<u8>]| {
            let tree = world.store("tree", &entries.concat());
            world.git(&["commit-tree", "-m", "By a tool", "-p", &root, &tree])
        };
        let kept = commit(&[raw_entry("100644", b"a", &changed), raw_entry(mode, b"d", old)]);
        world.push(&[&format!("{kept}:refs/heads/kept")]).accepted();
        // The same mode on something else, or in another place, is nobody's but the pusher's.
        let other = if mode == "040000" { world.store("tree", &raw_entry("100644", b"x", &changed)) } else { changed };
        for (name, entries) in [
            ("changed", [raw_entry("100644", b"a", &blob), raw_entry(mode, b"d", &other)]),
            ("moved", [raw_entry("100644", b"a", &blob), raw_entry(mode, b"e", old)]),
        ] {
            let odd = commit(&entries);
            world.push(&[&format!("{odd}:refs/heads/{name}")]).refused("malformed-tree");
        }
    }
}
