//! The policy that `countersign init` writes.

use crate::core::id::RepositoryName;

/// Somebody whose signatures recent history shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The key, as far as it is known.
    pub key: ProposedKey,
    /// How many commits it signed.
    pub commits: usize,
    /// Whose it is: by what vouches for the key, or else by the commits, which prove nothing.
    pub name: String,
    /// The address of the same.
    pub email: String,
    /// Whether it signs as a forge does, for others.
    pub is_forge: bool,
}

/// A key of a signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProposedKey {
    /// An SSH key that somebody vouches for, as the line of its `.pub` file.
    Ssh(String),
    /// An OpenPGP certificate that is at hand.
    OpenPgp {
        /// Its fingerprint.
        fingerprint: String,
        /// Its armored text.
        text: String,
    },
    /// An SSH key that nothing but its signatures shows, by its fingerprint.
    UnknownSsh(String),
    /// An OpenPGP key whose certificate is not at hand, by its fingerprint or key id.
    UnknownOpenPgp(String),
}

/// A starter policy, and the files of certificates beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starter {
    /// The policy.
    pub text: String,
    /// Each file by its path from the policy.
    pub files: Vec<(String, String)>,
}

/// A policy that locks nobody out: what shows an AI agent's hand is sealed, main is neither forced nor deleted, and people go
/// on as before.
///
/// It names the repository that it is for, if it is for one only. Signers whose keys somebody vouches for are registered in it; the others
/// stand there as remarks.
pub fn starter(repository: Option<&RepositoryName>, proposals: &[Proposal]) -> Starter {
    let (signers, files) = signers(proposals);
    let named = repository.map_or_else(
        || "# It names no `repository`, so it serves many: each is called by its path, or as `countersign install` is told.".to_owned(),
        |name| format!("repository = \"{name}\""),
    );
    let text = format!(
        r#"# A countersign policy. `countersign policy check` names every mistake; `countersign explain main` says it in words.
version = 1
{named}

# Every agent has its own key and a person who answers for it. `countersign agent add ID --owner YOU` makes the key and
# prints the lines for here.
#
# [people.alice]
# name = "Alice Ng"
# emails = ["alice@example.org"]
# keys = ["ssh-ed25519 AAAA..."]
#
# [agents.claude-code]
# tool = "claude-code"
# owner = "alice"
# keys = ["ssh-ed25519 AAAA..."]
{signers}
# Whatever shows AI authorship is sealed by a registered agent. Begin with mode = "warn" to see before refusing.
[[rule]]
name = "branches"
refs = ["refs/heads/**"]
identity = "agents"

# main keeps its history.
[[rule]]
name = "main"
refs = ["refs/heads/main"]
force-push = "deny"
delete = "deny"
"#
    );
    Starter { text, files }
}

/// The tables of signers, and the files that they name.
fn signers(proposals: &[Proposal]) -> (String, Vec<(String, String)>) {
    if proposals.is_empty() {
        return (String::new(), Vec::new());
    }
    let mut people: Vec<(&str, bool, Vec<&Proposal>)> = Vec::new();
    for proposal in proposals {
        let same = |(email, forge, _): &&mut (&str, bool, Vec<&Proposal>)| {
            email.eq_ignore_ascii_case(&proposal.email) && *forge == proposal.is_forge
        };
        match people.iter_mut().find(same) {
            Some((_, _, keys)) => keys.push(proposal),
            None => people.push((&proposal.email, proposal.is_forge, vec![proposal])),
        }
    }
    let mut text = "\n# Who signed recent commits. Look at each before this comes into force: a key is proposed where GnuPG's keyring or\n\
                    # gpg.ssh.allowedSignersFile has it, for whom these name; what else is said of a signer, the commits say themselves.\n"
        .to_owned();
    let (mut files, mut ids): (Vec<(String, String)>, Vec<String>) = (Vec::new(), Vec::new());
    for (email, is_forge, keys) in people {
        let id = unused(&id_of(email, is_forge), &mut ids);
        text += &table(&id, is_forge, &keys, &mut files);
    }
    (text, files)
}

/// One signer. A forge stays a remark: somebody has to answer for it.
fn table(id: &str, is_forge: bool, keys: &[&Proposal], files: &mut Vec<(String, String)>) -> String {
    let Some(first) = keys.first() else { return String::new() };
    let (mut ssh, mut openpgp, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
    let commits = |count: usize| if count == 1 { "1 commit".to_owned() } else { format!("{count} commits") };
    for proposal in keys {
        let signed = commits(proposal.commits);
        match &proposal.key {
            ProposedKey::Ssh(line) => {
                ssh.push(quoted(line));
                remarks.push(format!("# {signed} signed with the SSH key above"));
            }
            ProposedKey::OpenPgp { fingerprint, text } => {
                let number = if openpgp.is_empty() { String::new() } else { format!("-{}", openpgp.len() + 1) };
                let path = format!("keys/{id}{number}.asc");
                openpgp.push(quoted(&path));
                files.push((path, text.clone()));
                remarks.push(format!("# {signed} signed with the OpenPGP key {fingerprint}"));
            }
            ProposedKey::UnknownSsh(fingerprint) => remarks.push(format!(
                "# {signed} signed with the SSH key {fingerprint}: ask whose it is, and for its .pub line"
            )),
            ProposedKey::UnknownOpenPgp(name) => remarks.push(format!(
                "# {signed} signed with the OpenPGP key {name}: gpg --armor --export-options export-minimal --export {name} > keys/{id}.asc"
            )),
        }
    }
    let is_known = !(ssh.is_empty() && openpgp.is_empty());
    let kind = if is_forge { "services" } else { "people" };
    let mut lines = vec![format!("[{kind}.{id}]")];
    if is_forge {
        lines.push("owner = \"...\"   # the person who answers for it".to_owned());
    } else {
        lines.push(format!("name = {}", quoted(&first.name)));
        lines.extend((first.email.contains('@')).then(|| format!("emails = [{}]", quoted(&first.email))));
    }
    lines.extend((!ssh.is_empty()).then(|| format!("keys = [{}]", ssh.join(", "))));
    lines.extend((!openpgp.is_empty()).then(|| format!("openpgp = [{}]", openpgp.join(", "))));
    let lead = if is_known && !is_forge { "" } else { "# " };
    let lines: Vec<String> = lines.into_iter().map(|line| format!("{lead}{line}")).chain(remarks).collect();
    format!("\n{}\n", lines.join("\n"))
}

/// A string of TOML. What it could not hold is left out.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().filter(|char| !char.is_control()).collect();
    format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
}

/// An id for who has an address: what stands before the `@`, and of a forge the name of its host.
fn id_of(email: &str, is_forge: bool) -> String {
    let (local, host) = email.split_once('@').unwrap_or((email, ""));
    let named = if is_forge && !host.is_empty() { host.split('.').next().unwrap_or_default() } else { local };
    let plain: String = named
        .to_lowercase()
        .chars()
        .filter(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || ['.', '_', '-'].contains(char))
        .take(40)
        .collect();
    let plain = plain.trim_start_matches(|char: char| !char.is_ascii_alphanumeric());
    if plain.is_empty() { (if is_forge { "forge" } else { "person" }).to_owned() } else { plain.to_owned() }
}

/// The id, with a number where another has it.
fn unused(id: &str, ids: &mut Vec<String>) -> String {
    let numbered = (2..).map(|number| format!("{id}-{number}"));
    let mut names = std::iter::once(id.to_owned()).chain(numbered);
    let free = names.find(|name| !ids.contains(name)).unwrap_or_default();
    ids.push(free.clone());
    free
}
