//! Every ceiling on work and memory, with its reason. Over one is a `limit-exceeded` finding, never a hang.
//!
//! The memory budget: whatever a push within these limits holds, and whatever its shape, deciding it takes less than 64 MiB of anonymous
//! memory, all threads together. Files of the repository that are mapped do not count.

/// Commits of one push whose facts are kept. So many sealed ones are within the memory budget. More are examined and judged some at a
/// time, at 40 bytes each, and time alone bounds how many; but approvals are counted among no more than this, as what they cover
/// depends on all that lands.
pub const COMMITS: usize = 15_000;

/// Bytes of an event that a forge sends to a web hook. GitHub sends none over 25 MB.
pub const EVENT_BYTES: usize = 25 << 20;

/// Commits of stored history that one walk may find new. At about 200 bytes each they stay within the
/// memory budget. What a push brings itself takes less, and is not bounded.
pub const WALK: usize = 150_000;

/// Commits of stored history that one walk may read as objects, because no commit-graph has them, on either side. Where dates
/// are honest, a walk reads at most the whole history, so a repository of 1,000,000 commits without a commit-graph is never
/// refused; a commit with a false date in a larger one cannot keep the hook busy for more than about 10 seconds.
pub const WALK_READS: usize = 1_500_000;

/// Bytes of one commit or annotated tag object. The largest commit message in linux.git is under 100 KiB.
pub const COMMIT_BYTES: u64 = 1 << 20;

/// Bytes of the headers of one commit. An octopus merge with 66 parents (the largest in linux.git) and a signed tag in
/// each `mergetag` stays under it.
pub const HEADER_BYTES: usize = 256 << 10;

/// Parents of one commit. Git itself writes at most 16 from `git merge`; linux.git holds one of 66.
pub const PARENTS: usize = 128;

/// Bytes of an email address: mail takes 254 (RFC 5321, 4.5.3.1).
pub const EMAIL_BYTES: usize = 1024;

/// Bytes of the name of a ref: git makes files of them (PATH_MAX).
pub const REF_BYTES: usize = 4096;

/// Lines in the last paragraph of a message that holds seals.
pub const TRAILERS: usize = 256;

/// Seals on one commit: one author and the other steps of a pipeline.
pub const SEALS: usize = 16;

/// Annotated tags that may point at each other before something else.
pub const TAG_DEPTH: usize = 8;

/// Bytes of one tree object: about 400,000 entries in one directory.
pub const TREE_BYTES: u64 = 16 << 20;

/// Tree entries read for one push, the same tree as often as commits differ in it. At 0.1 microseconds each this is about 20
/// seconds; the largest push we benchmark reads a hundredth of it.
pub const TREE_ENTRIES: u64 = 200_000_000;

/// Directories below each other. Git's `core.maxTreeDepth` is 2048 by default; checkouts fail long before.
pub const TREE_DEPTH: usize = 512;

/// Bytes of one path. Linux opens paths of at most 4,096 (PATH_MAX), Windows of 32,767 UTF-16 units.
pub const PATH_BYTES: usize = 16 << 10;

/// Changed paths of one commit. An import of linux.git is about 90,000.
pub const CHANGED_PATHS: usize = 200_000;

/// Bytes of one SSHSIG blob. RSA of 16384 bits needs 4.3 KiB.
pub const SIGNATURE_BYTES: usize = 16 << 10;

/// Bytes of the certificates under which the commits of a push are sealed or signed, of those whose facts are held at once. A grant's has about
/// 1 KiB, and all of them together are a quarter of the memory budget.
pub const GRANTED_BYTES: usize = 16 << 20;

/// Bytes of one OpenPGP certificate in its text form. One with a few names and keys has 3 to 10 KiB; one with the signatures of
/// hundreds of others, which nothing here reads, is exported without them (`gpg --export-options export-minimal`).
pub const CERTIFICATE_BYTES: usize = 256 << 10;

/// Bytes of one public key line in a policy.
pub const KEY_LINE_BYTES: usize = 16 << 10;

/// Bytes of one policy file.
pub const POLICY_BYTES: usize = 1 << 20;

/// Ref updates in one push.
pub const REF_UPDATES: usize = 100_000;

/// Bytes of a push certificate: a line for each of [`REF_UPDATES`] is about 15 MiB; nobody signs as many by hand.
pub const PUSH_CERT_BYTES: u64 = 1 << 20;

/// Bytes of all files of rows about AI marks that policies given together add. The built-in list is about 20 KiB; a row compiles to
/// some 50 bytes for each of its own, and whoever pushes a policy in the repository chooses the rows.
pub const MARKS_FILE_BYTES: usize = 64 << 10;

/// Bytes of one record of the ledger. Entries are split well before; this stops a reader of a file that is no ledger.
pub const RECORD_BYTES: usize = 1 << 20;

