//! The strict reading of commits and trailers against what git and libgit2 make of the same bytes.

use countersign::core::commit::Commit;
use countersign::core::oid::{ObjectFormat, Oid};

use super::{objects, oid};
use crate::world::{ALICE, CLAUDE, World};

/// Commits as git and other tools leave them, signed and merged.
fn real_commits(world: &World) -> Vec<String> {
    let mut commits = vec![world.commit("a", "1", "Root\n")];
    for message in
        ["", "One line without its end", "Subject\n\nBody\n\n\n", "\n\nLate subject\n", "caf\u{e9}\n", "a\rb\n"]
    {
        world.commit("a", message, "x\n");
        commits.push(world.reword(message));
    }
    let idents = [
        ("Ann Example", "ann@x.dev", "1700000000 +0530"),
        ("\u{c4}nn \u{1f980}", "", "@0 +0000"),
        ("a, b; c \"d\" (e)", "x y", "@4102444800 -1130"),
        ("O'Neil-Ng the 3rd", "o'neil+tag@sub.x.dev", "1234567890 +1400"),
        ("Ng\tAnn \r\u{7}B", "ann@x.dev", "1700000000 +0530"),
    ];
    for (name, email, date) in idents {
        let mut command = world.command("git", &world.clone_dir());
        command.args(["commit", "-q", "--allow-empty", "-m", "Whoever"]);
        command.env("GIT_AUTHOR_NAME", name).env("GIT_AUTHOR_EMAIL", email).env("GIT_AUTHOR_DATE", date);
        command.env("GIT_COMMITTER_NAME", name).env("GIT_COMMITTER_EMAIL", email).env("GIT_COMMITTER_DATE", date);
        let output = world.run(command, None);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        commits.push(world.git(&["rev-parse", "HEAD"]));
    }
    world.git(&["-c", "i18n.commitEncoding=latin-1", "commit", "-q", "--allow-empty", "-m", "encoded"]);
    commits.push(world.git(&["rev-parse", "HEAD"]));
    world.commit("a", "signed", "Signed\n\nwith a body\n");
    commits.push(world.sign_head(ALICE));
    commits.push(world.seal_head(CLAUDE));

    // A merge of a signed tag keeps the tag, signature and all, in a header of several lines.
    let key = world.path("key");
    world.write_executable(&key, &ALICE.key().to_openssh("alice").unwrap());
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    world.git(&["checkout", "-q", "-b", "side", "HEAD~3"]);
    world.commit("b", "side", "Side\n");
    let config = format!("user.signingKey={}", key.display());
    let sign = ["-c", "gpg.format=ssh", "-c", &config];
    world.git(&[&sign[..], &["tag", "-s", "-m", "Signed tag", "v1"]].concat());
    world.git(&["checkout", "-q", "-b", "other", "main~2"]);
    world.commit("c", "other", "Other\n");
    world.git(&["checkout", "-q", "main"]);
    world.git(&[&sign[..], &["merge", "-q", "--no-ff", "-S", "-m", "Octopus", "v1", "other"]].concat());
    commits.push(world.git(&["rev-parse", "HEAD"]));
    commits
}

#[test]
fn a_commit_reads_as_libgit2_reads_it() {
    let world = World::with("version = 1\nrepository = \"acme/payments\"\n", "sha1");
    let commits = real_commits(&world);
    let objects = objects(&world);
    let repository = git2::Repository::open(world.clone_dir()).unwrap();
    let (mut signatures, mut merges, mut encodings) = (0, 0, 0);
    for id in commits {
        let raw = objects.commit(oid(&id)).unwrap();
        assert_eq!(*raw, world.raw("commit", &id));
        let ours = Commit::parse(&raw, ObjectFormat::Sha1).unwrap();
        let theirs_id = git2::Oid::from_str(&id).unwrap();
        let theirs = repository.find_commit(theirs_id).unwrap();
        let same = |id: git2::Oid| Oid::from_bytes(id.as_bytes()).unwrap();
        assert_eq!(ours.tree, same(theirs.tree_id()));
        assert_eq!(ours.parents, theirs.parent_ids().map(same).collect::<Vec<_>>());
        assert_eq!(ours.encoding, theirs.message_encoding().unwrap().map(str::as_bytes));
        assert_eq!(ours.message, theirs.message_raw_bytes());
        for (ours, theirs) in [(ours.author, theirs.author()), (ours.committer, theirs.committer())] {
            assert_eq!((ours.name, ours.email), (theirs.name_bytes(), theirs.email_bytes()));
        }
        let signature = repository.extract_signature(&theirs_id, None).ok();
        assert_eq!(
            ours.signature.as_ref().map(|ours| (ours.armor.as_slice(), ours.payload.as_slice())),
            signature.as_ref().map(|(armor, payload)| (&**armor, &**payload)),
        );
        signatures += usize::from(ours.signature.is_some());
        merges += usize::from(ours.parents.len() == 3 && raw.windows(10).any(|bytes| bytes == b"\nmergetag "));
        encodings += usize::from(ours.encoding.is_some());
    }
    assert_eq!((signatures, merges, encodings), (3, 1, 1));
}

