//! Cases that a policy is tested with: a push each, and what is expected of it (POLICY.md, "Test a policy").

use std::collections::BTreeSet;

use toml::de::DeTable;

use super::problem::{Location, Problem};
use super::reader::{File, Located, Problems, Table};
use super::{Date, Policy, PrincipalKind, Source};
use crate::core::decide::Code;
use crate::core::id::Id;
use crate::core::text::nearest::nearest;

/// The word for who is nobody that the policy knows.
const NOBODY: &str = "nobody";

/// One push, told by what matters to a policy, and what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What it shows, in the author's words.
    pub name: String,
    /// Where it stands.
    pub at: Location,
    /// The full name of the ref.
    pub target: String,
    /// What the push does to the ref.
    pub step: Step,
    /// Who made the commit; `None` is somebody the policy does not know.
    pub maker: Option<Id>,
    /// How the commit shows it.
    pub proof: Proof,
    /// The agent that the maker took the commit over from.
    pub adopts: Option<Id>,
    /// The commit's message, where marks of agents in it matter.
    pub message: Option<String>,
    /// The files that the commit changes.
    pub paths: Vec<String>,
    /// Who pushes; `None` is somebody the policy does not know.
    pub pusher: Option<Id>,
    /// Whose approvals of the commit are stored.
    pub approvals: Vec<Id>,
    /// The service that lands the commit as a squash of its own.
    pub squashed_by: Option<Id>,
    /// The day on which the push is judged; `None` is today.
    pub on: Option<Date>,
    /// What is expected.
    pub expected: Expected,
}

/// What a push does to its ref.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It adds a commit.
    Forward,
    /// It makes the ref.
    Create,
    /// It puts a commit in the place of another.
    Force,
    /// It deletes the ref.
    Delete,
}

/// How a commit shows who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By an agent's seal.
    Seal,
    /// By a signature over the commit.
    Signature,
    /// Not at all.
    None,
}

/// What is expected of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is accepted.
    Accepted,
    /// It is refused, with findings of exactly these codes.
    Refused(BTreeSet<Code>),
}

impl std::fmt::Display for Expected {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accepted => out.write_str("accepted"),
            Self::Refused(codes) => {
                let codes: Vec<&str> = codes.iter().map(|code| code.name()).collect();
                write!(out, "refused by {}", codes.join(", "))
            }
        }
    }
}

impl Case {
    /// Reads a file of cases for a policy.
    ///
    /// # Errors
    /// Every problem of the file, in the order of its lines.
    pub fn read(source: &Source, policy: &Policy) -> Result<Vec<Self>, Vec<Problem>> {
        let mut problems = Problems::default();
        let file = File::new(&source.name, &source.text);
        let top = match DeTable::parse(&source.text) {
            Ok(top) => top.into_inner(),
            Err(error) => {
                let at = file.at(error.span().map_or(0, |span| span.start));
                problems.error(&at, error.message(), "write TOML (https://toml.io)");
                return Err(problems.0);
            }
        };
        let mut table = Table::new(&file, file.at(0), &top);
        let tables = table.array_of_tables("case", &mut problems);
        let at = table.at.clone();
        table.finish(&mut problems);
        if tables.is_empty() {
            problems.error(&at, "there is no case in it", "write [[case]]");
        }
        let cases: Vec<Self> = tables.into_iter().filter_map(|table| read_case(policy, table, &mut problems)).collect();
        if problems.0.is_empty() { Ok(cases) } else { Err(problems.0) }
    }
}

fn read_case(policy: &Policy, mut table: Table<'_>, problems: &mut Problems) -> Option<Case> {
    let mut who = Who { policy, problems };
    let name = table.string("name", who.problems);
    let target = table.string("ref", who.problems);
    let maker = table.string("by", who.problems);
    let pusher = table.string("pusher", who.problems);
    let approvals = table.strings("approvals", who.problems);
    let (adopts, squashed_by) = (table.string("adopts", who.problems), table.string("squashed-by", who.problems));
    let maker_id = maker.as_ref().and_then(|id| who.somebody(id));
    let case = Case {
        name: name.as_ref().map(|name| name.value.to_owned()).unwrap_or_default(),
        at: table.at.clone(),
        target: target.as_ref().map(|name| full_name(name.value)).unwrap_or_default(),
        pusher: pusher.as_ref().map_or_else(|| maker_id.clone(), |id| who.somebody(id)),
        approvals: approvals.iter().filter_map(|id| who.one("approvals", id, PrincipalKind::Person)).collect(),
        adopts: adopts.and_then(|id| who.one("adopts", &id, PrincipalKind::Agent)),
        squashed_by: squashed_by.and_then(|id| who.one("squashed-by", &id, PrincipalKind::Service)),
        step: table.word("move", &STEPS, problems).unwrap_or(Step::Forward),
        proof: table.word("proof", &PROOFS, problems).unwrap_or_else(|| own_proof(policy, maker_id.as_ref())),
        message: table.string("message", problems).map(|text| text.value.to_owned()),
        paths: read_paths(&mut table, problems),
        on: table.date("on", problems).map(|day| day.value),
        expected: read_expected(&mut table, problems),
        maker: maker_id,
    };
    for (key, is_missing) in [("name", name.is_none()), ("ref", target.is_none()), ("by", maker.is_none())] {
        // A deletion is nobody's work.
        if is_missing && !(key == "by" && case.step == Step::Delete) {
            problems.error(&table.at, format!("the case has no `{key}`"), format!("add {key} = \"...\""));
        }
    }
    check(policy, &case, problems);
    table.finish(problems);
    Some(case)
}

