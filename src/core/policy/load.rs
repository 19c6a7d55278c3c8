//! From texts to a policy, or to everything that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use base64ct::{Base64, Encoding as _};
use sha2::{Digest as _, Sha256};
use toml::de::DeTable;

use super::approvals::Whose;
use super::builtin_classes::{self, Known};
use super::certificates::{self, Origin, Texts};
use super::glob::Below;
use super::principals::{Principal, Registry};
use super::problem::{Problem, Weight};
use super::reader::{File, Problems, Table};
use super::rules::{Classes, Identity, Mode, Permission, Resolver, Rule, Since, read_classes};
use super::{Date, OrderTerms, OutOfBand, Policy, grants, marks, orders, tolerated};
use crate::core::digest::Digest;
use crate::core::id::RepositoryName;
use crate::core::limits;
use crate::core::marks::Catalogue;
use crate::core::ssh::KRL_MAGIC;

/// The text of one policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What reports call it.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl Source {
    /// A file as it was read. The one kind that is no text, a revocation list of OpenSSH, stands in it as base64. `None` for any other that
    /// is not UTF-8.
    pub fn of_bytes(name: String, bytes: Vec<u8>) -> Option<Self> {
        let is_list = bytes.starts_with(KRL_MAGIC);
        let text = if is_list { Base64::encode_string(&bytes) } else { String::from_utf8(bytes).ok()? };
        Some(Self { name, text })
    }
}

/// A policy and what may not be meant in it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The valid policy.
    pub policy: Policy,
    /// Problems that do not keep it from loading.
    pub warnings: Vec<Problem>,
}

/// Reads the file that another includes; the error says why it cannot be.
pub type Include<'a> = dyn FnMut(&Source, &str) -> Result<Source, String> + 'a;

/// Files in one policy, includes and all. More than this is a loop or a mistake.
const FILES: usize = 64;

/// Certificates in one policy. Each is read at every push, in some 50 microseconds.
const CERTIFICATES: usize = 1000;

/// Loads policies that hold together, the organisation's first. Each knows the principals, groups and classes of itself and
/// of those before it, so that a later one can ask for more and never make an earlier one ask for less.
///
/// # Errors
/// Every problem of every file, in the order of the files and their lines.
pub fn load(sources: Vec<Source>, include: &mut Include<'_>) -> Result<Loaded, Vec<Problem>> {
    let mut problems = Problems::default();
    let layered = with_includes(sources, include, &mut problems);
    let parsed = parse(&layered, &mut problems);
    let marks = read_marks(&layered, &mut problems);
    let mut building = Building { classes_dates: classes_dates(&parsed, &mut problems), ..Building::default() };
    let texts: Texts<'_> = layered.iter().filter_map(Layered::named_text).collect();
    for (file, table, layer) in &parsed {
        building.declare(file, table, (layer, &texts), &mut problems);
    }
    building.registry.check(&mut problems);
    building.check_grants(&mut problems);
    let rules = building.rules(&parsed, &mut problems);
    let orders = building.orders(&parsed, &mut problems);
    check_since(&rules, &mut problems);
    check_approvals(&rules, &mut problems);
    check_satisfiable(&rules, &building.registry, &mut problems);
    let tolerated = tolerated::find(&rules, &building.registry);
    if problems.0.iter().any(|problem| problem.weight == Weight::Error) {
        // It is not in force, and will have to be mended as a whole.
        problems.0.extend(tolerated.iter().map(|one| one.problem(Weight::Error)));
    }
    problems.0.sort_by(|a, b| (&a.at, a.weight, &a.message).cmp(&(&b.at, b.weight, &b.message)));
    problems.0.dedup();
    if problems.0.iter().any(|problem| problem.weight == Weight::Error) {
        return Err(problems.0);
    }
    let Building { registry, classes: _, classes_dates: _, repository, refuses_unmatched, out_of_band, marks_dates } =
        building;
    let policy = Policy {
        digest: digest(&layered),
        repository,
        refuses_unmatched,
        out_of_band: out_of_band.unwrap_or_default(),
        marks,
        marks_dates,
        files: layered.into_iter().map(|one| (one.source.name, one.layer)).collect(),
        rules,
        principals: registry.principals,
        keys: registry.keys,
        certificates: registry.certificates,
        accounts: registry.accounts,
        revoked: registry.revoked,
        retired: registry.retired,
        grants: registry.grants,
        orders,
        tolerated,
    };
    Ok(Loaded { policy, warnings: problems.0 })
}

