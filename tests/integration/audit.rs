//! The audit as an admin runs it: the inventory, the report, the evidence, and what another policy would have said.

use std::path::Path;
use std::process::Command;

use crate::approvals::ProtectedServer;
use crate::world::{AGENTS_EVERYWHERE, CLAUDE, World};

const MARKED: &str = "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n";

/// Runs the program in the clone; what it printed, and its exit code.
fn run(world: &World, words: &[&str]) -> (String, Option<i32>) {
    let output = world.countersign(words);
    (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), output.status.code())
}

#[track_caller]
fn done(world: &World, words: &[&str]) -> String {
    let (said, code) = run(world, words);
    assert_eq!(code, Some(0), "{said}");
    said
}

fn server(world: &World) -> String {
    world.server().display().to_string()
}

/// A world whose server was protected with the one command.
fn installed(rules: &str, more: &[&str]) -> World {
    let world = World::new(rules);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(more);
    world
}

/// A refused push of an agent's work, and the same sealed.
fn refused_then_sealed(world: &World) {
    world.commit("a", "1", MARKED);
    world.push(&["HEAD:refs/heads/main"]).refused("unsealed-agent-commit");
    world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/heads/main"]).accepted();
}

/// Work of an agent that bob approved and that landed on main.
fn landed() -> ProtectedServer {
    let setup = ProtectedServer::at_work();
    setup.push(&["work:refs/heads/retry"]).accepted();
    setup.push_main("work").refused("approval-missing");
    setup.approve("work");
    setup.push_main("work").accepted();
    setup
}

#[test]
fn the_inventory_says_who_may_what_and_did_what() {
    let setup = landed();
    let said = done(&setup, &["agent", "list", "--server", &server(&setup)]);
    let line =
        |id: &str| said.lines().find(|line| line.starts_with(id)).unwrap_or_else(|| panic!("{id}: {said}")).to_owned();
    let (claude, codex, forge) = (line("claude-code"), line("codex"), line("forge"));
    assert!(claude.contains("refs/heads/main(1 approvals)") && claude.contains("  4  "), "{claude}");
    assert!(codex.contains("never used") && codex.contains("bob"), "{codex}");
    assert!(forge.contains("service"), "{forge}");
    // What stands out comes first.
    assert!(said.find("codex").unwrap() < said.find("claude-code").unwrap(), "{said}");
    let json: serde_json::Value =
        serde_json::from_str(&done(&setup, &["agent", "list", "--server", &server(&setup), "--format", "json"]))
            .unwrap();
    let agents = json["agents"].as_array().unwrap();
    let claude = agents.iter().find(|one| one["id"] == "claude-code").unwrap();
    assert_eq!((&claude["commits"], &claude["refused"]), (&4.into(), &1.into()));
    assert_eq!(claude["may"].as_array().unwrap().len(), 2);
    let csv = done(&setup, &["agent", "list", "--server", &server(&setup), "--format", "csv"]);
    assert!(csv.starts_with("id,kind,owner,") && csv.lines().count() == 4, "{csv}");
    let life = done(&setup, &["agent", "show", "claude-code", "--server", &server(&setup)]);
    for part in [
        "refs/heads/main: its work lands with 1 approval of maintainers",
        "acme/payments refs/heads/main: 2 commits landed, approved by bob",
        "findings approval-missing (error)",
    ] {
        assert!(life.contains(part), "{part}: {life}");
    }
    let (said, code) = run(&setup, &["agent", "show", "nobody", "--server", &server(&setup)]);
    assert!(code == Some(2) && said.contains("countersign agent list"), "{said}");
    // An agent that left the policy is still in the record.
    let policy = std::fs::read_to_string(setup.policy_path()).unwrap();
    let (before, rest) = policy.split_once("[agents.claude-code]").unwrap();
    setup.set_policy(&format!("{before}{}", rest.split_once("\n\n").unwrap().1));
    assert!(
        done(&setup, &["agent", "list", "--server", &server(&setup)]).contains("no policy in force knows it any more")
    );
}

