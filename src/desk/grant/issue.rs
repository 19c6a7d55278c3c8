//! `countersign grant issue`: a certificate over a fresh key, or over one that is given.

use std::path::{Path, PathBuf};

use super::certify::{IssuingKey, Wanted};
use crate::core::canonical::Time;
use crate::core::decide::Timestamp;
use crate::core::grant::{self, Scope};
use crate::core::id::{Id, RepositoryName};
use crate::core::policy::{Glob, Policy, Span};
use crate::core::report::escape;
use crate::core::ssh::{PrivateKey, PublicKey, VerifiedCertificate};
use crate::desk::agent::write_key;
use crate::desk::check::full_name;
use crate::desk::clone::{Local, TrackedRefs, settings};
use crate::desk::keys;
use crate::gate::engine::{Settings, repository_name};
use crate::gate::hook::engine_failure;
use crate::gate::policy_source::{PolicyArg, PolicyReader};
use crate::gate::shim::quoted;
use crate::system::files;
use crate::system::{Exit, Failure, Result, disk, now, print, random_seed, say};

/// What a grant is for.
pub(crate) struct Request {
    /// The agent's id in the policy.
    pub(crate) agent: Id,
    /// How long it lasts.
    pub(crate) span: Span,
    /// The task that every seal names.
    pub(crate) task: Option<String>,
    /// Where the agent works.
    pub(crate) environment: Option<String>,
    /// Refs that the agent may move, as full names, branches or patterns.
    pub(crate) refs: Vec<String>,
    /// Patterns of paths that its commits may touch.
    pub(crate) paths: Vec<String>,
    /// Patterns of repositories that it is for, instead of this one.
    pub(crate) repositories: Vec<String>,
    /// How many commits it may seal.
    pub(crate) commits: Option<u64>,
    /// How many grants may follow below it.
    pub(crate) delegate: Option<u64>,
    /// The key that issues it, instead of the one that git signs with.
    pub(crate) key: Option<PathBuf>,
    /// Policies instead of the configured ones.
    pub(crate) policies: Vec<PolicyArg>,
}

/// Which key a grant is over.
pub(crate) enum Over {
    /// This one; its certificate goes beside it.
    Public(PathBuf),
    /// A fresh one, in a directory; without one, in that of this clone's keys.
    Fresh(Option<PathBuf>),
}

impl Request {
    /// Issues a grant over a key, and holds it against the policy, where this clone knows one.
    pub(super) fn issue(&self, key: &PublicKey) -> Result<VerifiedCertificate> {
        let settings = settings(&self.policies, None)?;
        let policy = self.policy(&settings)?;
        let name = match &policy {
            Some(policy) => repository_name(&settings, policy).ok(),
            None => settings.repository.clone(),
        };
        let scope = self.scope(name.as_ref())?;
        let issuer = IssuingKey::find(self.key.as_deref())?;
        let (seconds, now) = (u64::try_from(self.span.seconds).unwrap_or(0), now()?);
        let certificate = issuer.issue(&Wanted { agent: &self.agent, key, scope: &scope, seconds, now })?;
        match &policy {
            Some(policy) => self.check(policy, &certificate, now)?,
            None => say("warning: this clone knows no policy, so nobody can say here whether the grant will hold"),
        }
        Ok(certificate)
    }

    fn policy(&self, settings: &Settings) -> Result<Option<Policy>> {
        if settings.policies.is_empty() {
            return Ok(None);
        }
        let local = Local::open()?;
        let refs = TrackedRefs { local: &local, remote: "origin".to_owned() };
        let reader = PolicyReader { repository: Some((&local.objects, &refs)) };
        let loaded = reader.load(&settings.policies).map_err(|error| engine_failure(&error.into()))?;
        Ok(Some(loaded.policy))
    }