/// A file with the number of the policy it belongs to, and whether that policy begins with it.
struct Layered {
    source: Source,
    layer: usize,
    place: FileRole,
    /// The file that names it, and the path that it gives.
    named: Option<(String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FileRole {
    Root,
    Included,
    /// Rows about AI marks, and no TOML.
    Marks,
    /// An OpenPGP certificate.
    Certificate,
    /// A revocation list, or the keys that sign tokens.
    Data,
}

impl FileRole {
    fn is_toml(self) -> bool {
        match self {
            Self::Root | Self::Included => true,
            Self::Marks | Self::Certificate | Self::Data => false,
        }
    }
}

impl Layered {
    /// The text of a file that a table names, by the file that names it and how.
    fn named_text(&self) -> Option<((&str, &str), &str)> {
        let is_named = matches!(self.place, FileRole::Certificate | FileRole::Data);
        let (file, path) = self.named.as_ref().filter(|_| is_named)?;
        Some(((file, path), &self.source.text))
    }
}

fn with_includes(sources: Vec<Source>, include: &mut Include<'_>, problems: &mut Problems) -> Vec<Layered> {
    let mut files: Vec<Layered> = Vec::new();
    let mut pending: Vec<Layered> = Vec::new();
    for (layer, source) in sources.into_iter().enumerate().rev() {
        pending.push(Layered { source, layer, place: FileRole::Root, named: None });
    }
    while let Some(file) = pending.pop() {
        let at = File::new(&file.source.name, &file.source.text).at(0);
        if file.source.text.len() > limits::POLICY_BYTES {
            let message = format!("the file is larger than {} bytes", limits::POLICY_BYTES);
            problems.error(&at, message, "split it with include");
            continue;
        }
        let is_certificate = |one: &Layered| one.place == FileRole::Certificate;
        let alike = files.iter().filter(|known| is_certificate(known) == is_certificate(&file)).count();
        let most = if is_certificate(&file) { CERTIFICATES } else { FILES };
        if alike >= most {
            problems.error(&at, format!("more than {most} files are included"), "include fewer files");
            break;
        }
        let repeated = files.iter().any(|known| known.source.name == file.source.name);
        if repeated {
            problems.error(&at, format!("{} is read twice", file.source.name), "include every file once");
            continue;
        }
        for (path, at, place) in named_files(&file, problems) {
            match include(&file.source, &path) {
                Ok(source) => {
                    let named = Some((file.source.name.clone(), path));
                    pending.push(Layered { source, layer: file.layer, place, named });
                }
                Err(error) => {
                    problems.error(&at, format!("cannot include \"{path}\": {error}"), "give a path beside this file")
                }
            }
        }
        files.push(file);
    }
    files
}

/// The files that a file names. Its own problems are found when it is read as a whole.
fn named_files(layered: &Layered, problems: &mut Problems) -> Vec<(String, super::Location, FileRole)> {
    let source = &layered.source;
    if !layered.place.is_toml() {
        return Vec::new();
    }
    let file = File::new(&source.name, &source.text);
    let (table, _) = DeTable::parse_recoverable(&source.text);
    let mut ignored = Problems::default();
    let mut top = Table::new(&file, file.at(0), table.get_ref());
    let paths = top.strings("include", &mut ignored);
    let included = paths.iter().filter(|path| is_beside(path.value));
    let mut named: Vec<_> = included.map(|path| (path.value.to_owned(), path.at.clone(), FileRole::Included)).collect();
    named.extend(marks::marks_file(&mut top, &mut ignored).map(|(path, at)| (path, at, FileRole::Marks)));
    let certificates = certificates::named(&mut top, problems).into_iter();
    named.extend(certificates.map(|(path, at)| (path, at, FileRole::Certificate)));
    named.extend(grants::named(&mut top).into_iter().map(|(path, at)| (path, at, FileRole::Data)));
    named
}

/// Whether a path is that of a file beside the one that names it, or below.
pub(super) fn is_beside(path: &str) -> bool {
    !path.is_empty() && !path.starts_with('/') && !path.split('/').any(|part| part == "..")
}

/// The built-in rows and those of the policy's own files, if there are any.
fn read_marks(layered: &[Layered], problems: &mut Problems) -> Option<Catalogue> {
    let mut catalogue = None;
    for file in layered.iter().filter(|file| file.place == FileRole::Marks) {
        let catalogue = catalogue.get_or_insert_with(|| Catalogue::builtin().clone());
        marks::add_rows(&file.source.name, &file.source.text, catalogue, problems);
    }
    catalogue
}

type Parsed<'s> = Vec<(File<'s>, toml::Spanned<DeTable<'s>>, &'s Layered)>;

fn parse<'s>(layered: &'s [Layered], problems: &mut Problems) -> Parsed<'s> {
    let mut parsed = Vec::with_capacity(layered.len());
    for one in layered.iter().filter(|one| one.place.is_toml()) {
        let file = File::new(&one.source.name, &one.source.text);
        let (table, errors) = DeTable::parse_recoverable(&one.source.text);
        for error in errors {
            let at = file.at(error.span().map_or(0, |span| span.start));
            problems.error(&at, error.message().trim().replace('\n', ", "), "write TOML 1.0 (toml.io)");
        }
        parsed.push((file, table, one));
    }
    parsed
}

