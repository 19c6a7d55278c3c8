//! Ways around a rule on sensitive paths.

use crate::world::{BOB, World};

const PIPELINES: &str = r#"
[paths]
pipeline = [".github/**", "Jenkinsfile"]

[[rule]]
name = "pipelines"
refs = ["refs/heads/**"]
paths = ["pipeline"]
identity = "everyone"
agents = []
"#;

/// A world whose main has a pipeline that Bob signed, under unsigned work of others.
fn with_pipeline() -> World {
    let world = World::new(PIPELINES);
    world.commit(".github/ci.yml", "checks: all\n", "Add CI\n");
    world.sign_head(BOB);
    world.commit("src/ci.yml", "checks: none\n", "Plain\n");
    world.push_main().accepted();
    world
}

impl World {
    /// Runs git in the clone and commits the outcome, unsigned.
    fn then_commit(&self, arguments: &[&str]) {
        self.git(arguments);
        self.git(&["commit", "-q", "-m", "Tidy up"]);
    }

    /// A merge of `parents` with the tree of `tree`, as HEAD.
    fn merge_with(&self, tree: &str, parents: &[&str]) -> String {
        let tree = self.git(&["rev-parse", &format!("{tree}^{{tree}}")]);
        let mut arguments = vec!["commit-tree", "-m", "Merge", &tree];
        arguments.extend(parents.iter().flat_map(|parent| ["-p", parent]));
        let merge = self.git(&arguments);
        self.git(&["reset", "-q", "--hard", &merge]);
        merge
    }
}

/// Commits something to the clone's HEAD.
type Attack<'a> = &'a dyn Fn(&World);