const STEPS: [(&str, Step); 4] =
    [("forward", Step::Forward), ("create", Step::Create), ("force", Step::Force), ("delete", Step::Delete)];

const PROOFS: [(&str, Proof); 3] = [("seal", Proof::Seal), ("signature", Proof::Signature), ("none", Proof::None)];

/// Says what cannot be.
fn check(policy: &Policy, case: &Case, problems: &mut Problems) {
    let kind = case.maker.as_ref().and_then(|id| policy.principal(id)).map(|maker| maker.kind);
    if case.proof == Proof::Seal && kind != Some(PrincipalKind::Agent) {
        problems.error(&case.at, "only an agent seals", "write by = \"AGENT\", or proof = \"signature\"");
    }
    if case.proof == Proof::Signature && kind.is_none() {
        problems.error(&case.at, "nobody signs", "write by = \"ID\", or proof = \"none\"");
    }
    if case.adopts.is_some() && (kind, case.proof) != (Some(PrincipalKind::Person), Proof::Signature) {
        problems.error(&case.at, "only a person adopts, by a signature", "write by = \"PERSON\"");
    }
    let moves_nothing = matches!(case.step, Step::Delete);
    if moves_nothing && !(case.approvals.is_empty() && case.squashed_by.is_none()) {
        problems.error(&case.at, "a deletion lands nothing", "leave out approvals and squashed-by");
    }
}

fn own_proof(policy: &Policy, maker: Option<&Id>) -> Proof {
    match maker.and_then(|id| policy.principal(id)).map(|maker| maker.kind) {
        Some(PrincipalKind::Agent) => Proof::Seal,
        Some(PrincipalKind::Person | PrincipalKind::Service) => Proof::Signature,
        None => Proof::None,
    }
}

/// The files that a case changes; one of the top directory where it names none.
fn read_paths(table: &mut Table<'_>, problems: &mut Problems) -> Vec<String> {
    let paths = table.strings("paths", problems);
    for path in &paths {
        let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git");
        if !path.value.split('/').all(plain) || path.value.contains('\0') {
            let message = format!("\"{}\" is no path of a file in a repository", path.value);
            problems.error(&path.at, message, "write it from the top of the repository, as in src/main.rs");
        }
        let above =
            |other: &&Located<&str>| path.value.strip_prefix(other.value).is_some_and(|rest| rest.starts_with('/'));
        if let Some(other) = paths.iter().find(above) {
            let message = format!("\"{}\" is below \"{}\", which is a file too", path.value, other.value);
            problems.error(&path.at, message, "name files, and no directories");
        }
    }
    let mut paths: Vec<String> = paths.into_iter().map(|path| path.value.to_owned()).collect();
    if paths.is_empty() {
        paths.push("file".to_owned());
    }
    paths
}

fn read_expected(table: &mut Table<'_>, problems: &mut Problems) -> Expected {
    let (accepts, refuses) = (table.has("accept"), table.has("refuse"));
    let accept = table.flag("accept", problems);
    let codes = table.strings("refuse", problems);
    if accepts == refuses || (accepts && !accept) || (refuses && codes.is_empty()) {
        let fix = "write accept = true, or refuse = [\"CODE\"]";
        problems.error(&table.at, "the case does not say in one way what it expects", fix);
    }
    if accept {
        return Expected::Accepted;
    }
    let mut expected = BTreeSet::new();
    for code in &codes {
        match Code::parse(code.value) {
            Some(code) => drop(expected.insert(code)),
            None => {
                let meant = nearest(code.value, Code::ALL.iter().map(|code| code.name()));
                let fix =
                    meant.map_or_else(|| "CODES.md lists them".to_owned(), |meant| format!("did you mean {meant}?"));
                problems.error(&code.at, format!("{} is no finding code", code.value), fix);
            }
        }
    }
    Expected::Refused(expected)
}