/// What old histories and other tools hold, that git writes no more and reads in one way. libgit2 looks for the brackets of an
/// ident from its end, so where there are several it may name somebody else; then we look at both.
#[test]
fn odd_commits_read_as_git_reads_them() {
    let world = World::with("version = 1\nrepository = \"acme/payments\"\n", "sha1");
    world.commit("a", "1", "Plain\n");
    let (headers, message) = world.head();
    let author = "author Alice Ng <alice@acme.dev> 1700000000 +0000";
    let with_author = |ident: &str| headers.replace(author, &format!("author {ident}"));
    let repository = git2::Repository::open(world.clone_dir()).unwrap();
    for (headers, several) in [
        (format!("{headers}\nHG:rename a:b\nHG:rename c:d\nHG:extra x:1\nHG:extra y:2"), false),
        (format!("{headers}\nx 1\nencoding UTF-8\nx 2"), false),
        (with_author("A B <a@x> 1313584730 +051800"), false),
        (with_author("A B <a@x> 1313584730 +00000"), false),
        (with_author("A B <a@x> -1 +0000"), false),
        (with_author("A\tB <a@x> 1 +0000"), false),
        (with_author("A B\t <a@x> 1 +0000"), false),
        (with_author("A B<a@x> 1 +0000"), false),
        (with_author("A > B <a@x> 1 +0000"), false),
        (with_author("<a@x> 1 +0000"), false),
        (with_author("A B <a@x>> 1 +0000"), true),
        (with_author("A B <<a@x>> 1 +0000"), true),
        (with_author("A B <a@x <b@x> 1 +0000"), true),
        (with_author("A B <a@x> <b@x> 1 +0000"), true),
    ] {
        let id = world.store("commit", format!("{headers}\n\n{message}").as_bytes());
        let raw = world.raw("commit", &id);
        let ours = Commit::parse(&raw, ObjectFormat::Sha1).unwrap();
        let git = world.git(&["log", "-1", "--encoding=UTF-8", "--format=format:%T%n%an%n%ae%n%cn%n%ce%n%s", &id]);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let Commit { author, committer, .. } = &ours;
        let idents = [author.name, author.email, committer.name, committer.email].map(text).join("\n");
        assert_eq!(git, format!("{}\n{idents}\n{}", ours.tree, message.trim_end()), "{headers}");
        let theirs = repository.find_commit(git2::Oid::from_str(&id).unwrap()).unwrap();
        let theirs = theirs.author();
        let same = (author.name, author.email) == (theirs.name_bytes(), theirs.email_bytes());
        assert!(same || several, "{headers}");
        let theirs = text(theirs.email_bytes());
        assert!(author.address().is(theirs.trim_matches(['<', '>'])), "{headers}: libgit2 reads {theirs}");
    }
}

#[test]
fn git_verifies_the_signatures_that_we_read_and_make() {
    for format in ["sha1", "sha256"] {
        let world = World::with("version = 1\nrepository = \"acme/payments\"\n", format);
        let signers = world.path("signers");
        std::fs::write(&signers, format!("alice@acme.dev {}\n", ALICE.line())).unwrap();
        world.commit("a", "1", "Signed by us\n\nBody\n");
        world.sign_head(ALICE);
        let config = format!("gpg.ssh.allowedSignersFile={}", signers.display());
        world.git(&["-c", &config, "verify-commit", "HEAD"]);
    }
}