#[test]
fn no_kind_of_change_slips_past_the_paths() {
    let attacks: [(&str, Attack<'_>); 12] = [
        ("plain", &|world| drop(world.commit(".github/ci.yml", "checks: none\n", "Tidy up\n"))),
        ("new file", &|world| drop(world.commit(".github/workflows/x.yml", "x", "Tidy up\n"))),
        ("rename into", &|world| world.then_commit(&["mv", "-f", "src/ci.yml", ".github/ci.yml"])),
        ("rename out", &|world| world.then_commit(&["mv", ".github/ci.yml", "ci.yml"])),
        ("delete", &|world| world.then_commit(&["rm", "-q", ".github/ci.yml"])),
        ("mode", &|world| world.then_commit(&["update-index", "--chmod=+x", ".github/ci.yml"])),
        ("symlink at the file", &|world| {
            std::fs::remove_file(world.clone_dir().join(".github/ci.yml")).unwrap();
            std::os::unix::fs::symlink("../src/ci.yml", world.clone_dir().join(".github/ci.yml")).unwrap();
            world.then_commit(&["add", "--all"]);
        }),
        ("symlink at the directory", &|world| {
            std::fs::remove_dir_all(world.clone_dir().join(".github")).unwrap();
            std::os::unix::fs::symlink("src", world.clone_dir().join(".github")).unwrap();
            world.then_commit(&["add", "--all"]);
        }),
        ("submodule at the directory", &|world| {
            world.git(&["rm", "-q", "-r", ".github"]);
            let module = format!("160000,{},.github", "a".repeat(40));
            world.then_commit(&["update-index", "--add", "--cacheinfo", &module]);
        }),
        ("case of the directory", &|world| drop(world.commit(".GitHub/ci.yml", "checks: none\n", "Tidy up\n"))),
        ("case of the file", &|world| drop(world.commit("JENKINSFILE", "x", "Tidy up\n"))),
        ("commit and revert", &|world| {
            world.commit(".github/ci.yml", "checks: none\n", "Tidy up\n");
            world.git(&["revert", "--no-edit", "HEAD"]);
        }),
    ];
    let world = with_pipeline();
    for (name, attack) in attacks {
        attack(&world);
        let pushed = world.push_main();
        assert!(!pushed.ok, "{name}: {}", pushed.said);
        assert!(pushed.said.contains("[unsigned-commit]"), "{name}: {}", pushed.said);
        world.back_to_main();
    }
    // What Bob signs passes, and what only looks like the paths.
    world.then_commit(&["mv", "-f", "src/ci.yml", ".github/ci.yml"]);
    world.sign_head(BOB);
    world.push_main().accepted();
    world.commit("docs/.github/ci.yml", "x", "Not at the top\n");
    world.commit(".githubx/ci.yml", "x", "Not the directory\n");
    world.commit("Jenkinsfile.md", "x", "Not the file\n");
    world.push_main().accepted();
}

#[test]
fn a_merge_brings_nothing_to_the_paths_unseen() {
    let world = with_pipeline();
    let base = world.git(&["rev-parse", "HEAD"]);
    world.commit("side", "1", "Side\n");
    let side = world.git(&["rev-parse", "HEAD"]);
    world.git(&["reset", "-q", "--hard", &base]);
    world.commit(".github/ci.yml", "checks: more\n", "Fix CI\n");
    world.sign_head(BOB);
    world.push_main().accepted();
    let fixed = world.git(&["rev-parse", "HEAD"]);

    world.git(&["merge", "-q", "--no-commit", &side]);
    world.commit(".github/ci.yml", "checks: none\n", "Merge\n");
    let evil = world.git(&["rev-parse", "HEAD"]);
    assert_eq!(world.git(&["rev-list", "--parents", "-n1", &evil]).split(' ').count(), 3);
    world.push_main().refused("unsigned-commit");

    // The old version is that of a parent, so the merge adds nothing of its own; main loses the fix all the same.
    world.merge_with(&side, &[&fixed, &side]);
    world.push_main().refused("unsigned-commit");
    // Foxtrot: the first parent is the side, and against it nothing changes.
    world.merge_with(&side, &[&side, &fixed]);
    world.push_main().refused("unsigned-commit");
    // Hidden one merge deeper, main's side second again.
    let inner = world.merge_with(&side, &[&side, &fixed]);
    world.merge_with(&side, &[&side, &inner]);
    world.push_main().refused("unsigned-commit");
    // And with the fix brought back on top.
    world.merge_with(&fixed, &[&inner]);
    world.push_main().refused("unsigned-commit");

    // A merge that keeps main's version, whichever parent comes first.
    world.git(&["reset", "-q", "--hard", &side]);
    world.git(&["merge", "-q", "-m", "Merge", &fixed]);
    world.push_main().accepted();
}

#[test]
fn merging_main_into_a_branch_does_not_touch_the_paths() {
    let world = with_pipeline();
    let base = world.git(&["rev-parse", "HEAD"]);
    world.commit(".github/ci.yml", "checks: more\n", "Fix CI\n");
    world.sign_head(BOB);
    world.push_main().accepted();
    world.git(&["checkout", "-q", "-b", "topic", &base]);
    world.commit("topic", "1", "Topic\n");
    world.push(&["topic"]).accepted();
    world.git(&["merge", "-q", "-m", "Merge main", "origin/main"]);
    world.push(&["topic"]).accepted();
    // An older version than main's is not main's.
    world.git(&["checkout", "-q", &base, "--", ".github"]);
    world.git(&["commit", "-q", "-m", "Restore"]);
    world.push(&["topic"]).refused("unsigned-commit");
}

impl World {
    /// A commit on main that adds a file at a path which git would not add here. Returns its id.
    fn add_at(&self, path: &str) -> String {
        let blob = self.git_with(&["hash-object", "-w", "--stdin"], b"evil\n");
        let entry = format!("100644,{blob},{path}");
        let unprotected = ["-c", "core.protectNTFS=false", "-c", "core.protectHFS=false"];
        let index = self.path("index");
        let run = |arguments: &[&str]| {
            let mut command = self.command("git", &self.clone_dir());
            command.env("GIT_INDEX_FILE", &index).args(unprotected).args(arguments);
            let output = self.run(command, None);
            assert!(output.status.success(), "{path:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
        };
        run(&["read-tree", "origin/main"]);
        run(&["update-index", "--add", "--cacheinfo", &entry]);
        let tree = run(&["write-tree"]);
        run(&["commit-tree", "-m", "Tidy up", "-p", "origin/main", &tree])
    }
}

/// On Windows or macOS each of these is checked out over the pipeline, or read as it.
#[test]
fn no_name_that_a_file_system_takes_for_another_slips_past_the_paths() {
    let world =
        World::new(&PIPELINES.replace("\"Jenkinsfile\"", "\"Jenkinsfile\", \"donn\u{e9}es/**\", \"**/release.yaml\""));
    world.commit(".github/ci.yml", "checks: all\n", "Add CI\n");
    world.sign_head(BOB);
    world.push_main().accepted();
    for path in [
        "jenkinsFILE",
        "Jenkinsfile.",
        "Jenkinsfile ",
        "Jenkinsfile. . ",
        "Jenkinsfile::$DATA",
        "Jenkinsfile.:x",
        "JENKIN~1",
        "je0f3a~2",
        "JENKIN~1.",
        ".github./workflows/ci.yml",
        ".github\\workflows\\ci.yml",
        ".GitHub\\ci.yml",
        "GITHUB~1/ci.yml",
        ".github.",
        "GITHUB~1",
        ".github:$I30:$INDEX_ALLOCATION/ci.yml",
        "Jenkins\u{200c}file",
        "\u{feff}.github/ci.yml",
        "Jenkin\u{17f}file",
        "Jen\u{212a}insfile",
        "donne\u{301}es/x",
        "DONN\u{c9}ES/x",
        "a/b/RELEAS~1.YAM",
        "a\\release.yaml",
    ] {
        let pushed = world.push(&[&format!("{}:refs/heads/x", world.add_at(path))]);
        assert!(!pushed.ok && pushed.said.contains("[unsigned-commit]"), "{path:?}: {}", pushed.said);
    }
    // What none of them takes for it passes.
    for (number, path) in [
        "\u{ff2a}enkinsfile",
        "Jenkinsfile.md",
        "Jenkinsfile-2",
        "KENKIN~1",
        "JENKIN~1.TXT",
        "docs/Jenkinsfile.",
        "github/ci.yml",
        ".github.d/ci.yml",
        "donnees/x",
        "src\\main.rs",
        "notes: 1.txt",
        "release.yaml.bak",
        "a~1",
    ]
    .into_iter()
    .enumerate()
    {
        world.push(&[&format!("{}:refs/heads/y{number}", world.add_at(path))]).accepted();
    }
}