#[test]
fn evidence_differs_by_what_held() {
    let enforcing = installed(AGENTS_EVERYWHERE, &[]);
    refused_then_sealed(&enforcing);
    let observing = installed(AGENTS_EVERYWHERE, &["--observe"]);
    observing.commit("a", "1", MARKED);
    observing.push(&["HEAD:refs/heads/main"]).accepted();
    let interrupted = installed(AGENTS_EVERYWHERE, &[]);
    refused_then_sealed(&interrupted);
    let old = interrupted.commit("b", "1", "By hand\n");
    interrupted.git(&["push", "-q", &server(&interrupted), &format!("{old}:refs/heads/other")]);
    interrupted.git_in(&interrupted.server(), &["update-ref", "refs/heads/main", &old]);
    interrupted.commit("c", "1", "By hand\n");
    interrupted.push(&["HEAD:refs/heads/third"]).accepted();
    let evidence = |world: &World, framework: &str, more: &[&str]| {
        let words = ["log", "evidence", "--server", &server(world), "--framework", framework];
        done(world, &[&words, more].concat())
    };
    let json = |world: &World| -> serde_json::Value {
        serde_json::from_str(&evidence(world, "owasp-asi", &["--format", "json"])).unwrap()
    };
    let (sound, blind, broken) = (json(&enforcing), json(&observing), json(&interrupted));
    let control = |json: &serde_json::Value| {
        json["controls"].as_array().unwrap().iter().find(|one| one["id"] == "ASI03").unwrap().clone()
    };
    assert_eq!((&sound["unbroken"], &control(&sound)["claim"]), (&true.into(), &"enforces".into()), "{sound}");
    assert_eq!((&blind["unbroken"], &control(&blind)["claim"]), (&false.into(), &"evidences".into()), "{blind}");
    assert_eq!((&broken["unbroken"], &broken["gaps"]["out_of_band"]), (&false.into(), &1.into()), "{broken}");
    assert_eq!(control(&sound)["alias"], "A2");
    assert_eq!(control(&sound)["refused"], 1);
    assert_eq!((&control(&blind)["refused"], &control(&blind)["let_through"]), (&0.into(), &1.into()));
    for framework in ["owasp-asi", "maestro", "nist-ai-rmf", "csf-2.0", "ssdf", "slsa-source"] {
        let text = evidence(&enforcing, framework, &[]);
        assert!(text.contains("That no AI was used where none was declared") && text.contains("cannot say"), "{text}");
        let page = evidence(&enforcing, framework, &["--format", "html"]);
        assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("<script"), "{page}");
    }
    assert!(evidence(&interrupted, "slsa-source", &[]).contains("source level 1"));
}

/// Two persons behind each change, and no agent counted: else level 3 at most.
#[test]
fn the_highest_level_takes_two_persons() {
    let setup = landed();
    let levels = |more: &[&str]| {
        let words = ["log", "evidence", "--server", &server(&setup), "--framework", "slsa-source"];
        done(&setup, &[&words, more].concat())
    };
    let text = levels(&[]);
    assert!(text.contains("refs/heads/main: source level 3") && text.contains("behind 0 of"), "{text}");
    let lines = levels(&["--attest", "main"]);
    let statements: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(statements.len(), 2);
    let tip = setup.git(&["rev-parse", "work"]);
    assert!(statements.iter().all(|one| one["subject"][0]["digest"]["gitCommit"] == tip.as_str()));
    assert_eq!(statements[1]["predicate"]["verifiedLevels"], serde_json::json!(["SLSA_SOURCE_LEVEL_3"]));
    assert_eq!(statements[0]["predicate"]["approvers"], serde_json::json!(["bob"]));
}