/// The `classes-date` of each policy, whichever of its files says it.
fn classes_dates(parsed: &Parsed<'_>, problems: &mut Problems) -> BTreeMap<usize, Date> {
    let mut dates: BTreeMap<usize, Date> = BTreeMap::new();
    for (file, table, layered) in parsed {
        let mut top = Table::new(file, file.at(0), table.get_ref());
        let Some(date) = top.date("classes-date", problems) else { continue };
        builtin_classes::check_date(date.value, &date.at, problems);
        if let Some(other) = dates.insert(layered.layer, date.value).filter(|other| *other != date.value) {
            let message = format!("classes-date is {other} in another file and {} here", date.value);
            problems.error(&date.at, message, "say it once");
        }
    }
    dates
}

#[derive(Default)]
struct Building {
    registry: Registry,
    classes: BTreeMap<usize, Classes>,
    /// The day up to which each policy knows the classes that come with the program, where it names one.
    classes_dates: BTreeMap<usize, Date>,
    repository: Option<RepositoryName>,
    refuses_unmatched: Option<usize>,
    out_of_band: Option<OutOfBand>,
    /// The day that each policy names, where it does.
    marks_dates: BTreeMap<usize, Date>,
}

impl Building {
    /// Checks what is said of grants, once everything is read.
    fn check_grants(&mut self, problems: &mut Problems) {
        let grants = std::mem::take(&mut self.registry.grants);
        grants.check(&self.registry, problems);
        self.registry.resolve_issuers(&grants, problems);
        self.registry.grants = grants;
    }

