//! Everything that decides, and nothing that acts: no file system, clock, environment, process or thread. What a forge or an auditor
//! embeds to ask the questions of the hook over bytes of their own.
//!
//! # The way of the data
//!
//! Bytes are *parsed* to structures, structures *validated*, claims *verified*, and facts *decided*; each word means only that. A type says
//! how far its content is trusted: a [`seal::Claim`] or [`approval::ClaimedApproval`] is somebody's word, a [`seal::VerifiedSeal`],
//! [`approval::VerifiedApproval`] or [`ssh::VerifiedSignature`] can only come from verification, and a policy is a [`policy::Policy`] only
//! once it is valid. [`decide::decide`] takes a policy, [`facts::Facts`] and the time, and gives a [`decide::Verdict`]; [`report`] prints
//! that.
//!
//! # In what order to read
//!
//! 1. What all stands on: [`oid`], [`digest`], [`id`], [`canonical`], [`text`], and [`limits`], which says why anything is too much.
//! 2. What git has: [`commit`] (commits, tags, messages), [`objects`] (a repository, as traits) and [`tree`] (changes, walks, merges over
//!    those traits).
//! 3. What people and agents sign: [`ssh`] and [`openpgp`], then [`seal`], [`approval`] and [`order`], each with its FORMAT.md ([`dsse`] is the
//!    envelope of the last two); and [`marks`], what agents leave without signing.
//! 4. What an admin says: [`policy`], with its POLICY.md; who pushes: [`submitter`]; and what a forge says of approvals: [`forge`].
//! 5. What is asked of a push: [`scope`] (which commits a rule judges), [`landing`] (what would land, and what an approval covers of it),
//!    [`facts`], [`decide`] (one rule a file) and [`report`].
//!
//! # Words
//!
//! A *principal* is a person, an agent or a service (automation with fixed code, such as a forge's merge button); a key belongs to exactly
//! one. A *seal* is an agent's signature inside a commit's message, over the commit's *change*: what it does to its first parent's tree.
//! The *maker* of a commit is the agent of its first seal; without one, the person who signed it and the person whom its author field
//! names. An *approval* is a person's signed record over commits and changes, for one ref. The *submitter* is who pushes. The *mainline*
//! of an update leads from the new value of a ref to the old one, and each commit on it is a *step*. A *finding* is one reason, a
//! *verdict* accepts or rejects with findings.
//!
//! # Example
//!
//! A sealed commit and an approval, from nothing but their bytes and a policy: those of the worked examples in the two FORMAT.md files.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::rc::Rc;
//!
//! use countersign::core::approval::ClaimedApproval;
//! use countersign::core::commit::{Commit, parse_trailers};
//! use countersign::core::decide::Timestamp;
//! use countersign::core::digest::Digest;
//! use countersign::core::id::RepositoryName;
//! use countersign::core::objects::{ReadError, Trees};
//! use countersign::core::oid::{ObjectFormat, Oid};
//! use countersign::core::policy::{KeyStatus, PrincipalKind, Source, load};
//! use countersign::core::seal::{self, Root, SealOutcome, SealSubject};
//! use countersign::core::tree::{changes, digest};
//!
//! # /// What stands in a document between two lines.
//! # fn between<'t>(text: &'t str, begin: &str, end: &str) -> &'t str {
//! #     let (_, behind) = text.split_once(begin).unwrap();
//! #     behind.split_once(end).unwrap().0
//! # }
//! # let seal_format = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/core/seal/FORMAT.md"));
//! # let approval_format = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/core/approval/FORMAT.md"));
//! # let message = format!("Retry failed payments\n{}", between(seal_format, "Retry failed payments\n", "END\n"));
//! # let commit = format!(
//! #     "tree 1071058c19efd8cf6bbbbb9a29f761dd9f552d5a\n\
//! #      parent 49270804075abf8e4886675767b8645c87fd77b1\n\
//! #      author Ann Example <ann@example.com> 1700000000 +0000\n\
//! #      committer Ann Example <ann@example.com> 1700000100 +0000\n\n{message}"
//! # );
//! # let commit = commit.as_bytes();
//! # let record = between(approval_format, "```json\n", "\n```").as_bytes();
//! # let tree = |id: &str, file: &str| {
//! #     let mut raw = b"100644 pay.sh\0".to_vec();
//! #     raw.extend(Oid::parse(file.as_bytes()).unwrap().as_bytes());
//! #     (Oid::parse(id.as_bytes()).unwrap(), Rc::new(raw))
//! # };
//! # let before = tree("97dbb9bf6ac8f36322332b7295d246c19ff98289", "23066088b526116a92cad7a5b882805e2ab330a9");
//! # let after = tree("1071058c19efd8cf6bbbbb9a29f761dd9f552d5a", "3966c01e6d9006570067f15ae162542eddef9c73");
//! // `commit` and `record` are what `git cat-file` prints of a commit and of a record; `before` and `after` are the ids and bytes of
//! // the commit's tree and its parent's.
//! struct Memory(BTreeMap<Oid, Rc<Vec<u8>>>);
//!
//! impl Trees for Memory {
//!     fn format(&self) -> ObjectFormat {
//!         ObjectFormat::Sha1
//!     }
//!
//!     fn tree(&self, id: Oid) -> Result<Rc<Vec<u8>>, ReadError> {
//!         self.0.get(&id).cloned().ok_or(ReadError::Missing(id))
//!     }
//!
//!     fn within_budget(&self, _entries: usize) -> bool {
//!         true
//!     }
//! }
//!
//! // The policy: who holds which key.
//! let text = r#"
//!     version = 1
//!     repository = "acme/payments"
//!
//!     [people.alice]
//!     keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOpKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"]
//!
//!     [agents.claude-code]
//!     owner = "alice"
//!     keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC3aIxI7ojyGNvmpBiOk5VBhZEjl2dP1X5RPyHViDhCQ"]
//!
//!     [[rule]]
//!     name = "branches"
//!     refs = ["refs/heads/**"]
//!     identity = "agents"
//! "#;
//! let source = Source { name: "policy.toml".to_owned(), text: text.to_owned() };
//! let policy = load(vec![source], &mut |_, name| Err(format!("there is no {name}"))).unwrap().policy;
//!
//! // The seal: a claim in the message, held against what the commit really is.
//! let trees = Memory(BTreeMap::from([before.clone(), after]));
//! let commit = Commit::parse(commit, ObjectFormat::Sha1)?;
//! let blocks = parse_trailers(commit.message)?.blocks;
//! let author = &blocks[0];
//! let subject = SealSubject {
//!     repository: &RepositoryName::parse(b"acme/payments").unwrap(),
//!     author: commit.author.raw,
//!     merges: &commit.parents[1..],
//!     root: Root::No,
//!     change: digest(&changes(&trees, Some(before.0), commit.tree)?, ObjectFormat::Sha1),
//!     message: Digest::of(&commit.message[..author.covered]),
//! };
//! let SealOutcome::Holds(seal) = seal::verify(&author.claim, &subject) else { panic!("it holds") };
//! let agent = policy.by_key(seal.key()).unwrap();
//! assert_eq!((agent.kind, &agent.id), (PrincipalKind::Agent, &author.claim.agent));
//!
//! // With another content, the same seal is authentic and stale.
//! let other = SealSubject { change: Digest::of(b"something else"), ..subject };
//! assert!(matches!(seal::verify(&author.claim, &other), SealOutcome::Stale(_)));
//!
//! // The approval: a claim until its signature is verified, and a person's if the policy says that the key is.
//! let approval = ClaimedApproval::parse(record)?.verify()?;
//! let key = approval.signature().key();
//! let person = policy.by_key(key).unwrap();
//! assert_eq!((person.kind, person.id.as_str()), (PrincipalKind::Person, approval.approval().approver.as_str()));
//! assert_eq!(policy.key_status(key, Timestamp(1_795_489_864)), KeyStatus::Good);
//!
//! // A changed byte makes it nobody's.
//! let mut forged = record.to_vec();
//! forged[40] ^= 1;
//! assert!(ClaimedApproval::parse(&forged).and_then(ClaimedApproval::verify).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod approval;
pub mod canonical;
pub mod commit;
pub mod decide;
pub mod digest;
pub mod dsse;
pub mod facts;
pub mod forge;
pub mod grant;
pub mod id;
pub mod landing;
pub mod limits;
pub mod marks;
pub mod objects;
pub mod oid;
pub mod openpgp;
pub mod order;
pub mod policy;
pub mod report;
pub mod scope;
pub mod seal;
pub mod signature;
pub mod ssh;
pub mod submitter;
pub mod text;
pub mod tree;

#[cfg(test)]
pub(crate) mod worked_example;
