//! `countersign completions` and `countersign man`: what shells complete and what man(1) shows, made from the commands themselves.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use crate::system::{Exit, Failure, Result, disk, print};

#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Args)]
pub(super) struct Man {
    /// Where to write the pages; it is made where it is not there
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// The program without what nobody types.
fn typed(program: &clap::Command) -> clap::Command {
    let commands = program.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let about = program.get_about().cloned().unwrap_or_default();
    clap::Command::new("countersign").version(env!("CARGO_PKG_VERSION")).about(about).subcommands(commands)
}

pub(super) fn completions(arguments: &Completions, program: &clap::Command) -> Result {
    let (mut program, mut script) = (typed(program), Vec::new());
    let name = program.get_name().to_owned();
    clap_complete::generate(arguments.shell, &mut program, name, &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Accepted)
}

pub(super) fn man(arguments: &Man, program: &clap::Command) -> Result {
    let directory = &arguments.directory;
    let failed = |error: std::io::Error| Failure::new(format!("cannot write to {}: {error}", directory.display()));
    disk::create_dir_all(directory).map_err(failed)?;
    clap_mangen::generate_to(typed(program), directory).map_err(failed)?;
    print(&format!(
        "wrote the pages to {}\nread one by:\nman -l {}\n",
        directory.display(),
        directory.join("countersign.1").display()
    ))?;
    Ok(Exit::Accepted)
}
