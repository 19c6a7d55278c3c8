//! GitHub Enterprise Server: an environment to upload, which is a file system with this program and the policy, and a script of one
//! line to put into a repository (its documentation, "Managing pre-receive hooks").

use std::path::Path;
use std::process::Stdio;

use super::{Kind, RunBy, Serves, in_hooks};
use crate::core::submitter::Adapter;
use crate::gate::command::{HookCommand, PreReceive};
use crate::gate::hook::engine_failure;
use crate::gate::policy_source::{PolicyArg, PolicyReader};
use crate::server::Install;
use crate::server::repository::{Repository, settled_file};
use crate::system::{Exit, Failure, Result, disk, env, files, print, process};

pub(super) static KIND: Kind = Kind {
    serves: Serves::Elsewhere(write),
    path: in_hooks,
    check: Repository::check_hooks_path,
    run_by: RunBy::Server,
};

/// Where the program lies in the environment.
const PROGRAM: &str = "usr/bin/countersign";

/// Writes `countersign-environment.tar.gz` and `pre-receive`.
fn write(arguments: &Install) -> Result {
    let out = arguments.out.as_deref().ok_or_else(|| {
        Failure::new("GitHub Enterprise Server takes its hooks by upload, so nothing is installed in place")
            .hint("say where to write the environment and the script: --out DIR")
    })?;
    let program = env::current_exe().and_then(disk::read).map_err(Failure::new)?;
    if !is_static(&program) {
        return Err(Failure::new("this program needs the system's libraries, and the environment has none")
            .hint("build it static:\nRUSTFLAGS='-C target-feature=+crt-static' cargo build --release --target x86_64-unknown-linux-gnu"));
    }
    let loaded = PolicyReader { repository: None }.load(&arguments.policies);
    let policy = loaded.map_err(|error| engine_failure(&error.into()))?.policy;
    if policy.spends_approvals() {
        return Err(Failure::new(
            "the policy asks for approvals, and there is no ledger in an environment of GitHub's",
        )
        .hint("ask for approvals with the server's own protected branches, and for identity here"));
    }
    crate::server::install::check_new(&policy, None)?;
    let staged = tempfile::tempdir().map_err(Failure::new)?;
    let place = |name: &str, bytes: &[u8], mode: u32| -> std::io::Result<()> {
        files::replace(&staged.path().join(name), bytes, mode)
    };
    place(PROGRAM, &program, 0o755).map_err(Failure::new)?;
    let mut policies = Vec::new();
    for (number, policy) in arguments.policies.iter().enumerate() {
        let PolicyArg::File(path) = policy else {
            return Err(Failure::new("the environment holds the policy's files: give a file"));
        };
        let inside = format!("etc/countersign/{number}.toml");
        place(&inside, &disk::read(settled_file(path)?).map_err(Failure::new)?, 0o644).map_err(Failure::new)?;
        policies.push(PolicyArg::File(Path::new("/").join(inside)));
    }
    let command = HookCommand::PreReceive(PreReceive {
        policies,
        repository: None,
        below: None,
        baseline: None,
        ledger: None,
        submitter: Some(Adapter::Ghes),
        deadline: arguments.deadline,
        observe: arguments.observe,
        chain: None,
    });
    let line = format!("#!/{PROGRAM} hook {}", command.unquoted());
    if line.len() > SHEBANG {
        return Err(Failure::new("too many policies: the script is one line of at most 255 bytes"));
    }
    if arguments.dry_run {
        print(&format!(
            "write {0}/countersign-environment.tar.gz\nwrite {0}/pre-receive\n    {line}\n",
            out.display()
        ))?;
        return Ok(Exit::Accepted);
    }
    disk::create_dir_all(out).map_err(Failure::new)?;
    let archive = out.join("countersign-environment.tar.gz");
    let packed = process::command("tar")
        .args(["--create", "--gzip", "--owner=0", "--group=0", "--sort=name", "--mtime=@0", "--file"])
        .arg(std::path::absolute(&archive).map_err(Failure::new)?)
        .args(["etc", "usr"])
        .current_dir(staged.path())
        .stdin(Stdio::null())
        .status()
        .map_err(|error| Failure::new(format!("cannot run tar: {error}")))?;
    if !packed.success() {
        return Err(Failure::new("tar could not write the environment"));
    }
    let script = out.join("pre-receive");
    files::replace(&script, format!("{line}\n").as_bytes(), 0o755).map_err(Failure::new)?;
    print(&format!("wrote {}\nwrote {}\n", archive.display(), script.display()))?;
    Ok(Exit::Accepted)
}

/// Bytes of a first line that Linux reads (execve(2)).
const SHEBANG: usize = 255;

/// Whether a program runs without the system's loader: its ELF program headers name no interpreter (elf(5)).
fn is_static(program: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let number = |offset: usize, bytes: usize| {
        let field = program.get(offset..offset.checked_add(bytes)?)?;
        Some(field.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte)))
    };
    let headers = || {
        let start = usize::try_from(number(32, 8)?).ok()?;
        let size = usize::try_from(number(54, 2)?).ok()?;
        let count = usize::try_from(number(56, 2)?).ok()?;
        (0..count).map(|index| number(start.checked_add(index.checked_mul(size)?)?, 4)).collect::<Option<Vec<u64>>>()
    };
    let is_elf64 = program.starts_with(b"\x7fELF\x02\x01");
    is_elf64 && headers().is_some_and(|kinds| !kinds.contains(&u64::from(PT_INTERP)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file of 64 bits with program headers of these kinds.
    fn elf(kinds: &[u32]) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[32] = 64;
        file[54] = 56;
        file[56] = u8::try_from(kinds.len()).unwrap();
        for kind in kinds {
            let mut header = vec![0; 56];
            header[..4].copy_from_slice(&kind.to_le_bytes());
            file.extend(header);
        }
        file
    }

    #[test]
    fn a_static_program_names_no_interpreter() {
        let (load, interpreter) = (1, 3);
        let cut = elf(&[load, load])[..100].to_vec();
        for (program, expected) in [
            (elf(&[load, load]), true),
            (elf(&[load, interpreter]), false),
            (cut, false),
            (b"#!/bin/sh\n".to_vec(), false),
            (Vec::new(), false),
        ] {
            assert_eq!(is_static(&program), expected, "{} bytes", program.len());
        }
    }
}
