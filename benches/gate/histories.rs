//! Real histories, and one that is made to look like them, beside git's own comparison of every commit with its parents.

use std::path::Path;

use crate::Row;
use crate::cost::in_turn;
use crate::lab::{HookRun, Lab, size};
use crate::timing::{ratio, show};

/// Commits of a repository that is there: `history PATH RANGE`.
pub fn of_repository(lab: &Lab, path: &str, range: &str) -> Vec<Row> {
    let path = std::fs::canonicalize(path).unwrap();
    rows(lab, &path, range, &format!("{range} of {}", path.file_name().unwrap_or_default().to_string_lossy()))
}

/// A root directory of 500 entries, paths six deep, a branch merged every few commits, packed with deltas.
pub fn shaped(lab: &Lab) -> Vec<Row> {
    let commits = size("COUNTERSIGN_BENCH_SHAPED", 4_000);
    let server = lab.path("shaped.git");
    lab.git(&lab.path(""), &["init", "-q", "--bare", "-b", "main", "shaped.git"]);
    let mut random = 1_u64;
    let mut below = move |limit: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % limit
    };
    let deep = |number: usize| {
        let part = |shift: u32, of: usize| ((number.wrapping_mul(2_654_435_761) >> shift) & 0xffff) % of;
        format!("d{}/e{}/f{}/g{}/h{}/file{}", part(3, 100), part(7, 6), part(11, 5), part(13, 4), part(17, 3), number)
    };
    lab.import(&server, &[], |input| {
        let second = |number: usize| 1_500_000_000 + number * 3_600;
        writeln!(input, "commit refs/heads/main\nmark :1\ncommitter A <a@acme.dev> {} +0000\ndata 4\nBase", second(0))
            .unwrap();
        for file in 0..400 {
            writeln!(input, "M 644 inline top{file:03}\ndata 2\n0").unwrap();
        }
        for file in 0..6_000 {
            writeln!(input, "M 644 inline {}\ndata 2\n0", deep(file)).unwrap();
        }
        let (mut main, mut side) = (1, None);
        for number in 2..=commits {
            let head = format!("mark :{number}\ncommitter A <a@acme.dev> {} +0000\ndata 5\nWork\n", second(number));
            match side {
                // What a branch brings is merged after some commits on both sides.
                Some(tip) if number % 8 == 0 => {
                    writeln!(input, "commit refs/heads/main\n{head}from :{main}\nmerge :{tip}").unwrap();
                    (main, side) = (number, None);
                }
                _ if number % 8 < 4 => {
                    writeln!(input, "commit refs/heads/side\n{head}from :{}", side.unwrap_or(main)).unwrap();
                    side = Some(number);
                }
                _ => {
                    writeln!(input, "commit refs/heads/main\n{head}from :{main}").unwrap();
                    main = number;
                }
            }
            for _ in 0..1 + below(4) {
                writeln!(
                    input,
                    "M 644 inline {}\ndata {}\n{number}\n",
                    deep(below(6_000)),
                    number.to_string().len() + 1
                )
                .unwrap();
            }
        }
    });
    lab.git(&server, &["repack", "-adfq"]);
    let first = lab.git(&server, &["rev-list", "--max-parents=0", "main"]);
    rows(lab, &server, &format!("{first}..main"), &format!("{commits} commits, 500 entries, 6 deep, repacked"))
}

fn rows(lab: &Lab, path: &Path, range: &str, what: &str) -> Vec<Row> {
    let (old, new) = range.split_once("..").expect("a range is OLD..NEW");
    let id = |name: &str| lab.git(path, &["rev-parse", &format!("{name}^{{commit}}")]);
    let (old, new) = (id(old), id(new));
    let project = lab.empty_project("history-of");
    let objects =
        Path::new(&lab.git(path, &["rev-parse", "--path-format=absolute", "--git-path", "objects"])).to_owned();
    std::fs::write(project.server().join("objects/info/alternates"), format!("{}\n", objects.display())).unwrap();
    lab.git(&project.server(), &["update-ref", "refs/heads/main", &old]);
    let run: HookRun = lab.ref_run(&project, &format!("{old} {new} refs/heads/main\n"));
    let list = lab.path("commits");
    std::fs::write(&list, lab.git(path, &["rev-list", &format!("{old}..{new}")]) + "\n").unwrap();
    let mut hook = lab.hook(&run, &[]);
    hook.args(["--deadline", "900"]).env("INPUT", &run.input);
    let mut tree = lab.command("git", path);
    tree.args(["diff-tree", "-r", "-m", "--stdin"]).env("INPUT", &list);
    let mut log = lab.command("git", path);
    log.args(["log", "--raw", "-m", "--no-renames", "--format=%H", &format!("{old}..{new}")]);
    let [ours, tree, log] = in_turn(lab, [&hook, &tree, &log]);
    std::fs::remove_dir_all(&project.directory).unwrap();
    let row = |peer, name: &str, target| Row {
        work: format!("CPU of the hook, {what}"),
        target,
        measured: format!("{:.2}x", ratio(ours, peer)),
        ours: show(ours),
        peer: format!("{} for {name}", show(peer)),
    };
    vec![
        row(tree, "git diff-tree -r -m --stdin", "at most 1.0x"),
        row(log, "git log --raw -m --no-renames", "none is set"),
    ]
}
