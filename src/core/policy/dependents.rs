//! What of a policy hangs on one principal: the lines to look at before somebody leaves.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Location;
use super::reader::File;
use crate::core::ssh::PublicKey;

/// A line that hangs on somebody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependent {
    /// Where.
    pub at: Location,
    /// What it says there, as a path of keys.
    pub key: String,
    /// Who or what is named: the principal, one of its keys, an agent or service of its own, or a group with nobody else.
    pub names: String,
}

/// Keys whose values are no ids.
const TEXTS: &[&str] =
    &["name", "emails", "keys", "accounts", "refs", "repository", "include", "marks-file", "comment"];

/// A value that names something, with the keys that lead to it.
struct Named {
    at: Location,
    path: Vec<String>,
    value: String,
}

/// Every line of some files that hangs on a principal: that registers it, or names it, one of its keys, an agent or service that it answers
/// for, or a group in which there is nobody else. Sorted by file and line. What cannot be read as TOML has none: [`super::load()`] says why.
pub fn dependents(files: &[(String, String)], id: &str) -> Vec<Dependent> {
    let mut named = Vec::new();
    for (name, text) in files {
        let file = File::new(name, text);
        if let Ok(table) = DeTable::parse(text) {
            walk(&file, table.get_ref(), &mut Vec::new(), &mut named);
        }
    }
    let mut gone: BTreeSet<String> = BTreeSet::from([id.to_owned()]);
    gone.extend(
        named.iter().filter(|one| one.is_in(&["people", id, "keys"])).filter_map(|one| fingerprint(&one.value)),
    );
    // What hangs on what goes, goes too: until nothing new does.
    loop {
        let owned =
            named.iter().filter(|one| one.path.last().is_some_and(|key| key == "owner") && gone.contains(&one.value));
        let mut more: BTreeSet<String> = owned.filter_map(|one| one.path.get(1).cloned()).collect();
        let groups: BTreeSet<&String> = named.iter().filter_map(Named::group).collect();
        let is_empty = |group: &&&String| {
            let mut members = named.iter().filter(|one| one.group() == Some(**group));
            members.all(|one| gone.contains(&one.value))
        };
        more.extend(groups.iter().filter(is_empty).map(|group| (*group).clone()));
        if more.is_subset(&gone) {
            break;
        }
        gone.extend(more);
    }
    let is_text = |one: &Named| one.path.last().is_some_and(|key| TEXTS.contains(&key.as_str()));
    let names = |one: &Named| match one.path.as_slice() {
        [kind, own, ..] if is_registry(kind) && gone.contains(own) => Some(own.clone()),
        _ => (!is_text(one) && gone.contains(&one.value)).then(|| one.value.clone()),
    };
    let mut found: Vec<Dependent> = named
        .iter()
        .filter_map(|one| Some(Dependent { at: one.at.clone(), key: one.path.join("."), names: names(one)? }))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Whether a table of the top registers principals.
fn is_registry(kind: &str) -> bool {
    ["people", "agents", "services"].contains(&kind)
}

fn fingerprint(line: &str) -> Option<String> {
    PublicKey::parse_line(line).ok().map(|(key, _)| key.fingerprint().to_string())
}

impl Named {
    fn is_in(&self, keys: &[&str]) -> bool {
        self.path.iter().map(String::as_str).eq(keys.iter().copied())
    }

    fn group(&self) -> Option<&String> {
        match self.path.as_slice() {
            [groups, name] if groups == "groups" => Some(name),
            _ => None,
        }
    }
}

fn walk(file: &File<'_>, table: &DeTable<'_>, path: &mut Vec<String>, named: &mut Vec<Named>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        let at = file.at(key.span().start);
        if let [kind] = path.as_slice()
            && ["revoked", "retired"].contains(&kind.as_str())
        {
            walk_keys(file, value, path, named);
        } else {
            walk_value(file, (at, value), path, named);
        }
        path.pop();
    }
}

/// Fingerprints are keys of a table where each has a day.
fn walk_keys(file: &File<'_>, value: &Spanned<DeValue<'_>>, path: &mut Vec<String>, named: &mut Vec<Named>) {
    let DeValue::Table(table) = value.get_ref() else { return };
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        if let DeValue::Table(days) = value.get_ref() {
            for (fingerprint, _) in days {
                let at = file.at(fingerprint.span().start);
                named.push(Named {
                    at,
                    path: [path.as_slice(), &["".to_owned()]].concat(),
                    value: fingerprint.get_ref().to_string(),
                });
            }
        } else {
            // They are no texts here.
            path.push(String::new());
            walk_value(file, (file.at(key.span().start), value), path, named);
            path.pop();
        }
        path.pop();
    }
}

fn walk_value(
    file: &File<'_>,
    (at, value): (Location, &Spanned<DeValue<'_>>),
    path: &mut Vec<String>,
    named: &mut Vec<Named>,
) {
    match value.get_ref() {
        DeValue::String(text) => named.push(Named { at, path: path.clone(), value: text.to_string() }),
        DeValue::Array(items) => {
            for item in items.iter() {
                walk_value(file, (file.at(item.span().start), item), path, named);
            }
        }
        DeValue::Table(table) => walk(file, table, path, named),
        // A day, a number or a switch names nobody; it stands in the table of somebody, perhaps.
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            named.push(Named { at, path: path.clone(), value: String::new() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ssh::PrivateKey;

    #[test]
    fn every_line_that_hangs_on_somebody_is_found_and_no_other() {
        let key = PrivateKey::from_seed(&[3; 32]).unwrap();
        let (line, fingerprint) = (key.public().to_line(), key.public().fingerprint().to_string());
        let text = format!(
            "version = 1
[people.alice]
name = \"Alice\"
keys = [\"{line} alice\"]
[people.bob]
name = \"alice\"
accounts = [\"alice\"]
[agents.claude-code]
owner = \"alice\"
keys = []
[agents.codex]
owner = \"bob\"
[groups]
leads = [\"alice\"]
all = [\"alice\",
       \"bob\"]
both = [\"leads\"]
[revoked]
keys = [\"{fingerprint}\", \"SHA256:other\"]
[[rule]]
name = \"leads\"
refs = [\"refs/heads/alice\"]
agents = [\"claude-code\"]
submitters = [\"bob\"]
[rule.approvals]
from = [\"leads\"]
[[rule]]
name = \"all\"
submitters = [\"all\"]
"
        );
        let lines = |id: &str| -> BTreeSet<usize> {
            let files = [("policy.toml".to_owned(), text.clone())];
            dependents(&files, id).into_iter().map(|one| one.at.line).collect()
        };
        assert_eq!(lines("alice"), BTreeSet::from([3, 4, 9, 14, 15, 17, 19, 23, 26]));
        assert_eq!(lines("bob"), BTreeSet::from([6, 7, 12, 16, 24]));
        assert_eq!(lines("claude-code"), BTreeSet::from([9, 23]));
        assert_eq!(lines("nobody"), BTreeSet::new());
    }
}