/// Bytes of one entry of the ledger: a tile of C2SP's tlog-tiles gives the length of an entry in 16 bits.
pub const ENTRY_BYTES: usize = 60_000;

/// Refused pushes of one submitter that the ledger records in an hour; the others are counted. At about 2 KiB each a flood
/// fills 50 MiB a day.
pub const REFUSED_PER_HOUR: u64 = 1000;

/// Bytes of the ledger that refused pushes of one submitter take in an hour; more are counted only. A thousand take 2 MiB, and one
/// with all that is listed of it a little over 1 MiB.
pub const REFUSED_BYTES_PER_HOUR: u64 = 8 << 20;

/// Findings of one push that are kept with their words, at about 1 KiB each; of more, the number by code.
pub const FINDINGS: usize = 5_000;

/// Of these, findings of one severity on one ref: more than anybody reads, and enough for a program to work through in turns.
pub const FINDINGS_OF_A_REF: usize = 1_000;

/// Decisions that were given up and may still land, of which the ledger's state knows for a day. Each is a push that was killed; of more,
/// the oldest are forgotten, and would be refs that moved with no decision if they landed after all.
pub const GIVEN_UP_DECISIONS: usize = 1_000;

/// Agents by which findings that are only counted are told apart. A pusher can name any number of them.
pub const NAMED_AGENTS: usize = 8;

/// Findings that the ledger keeps of one ref update, and characters of each one's text; of more, the number and the digest.
pub const RECORDED_FINDINGS: usize = 20;

/// Bytes of JSON that the findings of one decision take in the ledger: some thousand of them. Of the others, each ref has the number.
pub const RECORDED_FINDINGS_BYTES: usize = 256 << 10;

/// Bytes of JSON in which the ledger tells apart, by rule and by who made the commits, what it leaves out of one ref update, and again
/// by rule alone: some fifty kinds each, which leaves room in an entry for the codes without them.
pub const RECORDED_KINDS_BYTES: usize = 6 << 10;

/// Bytes of JSON that the refs of a refused push take in the ledger: some 4,000 of them. Nothing came of it, so the others are
/// counted.
pub const REFUSED_REFS_BYTES: usize = 1 << 20;

/// Bytes of one approval: that of [`APPROVED_COMMITS`] is about 1.5 MiB.
pub const APPROVAL_BYTES: usize = 4 << 20;

/// Commits of one approval. What a person cannot look at in one sitting is not approved in one record.
pub const APPROVED_COMMITS: usize = 5_000;

/// Bytes of a file that is merged again, or compared with others to find renames, to tell whether a merge is clean: a source file
/// of this size is generated. As for the next ones: a merge that has more counts as not clean, and is approved as it is.
pub const MERGED_BYTES: u64 = 2 << 20;

/// Steps of the diffs of such a file, at 2 to 4 nanoseconds each. One of 50,000 lines with 500 changes takes 40,000,000; one made to be
/// slow any number.
pub const MERGE_STEPS: usize = 100_000_000;

/// Steps that take as long as reading a byte.
pub const MERGE_STEPS_A_BYTE: usize = 4;

/// Bytes of such files in one push, and steps of their diffs.
pub const MERGED_BYTES_IN_ALL: u64 = 96 << 20;

/// Paths that it takes to tell what a merge makes, at about 300 bytes each.
pub const MERGED_PATHS: usize = 50_000;

/// Pairs of files that are compared to find the renames of one side. Git compares 49,000,000.
pub const RENAME_PAIRS: usize = 1_000_000;

/// Pieces of files that are remembered to compare them, at 8 bytes each.
pub const RENAME_PIECES: usize = 1_000_000;

/// Merges that it takes to make the merge base of one, where branches merged each other again and again.
pub const VIRTUAL_BASES: usize = 32;

/// Commits that are read, as for [`WALK_READS`], to find what such a merge base is made of.
pub const VIRTUAL_READS: usize = 50_000;

/// Bytes of the trees and files in such a merge base that differ from what is stored.
pub const VIRTUAL_BYTES: usize = 8 << 20;

/// Bytes of one order. The reason takes at most 2 KiB, and a signature by RSA of 16384 bits 4.3 KiB, both in base64.
pub const ORDER_BYTES: usize = 16 << 10;

/// Orders of one person or agent that are stored at a time, what is over apart: a revoked grant each, of a week's tasks of a busy team.
pub const ORDERS_OF_ONE: usize = 1_000;

/// Bytes of JSON that the stored orders of one person or agent take: some 1,500 each.
pub const ORDERS_OF_ONE_BYTES: u64 = 2 << 20;

/// Orders that one push may bring.
pub const ORDERS: usize = 5_000;

/// Records of approvals that one push may bring, and signatures on them that are verified for one ref.
pub const APPROVALS: usize = 20_000;

/// Seconds by which an approver's clock may be ahead of the server's before an approval counts as issued in the future.
pub const CLOCK_SKEW: i64 = 60;
