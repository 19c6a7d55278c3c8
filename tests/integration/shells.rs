//! What shells complete, and the manual pages.

use crate::world::{World, binary};

#[test]
fn bash_completes_commands_and_their_options() {
    let world = World::new("");
    let script = world.countersign(&["completions", "bash"]);
    assert!(script.status.success());
    std::fs::write(world.path("script"), &script.stdout).unwrap();
    let words = |line: &str, position: usize| {
        let asked = format!(
            ". {}; COMP_WORDS=({line}); COMP_CWORD={position}; _countersign countersign \"${{COMP_WORDS[{position}]}}\"; echo \"${{COMPREPLY[@]}}\"",
            world.path("script").display()
        );
        let mut bash = world.command("bash", &world.path(""));
        bash.args(["--norc", "-c", &asked]);
        let output = world.run(bash, None);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(words("countersign appr", 1).trim(), "approve");
    assert!(words("countersign doctor --", 2).contains("--server"));
    assert!(!words("countersign ''", 1).contains("hook"), "what git runs is nobody's command");
    for shell in ["elvish", "fish", "powershell", "zsh"] {
        let script = world.countersign(&["completions", shell]);
        assert!(script.status.success() && String::from_utf8_lossy(&script.stdout).contains("approve"), "{shell}");
    }
    assert_eq!(world.countersign(&["completions", "csh"]).status.code(), Some(2));
}

#[test]
fn there_is_a_page_for_each_command() {
    let world = World::new("");
    let pages = world.path("man");
    assert!(world.countersign(&["man", pages.to_str().unwrap()]).status.success());
    let help = world.run(world.command(binary().to_str().unwrap(), &world.path("")), None);
    let help = String::from_utf8([help.stdout, help.stderr].concat()).unwrap();
    let listed = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let begins = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let commands: Vec<&str> = listed.lines().filter(begins).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"approve"), "{help}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        let page = std::fs::read_to_string(pages.join(format!("countersign-{command}.1")));
        assert!(page.is_ok_and(|page| page.contains(".TH") && page.contains("NAME")), "{command}");
    }
    assert!(!pages.join("countersign-hook.1").exists());
    assert_eq!(world.countersign(&["man", "/dev/null/x"]).status.code(), Some(2));
}