/// Accepted pushes are decided again as everything stood before them: alike by the policy in force, and as another would have said.
#[test]
fn pushes_are_decided_again() {
    let setup = landed();
    let server = server(&setup);
    let said = done(&setup, &["log", "replay", "--server", &server]);
    assert!(said.contains("3 of 3 accepted pushes judged again (100%): 3 alike, 0 not"), "{said}");
    assert!(said.contains("1 not judged: it was refused"), "{said}");
    let policy = std::fs::read_to_string(setup.policy_path()).unwrap();
    let strict = setup.path("strict.toml").display().to_string();
    std::fs::write(&strict, policy.replace("from = [\"maintainers\"]", "from = [\"maintainers\"]\ncount = 2")).unwrap();
    let (said, code) = run(&setup, &["log", "replay", "--server", &server, "--policy", &strict]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("refs/heads/main: accepted then, refused now: 2 approval-missing"), "{said}");
    // One entry alone; and before a policy is changed.
    let line = said.lines().next().unwrap();
    let entry = line.strip_prefix('#').unwrap().split(' ').next().unwrap();
    assert!(done(&setup, &["log", "replay", entry, "--server", &server]).contains("1 of 1 accepted pushes"));
    assert_eq!(
        run(&setup, &["log", "replay", entry, "--server", &server, "--policy", &strict, "--format", "json"]).1,
        Some(1)
    );
    assert_eq!(run(&setup, &["log", "replay", "0", "--server", &server]).1, Some(2));
    let old = setup.policy_path().display().to_string();
    let said = done(&setup, &["policy", "diff", &old, &strict, "--replay", "30d", "--server", &server]);
    assert!(said.contains("0 weaker, 1 stricter") && said.contains("2 alike, 1 not"), "{said}");
    // What has gone cannot be judged, and is counted.
    setup.git_in(&setup.server(), &["update-ref", "-d", "refs/heads/retry"]);
    setup.git_in(&setup.server(), &["update-ref", "refs/heads/main", "main~2"]);
    setup.git_in(&setup.server(), &["-c", "gc.reflogExpire=now", "-c", "gc.pruneExpire=now", "gc", "-q"]);
    let said = done(&setup, &["log", "replay", "--server", &server]);
    assert!(said.contains("not judged: its objects are gone"), "{said}");
}

#[test]
fn a_commit_has_its_whole_chain_on_one_screen() {
    let setup = landed();
    let tip = setup.git(&["rev-parse", "work"]);
    let show = |more: &[&str]| done(&setup, &[&["show", "--server", &server(&setup), &tip], more].concat());
    let said = show(&[]);
    for part in [
        "sealed    by claude-code as author: holds",
        "decided   ",
        "work of claude-code",
        "landed    ",
        "approved  by bob for refs/heads/main on",
        ", landed",
        "stands on refs/heads/main, refs/heads/retry",
        "since     nothing stands against it",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let json: serde_json::Value = serde_json::from_str(&show(&["--format", "json"])).unwrap();
    let steps: Vec<&str> = json["steps"].as_array().unwrap().iter().map(|one| one["step"].as_str().unwrap()).collect();
    assert!(
        ["commit", "sealed", "decided", "landed", "approved", "stands", "since"]
            .iter()
            .all(|step| steps.contains(step)),
        "{steps:?}"
    );
    // A key that was compromised, and a ref that went back past the gate.
    let policy = std::fs::read_to_string(setup.policy_path()).unwrap();
    let print = crate::world::BOB.key().public().fingerprint().to_string();
    setup.set_policy(&format!("{policy}\n[revoked]\nkeys = [\"{print}\"]\n"));
    setup.git_in(&setup.server(), &["update-ref", "refs/heads/main", "main~2"]);
    setup.git(&["checkout", "-q", "-B", "next", "work~2"]);
    setup.commit("x", "1", "By hand\n");
    setup.push(&["next:refs/heads/next"]).accepted();
    let said = show(&[]);
    for part in [
        "a key that is revoked or retired",
        "refs/heads/main does not have it any more",
        "refs/heads/main moved with no decision",
        "the policy in force answers otherwise",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Where Debian's chromium is; none is an error in CI.
#[expect(clippy::print_stderr, reason = "what is skipped is said")]
fn browser() -> Option<&'static str> {
    let found =
        ["chromium", "chromium-browser"].into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "chromium is missing, and this is CI");
        eprintln!("skipped: chromium is missing");
    }
    found
}

