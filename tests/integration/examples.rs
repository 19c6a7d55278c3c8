//! Every example does what it says it does.

use std::path::{Path, PathBuf};

use crate::world::{World, binary};

#[test]
fn examples_print_what_they_say() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&examples).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.join("script.sh").exists());
    folders.sort();
    assert!(folders.len() >= 4);
    for folder in folders {
        let printed = run(&folder);
        let expected = folder.join("expected.txt");
        if std::env::var_os("UPDATE_EXAMPLES").is_some() {
            std::fs::write(&expected, &printed).unwrap();
        }
        assert_eq!(printed, std::fs::read_to_string(&expected).unwrap(), "{}", folder.display());
    }
}

fn run(folder: &Path) -> String {
    let world = World::new("");
    let directory = world.path("example");
    std::fs::create_dir(&directory).unwrap();
    let mut command = world.command("sh", &directory);
    let path = std::env::var_os("PATH").unwrap();
    let paths = std::iter::once(binary().parent().unwrap().to_owned()).chain(std::env::split_paths(&path));
    command.arg(folder.join("script.sh")).env("PATH", std::env::join_paths(paths).unwrap());
    for variable in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
        command.env_remove(variable);
    }
    let output = world.run(command, None);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", folder.display());
    masked(&String::from_utf8(output.stdout).unwrap())
}

/// Ids, times, fingerprints and paths differ from run to run; git pads what a server says with spaces.
fn masked(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("To ")) {
        let words: Vec<String> = line.trim_end().split(' ').map(mask_word).collect();
        lines.push(words.join(" "));
    }
    lines.join("\n") + "\n"
}

fn mask_word(word: &str) -> String {
    if let Some((before, id)) = word.split_once("review-") {
        return format!("{}review-{}", mask_word(before), mask_word(id));
    }
    if let Some((time, after)) = word.split_once('Z')
        && time.len() == 19
        && time.bytes().filter(u8::is_ascii_digit).count() == 14
    {
        return format!("<time>{after}");
    }
    let hex = word.chars().take_while(char::is_ascii_hexdigit).count();
    let base64 = |character: char| character.is_ascii_alphanumeric() || matches!(character, '+' | '/' | '=');
    // An id may have no digit among its first seven; no word of the examples is so long and of these letters alone.
    if hex >= 7 {
        format!("<id>{}", &word[hex..])
    } else if word.len() > 60 && word.chars().all(base64) {
        "<signature>".to_owned()
    } else if word.contains("server.git") {
        "<server>".to_owned()
    } else {
        word.to_owned()
    }
}