    /// Reads everything of one file but its rules.
    fn declare(
        &mut self,
        file: &File<'_>,
        table: &toml::Spanned<DeTable<'_>>,
        (layered, texts): (&Layered, &Texts<'_>),
        problems: &mut Problems,
    ) {
        let at = file.at(0);
        let mut top = Table::new(file, at.clone(), table.get_ref());
        match top.integer("version", problems) {
            Some(version) if version.value == 1 => {}
            Some(version) => {
                let message = format!("version {} of the policy format is not known", version.value);
                problems.error(&version.at, message, "write version = 1, or use a newer countersign");
            }
            None if layered.place == FileRole::Root && !top.has("version") => {
                problems.error(&at, "the policy does not say its version", "begin it with version = 1");
            }
            None => {}
        }
        if let Some(name) = top.string("repository", problems) {
            match (RepositoryName::parse(name.value.as_bytes()), &self.repository) {
                (None, _) => {
                    let message = format!("\"{}\" is not a repository name", name.value);
                    problems.error(&name.at, message, "a name is [a-z0-9][a-z0-9._/-]{0,63}");
                }
                (Some(own), Some(other)) if own != *other => {
                    let message = format!("the repository is `{other}` in another file and `{own}` here");
                    problems.error(&name.at, message, "say it once");
                }
                (Some(own), _) => self.repository = Some(own),
            }
        }
        if top.word("unmatched", &[("allow", Permission::Allow), ("refuse", Permission::Deny)], problems)
            == Some(Permission::Deny)
        {
            let first = self.refuses_unmatched.unwrap_or(layered.layer);
            self.refuses_unmatched = Some(first.min(layered.layer));
        }
        let words = [("mirror", OutOfBand::Mirror), ("record", OutOfBand::Record), ("refuse", OutOfBand::Refuse)];
        // The strictest of all files, so that no later policy opens what an earlier one closed.
        self.out_of_band = self.out_of_band.max(top.word("out-of-band", &words, problems));
        for path in top.strings("include", problems) {
            if !is_beside(path.value) {
                problems.error(
                    &path.at,
                    format!("\"{}\" is not a path beside this file", path.value),
                    "give a relative path without ..",
                );
            }
        }
        let _ = marks::marks_file(&mut top, problems);
        if let Some(date) = top.date("marks-date", problems)
            && let Some(other) = self.marks_dates.insert(layered.layer, date.value).filter(|other| *other != date.value)
        {
            let message = format!("marks-date is {other} in another file and {} here", date.value);
            problems.error(&date.at, message, "say it once");
        }
        let origin = Origin { file: &layered.source.name, layer: layered.layer, texts };
        self.registry.read(&mut top, origin, problems);
        let mut classes =
            self.classes.range(..=layered.layer).next_back().map(|(_, classes)| classes.clone()).unwrap_or_default();
        let _ = top.has("classes-date");
        read_classes(&mut top, &mut classes, self.known(layered.layer), problems);
        self.classes.insert(layered.layer, classes);
        let _ = top.array_of_tables("rule", &mut Problems::default());
        orders::pass_over(&mut top);
        top.finish(problems);
    }

    fn known(&self, layer: usize) -> Known {
        Known { until: self.classes_dates.get(&layer).copied() }
    }

    fn orders(&self, parsed: &Parsed<'_>, problems: &mut Problems) -> BTreeMap<usize, OrderTerms> {
        let mut all: BTreeMap<usize, OrderTerms> = BTreeMap::new();
        let none = Classes::new();
        for (file, table, layered) in parsed {
            let (registry, layer, known) = (&self.registry, layered.layer, self.known(layered.layer));
            let resolver = Resolver { registry, classes: &none, layer, marks_date: None, known };
            let mut top = Table::new(file, file.at(0), table.get_ref());
            orders::read(&resolver, &mut top, all.entry(layer).or_default(), problems);
        }
        all.retain(|_, terms| *terms != OrderTerms::default());
        all
    }

    fn rules(&self, parsed: &Parsed<'_>, problems: &mut Problems) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut names = BTreeSet::new();
        let none = Classes::new();
        for (file, table, layered) in parsed {
            let classes = self.classes.get(&layered.layer).unwrap_or(&none);
            let marks_date = self.marks_dates.get(&layered.layer).copied();
            let known = self.known(layered.layer);
            let resolver = Resolver { registry: &self.registry, classes, layer: layered.layer, marks_date, known };
            let mut top = Table::new(file, file.at(0), table.get_ref());
            for table in top.array_of_tables("rule", problems) {
                let Some(rule) = resolver.rule(table, problems) else { continue };
                if !names.insert(rule.name.clone()) {
                    let message = format!("another rule is named \"{}\"", rule.name);
                    problems.error(&rule.at, message, "give every rule its own name");
                }
                rules.push(rule);
            }
        }
        rules
    }
}

/// A rule that asks everyone for a signature when nobody has a key refuses every push.
fn check_satisfiable(rules: &[Rule], registry: &Registry, problems: &mut Problems) {
    for rule in rules.iter().filter(|rule| rule.mode == Mode::Enforce && rule.identity == Identity::Everyone) {
        let can_sign = |principal: &Principal| {
            let has_key = !principal.keys.is_empty() || !principal.certificates.is_empty();
            let has_key = has_key || !principal.issuers.is_empty();
            principal.layer <= rule.layer && has_key
        };
        if !registry.principals.values().any(can_sign) {
            let message = "nobody has a key that could satisfy this rule, so it refuses every commit";
            problems.error(&rule.at, message, "register people's keys first, or say mode = \"warn\"");
        }
    }
}

/// Approvals count for nothing where what they are about is not known, or can be forced away.
fn check_approvals(rules: &[Rule], problems: &mut Problems) {
    for rule in rules.iter().filter(|rule| rule.mode != Mode::Off) {
        let keeps = |other: &Rule| other.force_push == Permission::Deny;
        let can_be_forced = rule.force_push == Permission::Allow && !rule.is_backed(rules, keeps);
        if rule.is_path_rule() && rule.submitters.is_some() && can_be_forced {
            let message = "a force-push may take its paths back to an older state, and nobody asks who pushes then";
            problems.warn(&rule.at, message, "add a rule for these refs with force-push = \"deny\"");
        }
        let Some(approvals) = &rule.approvals else { continue };
        let knows = |other: &Rule| other.identity != Identity::None;
        if approvals.whose == Whose::Agents && rule.identity == Identity::None && !rule.is_backed(rules, knows) {
            let message = "approvals are asked for agents' work, and no rule asks who made a commit";
            problems.error(&rule.at, message, "add identity = \"agents\" to the rule, or \"everyone\" for everyone's");
        }
        if can_be_forced {
            let message = "approvals are asked for, but a force-push may drop what was approved";
            if rule.is_path_rule() {
                problems.warn(&rule.at, message, "add a rule for these refs with force-push = \"deny\"");
            } else {
                problems.error(&rule.at, message, "add force-push = \"deny\" and delete = \"deny\"");
            }
        }
    }
}

/// A ref that anybody may move exempts whatever it is moved to.
fn check_since(rules: &[Rule], problems: &mut Problems) {
    use Permission::Deny;
    for rule in rules {
        for since in &rule.since {
            let Since::Ref(name) = since else { continue };
            let guarded = rules.iter().any(|other| {
                let matches =
                    other.mode == Mode::Enforce && !other.is_path_rule() && other.matches_ref(name.as_bytes());
                matches && other.force_push == Deny && other.delete == Deny
            });
            if !guarded {
                let message = format!("whoever can move {name} decides what this rule exempts");
                let fix = format!("add a rule for {name} with force-push and delete denied, or give the commit's id");
                problems.warn(&rule.at, message, fix);
            }
        }
    }
}

/// The digest of a policy: of a domain tag, then per file its policy's number and its text, each after its length. Where the
/// files lie makes no difference, so that an admin can tell it before the policy is in the repository.
fn digest(files: &[Layered]) -> Digest {
    let mut hash = Sha256::new();
    hash.update(b"countersign-policy-v1\0");
    for file in files {
        let layer = file.layer.to_string();
        for part in [layer.as_bytes(), file.source.text.as_bytes()] {
            hash.update(part.len().to_string().as_bytes());
            hash.update(b":");
            hash.update(part);
        }
    }
    Digest::from_bytes(hash.finalize().into())
}

/// What is missing for a policy to live in the repository that it governs, on `name` at `path`: a change of its own file must
/// need approvals, whoever makes it, so that nobody weakens it alone.
pub fn check_self_protection(policy: &Policy, name: &[u8], path: &[u8]) -> Vec<Problem> {
    let guards = |rule: &&Rule| {
        let covers = !rule.is_path_rule() || rule.touches(path, Below::Named).is_some();
        let asks = rule.approvals.as_ref().is_some_and(|approvals| approvals.whose == Whose::Everyone);
        rule.mode == Mode::Enforce && asks && covers && rule.matches_ref(name)
    };
    if policy.rules().iter().any(|rule| guards(&rule)) {
        return Vec::new();
    }
    let (name, path) = (String::from_utf8_lossy(name), String::from_utf8_lossy(path));
    let message = format!(
        "no enforcing rule asks for approvals of everyone's changes to {path} on {name}, where the policy itself lives"
    );
    let fix = format!(
        "add [[rule]] name = \"policy\" refs = [\"{name}\"] paths = [\"{path}\"] identity = \"everyone\" with \
         [rule.approvals] for = \"everyone\" from = [\"...\"]"
    );
    vec![Problem::of_file(&path, message, fix)]
}
