//! Writes the record of FORMAT.md's worked example with our code, and checks it with coreutils and ssh-keygen.

use super::tests::{freeze, record};
use crate::core::worked_example::{fenced, run};

const FORMAT: &str = include_str!("FORMAT.md");

#[test]
fn stock_tools_and_our_writer_agree_on_the_worked_example() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(record(&freeze()) + "\n", fenced(FORMAT, "json"));
    let script = format!("cat > record <<'END'\n{}END\n{}", fenced(FORMAT, "json"), fenced(FORMAT, "sh"));
    assert_eq!(run(&script, folder.path()), fenced(FORMAT, "text"));
}