/// What a browser makes of a page: its standard output, and what pages said on the console.
fn browse(world: &World, browser: &str, words: &[&str], page: &Path) -> (String, Vec<String>) {
    let mut command = world.command(browser, &world.path(""));
    command.args([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--disable-dev-shm-usage",
    ]);
    command.arg(format!("--user-data-dir={}", world.path("profile").display())).args(words);
    command.arg(format!("file://{}", page.display()));
    let output = world.run(command, None);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let console = said.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect();
    (String::from_utf8_lossy(&output.stdout).into_owned(), console)
}

/// A real browser shows the page at two widths, with nothing cut off, nothing wrong, and nothing that a name smuggled in.
#[test]
fn a_browser_shows_the_report() {
    let Some(browser) = browser() else { return };
    let setup = landed();
    for name in [
        "refs/heads/<img-src=x-onerror=alert(1)>",
        "refs/heads/a\u{202e}b&amp;\"'",
        &format!("refs/heads/{}", "long".repeat(40)),
    ] {
        setup.push(&[&format!("work:{name}")]).accepted();
        setup.git_in(&setup.server(), &["update-ref", name, "main~1"]);
    }
    setup.push(&["work:refs/heads/last"]).accepted();
    let page = setup.path("report.html");
    let tables = setup.path("tables");
    let words = ["log", "report", "--server", &server(&setup), "--since", "90d", "--html", page.to_str().unwrap()];
    done(&setup, &[&words[..], &["--csv", tables.to_str().unwrap()]].concat());
    let text = std::fs::read_to_string(&page).unwrap();
    for part in [
        "Past the gate",
        "&lt;img-src=x-onerror=alert(1)&gt;",
        "a\\u{202e}b&amp;amp;",
        "approval-missing",
        "landed as it was",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(std::fs::read_to_string(tables.join("approvals.csv")).unwrap().contains("bob,1,0,"));
    let (_, console) = browse(&setup, browser, &["--dump-dom"], &page);
    assert_eq!(console, Vec::<String>::new());
    // The same page measures itself in a frame of either width; its own policy lets no script run.
    let (before, after) = text.split_once("<meta http-equiv").unwrap();
    let (_, after) = after.split_once(">\n").unwrap();
    let measure = r#"<script>addEventListener("load", () => { const e = document.documentElement;
        const drawn = [...document.querySelectorAll("svg")].map(s => s.getBoundingClientRect().height > 10 && [...s.querySelectorAll("rect")].some(r => r.getBoundingClientRect().width > 0));
        const out = [...document.querySelectorAll("td,p,h2,svg")].filter(n => n.getBoundingClientRect().right > e.clientWidth + 1).length;
        const unnamed = [...document.querySelectorAll("svg")].filter(s => !s.getAttribute("aria-labelledby").split(" ").every(i => document.getElementById(i).textContent)).length;
        parent.postMessage([innerWidth, e.scrollWidth <= e.clientWidth, out, drawn.length, drawn.every(x => x), unnamed, document.images.length].join(" "), "*"); });</script>"#;
    std::fs::write(
        setup.path("measured.html"),
        format!("{before}{}", after.replacen("</head>", &format!("{measure}</head>"), 1)),
    )
    .unwrap();
    for width in [360, 1200] {
        let frame = format!(
            "<body><script>addEventListener('message', m => document.body.textContent = 'measured: ' + m.data)</script>\
             <iframe src=measured.html style='width:{width}px;height:900px;border:0'></iframe>"
        );
        std::fs::write(setup.path("frame.html"), frame).unwrap();
        let words = ["--dump-dom", "--virtual-time-budget=5000", "--window-size=1400,1000"];
        let (dom, console) = browse(&setup, browser, &words, &setup.path("frame.html"));
        assert!(dom.contains(&format!("measured: {width} true 0 5 true 0 0")), "{dom} {console:?}");
    }
}