fn full_name(name: &str) -> String {
    if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") }
}

/// Finds those whom cases name in the policy.
struct Who<'a> {
    policy: &'a Policy,
    problems: &'a mut Problems,
}

impl Who<'_> {
    /// Whoever it is; `None` for nobody, and where there is a problem.
    fn somebody(&mut self, id: &Located<&str>) -> Option<Id> {
        if id.value == NOBODY {
            return None;
        }
        let found = Id::parse(id.value.as_bytes()).filter(|id| self.policy.principal(id).is_some());
        if found.is_none() {
            let known = self.policy.principals().map(|one| one.id.as_str());
            let fix = nearest(id.value, known).map_or_else(
                || format!("register it in the policy, or write \"{NOBODY}\""),
                |meant| format!("did you mean \"{meant}\"?"),
            );
            self.problems.error(&id.at, format!("the policy registers no \"{}\"", id.value), fix);
        }
        found
    }

    /// The one of a kind that `key` names.
    fn one(&mut self, key: &str, id: &Located<&str>, kind: PrincipalKind) -> Option<Id> {
        let found = self.somebody(id)?;
        let is_one = self.policy.principal(&found).is_some_and(|one| one.kind == kind);
        if !is_one {
            let message = format!("`{key}` names \"{}\", which is no {}", id.value, kind.noun());
            self.problems.error(&id.at, message, format!("name a {}", kind.noun()));
        }
        is_one.then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::decide::story::{people, policy};

    fn read(text: &str) -> Result<Vec<Case>, Vec<String>> {
        let source = Source { name: "cases.toml".into(), text: text.into() };
        let shown = |problems: Vec<Problem>| problems.iter().map(|one| format!("{one}; {}", one.fix)).collect();
        Case::read(&source, &policy(&people())).map_err(shown)
    }

    #[test]
    fn what_a_case_leaves_out_is_what_is_usual() {
        let text = "[[case]]\nname = \"a\"\nref = \"main\"\nby = \"claude-code\"\naccept = true\n";
        let cases = read(text).unwrap();
        let [case] = cases.as_slice() else { panic!("{cases:?}") };
        assert_eq!((case.target.as_str(), case.step, case.proof), ("refs/heads/main", Step::Forward, Proof::Seal));
        assert_eq!((&case.pusher, case.paths.as_slice()), (&case.maker, &["file".to_owned()][..]));
        let person = read(&text.replace("claude-code", "alice")).unwrap();
        assert_eq!(person[0].proof, Proof::Signature);
        let nobody = read(&text.replace("claude-code", "nobody")).unwrap();
        assert_eq!((nobody[0].proof, nobody[0].maker.as_ref(), nobody[0].pusher.as_ref()), (Proof::None, None, None));
    }

    #[test]
    fn every_problem_has_its_line_and_its_fix() {
        let case = |more: &str| format!("[[case]]\nname = \"a\"\nref = \"main\"\nby = \"alice\"\n{more}");
        for (text, told) in [
            (String::new(), "there is no case in it; write [[case]]"),
            ("case =".to_owned(), "cases.toml:1:"),
            (case(""), "does not say in one way what it expects"),
            (case("accept = true\nrefuse = [\"bad-seal\"]"), "does not say in one way"),
            (case("refuse = [\"bad-seel\"]"), "cases.toml:5: bad-seel is no finding code; did you mean bad-seal?"),
            (case("accept = true\nbuy = 1"), "unknown key `buy`; did you mean `by`?"),
            (case("accept = true\npusher = \"alise\""), "registers no \"alise\"; did you mean \"alice\"?"),
            (case("accept = true\napprovals = [\"codex\"]"), "`approvals` names \"codex\", which is no person"),
            (case("accept = true\nproof = \"seal\""), "only an agent seals"),
            (case("accept = true\npaths = [\"a\", \"a/b\"]"), "\"a/b\" is below \"a\""),
            (case("accept = true\npaths = [\"../a\"]"), "is no path of a file"),
            (case("accept = true\nadopts = \"codex\"\nproof = \"none\""), "only a person adopts"),
            (case("accept = true\nmove = \"delete\"\napprovals = [\"bob\"]"), "a deletion lands nothing"),
            ("[[case]]\nref = \"main\"\nby = \"alice\"\naccept = true".to_owned(), "the case has no `name`"),
        ] {
            let problems = read(&text).unwrap_err();
            assert!(problems.iter().any(|problem| problem.contains(told)), "{text}\n{problems:#?}");
        }
    }
}