    fn scope(&self, repository: Option<&RepositoryName>) -> Result<Scope> {
        let globs = |what: &str, texts: &mut dyn Iterator<Item = String>| -> Result<Option<Vec<Glob>>> {
            let globs = texts.map(|text| {
                Glob::parse(&text)
                    .map_err(|error| Failure::new(format!("--{what} {}: {error}", escape(text.as_bytes(), 100))))
            });
            let globs: Vec<Glob> = globs.collect::<Result<_>>()?;
            Ok((!globs.is_empty()).then_some(globs))
        };
        let own = repository.map(|name| name.as_str().to_owned()).filter(|_| self.repositories.is_empty());
        let scope = Scope {
            repositories: globs("repository", &mut self.repositories.iter().cloned().chain(own))?,
            task: self.task.clone(),
            environment: self.environment.clone(),
            refs: globs("ref", &mut self.refs.iter().map(|name| full_name(name)))?,
            paths: globs("path", &mut self.paths.iter().cloned())?,
            commits: self.commits,
            delegate: self.delegate,
        };
        scope.validate().map_err(|error| Failure::new(format!("no grant can be issued for that: {error}")))?;
        // What is written is read: a list that names a pattern twice is none.
        Scope::parse(scope.to_json().as_bytes()).map_err(Failure::new)
    }

    /// Whether the server's policy takes it, from its first second on.
    fn check(&self, policy: &Policy, certificate: &VerifiedCertificate, now: Timestamp) -> Result<()> {
        match grant::judge(policy, certificate, now) {
            Ok(_) => Ok(()),
            Err(objection) => {
                let agent = policy.principal(&self.agent);
                let issuers = agent.map(|agent| agent.issuers.iter().map(Id::to_string).collect::<Vec<_>>().join(", "));
                let failure = Failure::new(format!("the policy would refuse it: {objection}"));
                Err(match issuers.filter(|issuers| !issuers.is_empty()) {
                    Some(issuers) => failure.hint(format!("grants of {} are issued by one of: {issuers}", self.agent)),
                    None => failure.hint(format!("an admin adds issuers = [\"...\"] to [agents.{}]", self.agent)),
                })
            }
        }
    }
}

/// Issues a grant, and says where it is.
pub(crate) fn issue(request: &Request, over: Over) -> Result {
    let out = match over {
        Over::Public(public) => return certify(request, &public),
        Over::Fresh(out) => out,
    };
    let key = PrivateKey::from_seed(&random_seed()?).map_err(Failure::new)?;
    let certificate = request.issue(key.public())?;
    let directory = out.map_or_else(keys::of_clone, Ok)?;
    let path = directory.join(format!("{}-{}", request.agent, certificate.serial()));
    let public = format!("{} {}", key.public().to_line(), grant::name(&certificate));
    let private = key.to_openssh(&grant::name(&certificate)).map_err(Failure::new)?;
    write_key(&directory, &path, &private, &public)?;
    let mut beside = path.clone().into_os_string();
    beside.push("-cert.pub");
    write_certificate(Path::new(&beside), &certificate)?;
    print(&format!(
        "{}\n# The key is in {}, its certificate beside it. The agent seals with both:\n\
         git config countersign.{}.key {}\n",
        told(&certificate),
        path.display(),
        request.agent,
        quoted(&path)
    ))?;
    Ok(Exit::Accepted)
}

fn certify(request: &Request, public: &Path) -> Result {
    let line = disk::read_to_string(public)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", public.display())))?;
    let (key, _) = PublicKey::parse_line(line.trim())
        .map_err(|error| Failure::new(format!("{} cannot be certified: {error}", public.display())))?;
    let certificate = request.issue(&key)?;
    let text = public.to_string_lossy();
    let place = PathBuf::from(format!("{}-cert.pub", text.strip_suffix(".pub").unwrap_or(&text)));
    write_certificate(&place, &certificate)?;
    print(&format!("{}\n# The certificate is in {}\n", told(&certificate), place.display()))?;
    Ok(Exit::Accepted)
}

fn write_certificate(place: &Path, certificate: &VerifiedCertificate) -> Result<()> {
    let text = format!("{} {}\n", certificate.to_line(), grant::name(certificate));
    files::replace(place, text.as_bytes(), 0o644)
        .map_err(|error| Failure::new(format!("cannot write the certificate {}: {error}", place.display())))
}

/// The grant in one line.
fn told(certificate: &VerifiedCertificate) -> String {
    let time = |at: u64| Time(Timestamp(i64::try_from(at).unwrap_or(i64::MAX)));
    format!("{} until {}", grant::name(certificate), time(certificate.valid_before()))
}
