//! Proofs of the ledger, for whoever trusts nobody here: a second verifier, a static server, witnesses.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base64ct::{Base64, Encoding as _};
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};

use crate::approvals::ProtectedServer;
use crate::world::{AGENTS_EVERYWHERE, World};

/// Runs the program in the clone; what it printed, and its exit code.
fn run(world: &World, words: &[&str]) -> (String, Option<i32>) {
    let output = world.countersign(words);
    (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), output.status.code())
}

fn log(world: &World, words: &[&str]) -> (String, Option<i32>) {
    let server = world.server().display().to_string();
    run(world, &[&["log"], words, &["--server", &server]].concat())
}

#[track_caller]
fn done(said: (String, Option<i32>)) -> String {
    assert_eq!(said.1, Some(0), "{}", said.0);
    said.0
}

/// Proves something of the server's ledger. Returns the file.
#[track_caller]
fn prove(world: &World, words: &[&str]) -> String {
    let file = world.path("it.tlog-proof").display().to_string();
    done(log(world, &[&["prove"], words, &["--out", &file]].concat()));
    file
}

fn key(world: &World) -> String {
    world.ledger().join("key.pub").display().to_string()
}

fn check(world: &World, file: &str, words: &[&str]) -> (String, Option<i32>) {
    run(world, &[&["verify-proof", file, "--key", &key(world)], words].concat())
}

/// The verifier in another language, over a proof and each file that differs from it in one byte.
fn foreign(world: &World, words: &[&str]) -> (String, Option<i32>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/verify_proof.py");
    let mut command = world.command("python3", &world.path(""));
    command.arg(script).args(words);
    let output = world.run(command, None);
    (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), output.status.code())
}

/// Work of an agent that bob approved and that landed on main.
fn landed() -> (ProtectedServer, String) {
    let setup = ProtectedServer::at_work();
    setup.push(&["work:refs/heads/retry"]).accepted();
    setup.approve("work");
    setup.push_main("work").accepted();
    let commit = setup.git(&["rev-parse", "work"]);
    (setup, commit)
}

#[test]
fn a_deploy_job_asks_the_proof_and_nobody_else() {
    let (setup, commit) = landed();
    let file = prove(&setup, &[&commit, "--ref", "main"]);
    let said = done(check(
        &setup,
        &file,
        &["--ref", "main", "--commit", &commit, "--require", "approvals=1,independent,enforced"],
    ));
    for part in [
        "countersign/acme/payments: entry",
        "refs/heads/main",
        "landed   20",
        "work     2 of claude-code",
        "sealed   by claude-code",
        "approved by bob, key SHA256:",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let other = setup.git(&["rev-parse", "work~2"]);
    for (words, why) in [
        (vec!["--ref", "main", "--commit", &other], "says nothing of"),
        (vec!["--ref", "retry", "--commit", &commit], "says nothing of refs/heads/retry"),
        (vec!["--require", "approvals=2"], "1 of 2 approvals"),
        (vec!["--require", "witnesses=1"], "0 of 1 witnesses"),
        (vec!["--repository", "acme/other"], "it is of countersign/acme/payments"),
    ] {
        let (said, code) = check(&setup, &file, &words);
        assert!(code == Some(1) && said.contains(why), "{words:?}: {said}");
    }
    // The branch landed with no approval, and is proved to have.
    let branch = prove(&setup, &[&commit, "--ref", "retry"]);
    done(check(&setup, &branch, &["--ref", "retry", "--commit", &commit]));
    assert_eq!(check(&setup, &branch, &["--ref", "retry", "--commit", &commit, "--require", "approvals=1"]).1, Some(1));
    // Another ledger's key has not signed it.
    let stranger = World::new("");
    std::fs::remove_file(stranger.server().join("hooks/pre-receive")).unwrap();
    stranger.install(&[]);
    assert_eq!(check(&stranger, &file, &[]).1, Some(1));
    let (said, code) = log(&setup, &["prove", "abcdef12", "--out", "-"]);
    assert!(code == Some(2) && said.contains("no entry of this ledger is about it"), "{said}");
}

/// The file stands alone: an independent reading of the documents verifies it, and not with any one byte changed; so does ours.
#[test]
fn no_byte_of_a_proof_can_change() {
    let (setup, commit) = landed();
    let file = prove(&setup, &[&commit, "--ref", "main"]);
    let said = done(foreign(&setup, &["--flip", &file, &key(&setup)]));
    assert!(said.contains("3 of") || said.contains("2 of"), "{said}");
    let bytes = std::fs::read(&file).unwrap();
    assert!(said.contains(&format!("{} changed files refused", bytes.len())), "{said}");
    let line = std::fs::read_to_string(key(&setup)).unwrap();
    let (public, _) = countersign::core::ssh::PublicKey::parse_line(line.trim_end()).unwrap();
    let verify = |bytes: &[u8]| {
        countersign::ledger::proof::ClaimedProof::parse(bytes).and_then(|claimed| claimed.verify(&public))
    };
    let proven = verify(&bytes).unwrap();
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        // What git stores of a commit is held against its id by the command.
        if let Ok(other) = verify(&changed) {
            assert_ne!(other.commit(), proven.commit(), "byte {place}");
            if place % 97 != 0 {
                continue;
            }
            std::fs::write(setup.path("changed"), &changed).unwrap();
            assert_eq!(check(&setup, &setup.path("changed").display().to_string(), &[]).1, Some(1), "byte {place}");
        }
    }
}

/// What was closed is proved by what goes on from it, under another key too.
#[test]
fn a_proof_reaches_over_generations() {
    let (setup, commit) = landed();
    let server = setup.server().display().to_string();
    done(run(&setup, &["ledger", "rotate", "--server", &server]));
    done(run(&setup, &["ledger", "rotate", "--new-key", "--server", &server]));
    let file = prove(&setup, &[&commit, "--ref", "main"]);
    let said = done(check(&setup, &file, &["--ref", "main", "--commit", &commit, "--require", "approvals=1,distinct"]));
    assert!(said.contains("by 2 later generations"), "{said}");
    let text = done(foreign(&setup, &["--flip", &file, &key(&setup)]));
    assert!(text.contains("changed files refused"), "{text}");
    // Whoever has the key of that time alone is handed the closed log's own proof.
    let closed = setup.ledger().join("generations/0");
    let own = setup.path("own").display().to_string();
    done(run(
        &setup,
        &["log", "prove", &commit, "--ref", "main", "--ledger", &closed.display().to_string(), "--out", &own],
    ));
    let old = closed.join("key.pub").display().to_string();
    done(run(&setup, &["verify-proof", &own, "--key", &old, "--commit", &commit]));
    assert_eq!(check(&setup, &own, &[]).1, Some(1), "the new key did not sign that");
    // Entries by number, of each generation.
    for number in ["0", "0:0", "1:2", "2:2"] {
        done(check(&setup, &prove(&setup, &[number]), &[]));
    }
}

#[test]
fn a_refused_push_and_an_approval_are_proved_too() {
    let (setup, _) = landed();
    let digest = std::fs::read_to_string(setup.ledger().join("log")).unwrap();
    let digest = digest.split("\"approver\":\"bob\",\"digest\":\"").nth(1).unwrap()[..71].to_owned();
    let said = done(check(&setup, &prove(&setup, &[&digest]), &["--require", "approvals=1"]));
    assert!(said.contains(&digest), "{said}");
    setup.git(&["checkout", "-q", "-b", "more", "work"]);
    let commit = setup.commit("more", "1", "More\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n");
    setup.push(&["more:refs/heads/main"]).refused("unsealed-agent-commit");
    let file = prove(&setup, &[&commit]);
    assert!(done(check(&setup, &file, &[])).contains("rejected"));
    let (said, code) = check(&setup, &file, &["--commit", &commit]);
    assert!(code == Some(1) && said.contains("did not move by that decision"), "{said}");
    // By what it would have moved.
    let (old, new) = (setup.git(&["rev-parse", "work"]), &commit);
    assert!(done(check(&setup, &prove(&setup, &[&format!("main@{old}..{new}")]), &[])).contains("rejected"));
}

/// A log whose records have no notes is signed once, by its owner; then a proof needs no private key.
#[test]
fn an_older_log_is_signed_once() {
    let world = World::new("");
    long_ledger(&world.path("old"), 0);
    let (ledger, file) = (world.path("old").display().to_string(), world.path("it").display().to_string());
    let words = ["log", "prove", "0", "--out", &file, "--ledger", &ledger];
    let (said, code) = run(&world, &words);
    assert!(code == Some(2) && said.contains("countersign log checkpoint --server"), "{said}");
    done(run(&world, &["log", "checkpoint", "--ledger", &ledger]));
    std::fs::remove_file(world.path("old/key")).unwrap();
    done(run(&world, &words));
    let key = world.path("old/key.pub").display().to_string();
    let said = done(run(&world, &["verify-proof", &file, "--key", &key]));
    assert!(said.contains("an entry of kind opened"), "{said}");
}

#[test]
fn a_log_is_held_against_a_checkpoint() {
    let world = World::new(AGENTS_EVERYWHERE);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&[]);
    world.commit("a", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    let copy = world.path("copy");
    std::process::Command::new("cp").arg("-a").arg(world.server()).arg(&copy).status().unwrap();
    let kept = world.path("kept").display().to_string();
    done(log(&world, &["checkpoint", "--out", &kept]));
    world.commit("b", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    assert!(done(log(&world, &["verify", "--since", &kept])).contains("goes on from it"));
    let later = world.path("later").display().to_string();
    done(log(&world, &["checkpoint", "--out", &later]));
    // The copy was cut, to whoever knows the later head.
    let ledger = copy.join("countersign/ledger").display().to_string();
    let (said, code) = run(&world, &["log", "verify", "--ledger", &ledger, "--since", &later]);
    assert!(code == Some(1) && said.contains("signed another log"), "{said}");
    done(run(&world, &["log", "verify", "--ledger", &ledger, "--since", &kept]));
    // A rotation leaves it standing; another ledger's is none of it.
    done(run(&world, &["ledger", "rotate", "--server", &world.server().display().to_string()]));
    done(log(&world, &["verify", "--since", &kept]));
    let (other, _) = landed();
    let (said, code) = log(&other, &["verify", "--since", &kept]);
    assert!(code == Some(1) && said.contains("no key of this ledger has signed"), "{said}");
}

/// Answers one request after another from a directory, as any static web server.
fn serve(directory: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (path, _) = request(&mut stream);
            match std::fs::read(directory.join(path.trim_start_matches('/'))) {
                Ok(body) => answer(&mut stream, 200, &body),
                Err(_) => answer(&mut stream, 404, b""),
            }
        }
    });
    address
}

/// The path and the body of a request.
fn request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (first.split(' ').nth(1).unwrap().to_owned(), body)
}

fn answer(stream: &mut TcpStream, status: u16, body: &[u8]) {
    let head = format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
}

/// Asks over HTTP. The status and the body.
fn http(address: &str, path: &str, body: Option<&[u8]>) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    let (method, body) = body.map_or(("GET", &[][..]), |body| ("POST", body));
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let split = all.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let status = std::str::from_utf8(&all[9..12]).unwrap().parse().unwrap();
    (status, all[split + 4..].to_vec())
}

/// Reads tiles as Cloudflare's library asks for them.
struct Served(String);

impl tlog_tiles::TileReader for Served {
    fn height(&self) -> u8 {
        8
    }
    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::tlog::Error> {
        let read = |tile: &tlog_tiles::Tile| {
            let (status, body) = http(&self.0, &format!("/{}", tile.path().replacen("tile/8/", "tile/", 1)), None);
            assert_eq!(status, 200, "{}", tile.path());
            body
        };
        Ok(tiles.iter().map(read).collect())
    }
    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

/// A ledger of many entries, which are written without git.
fn long_ledger(directory: &Path, pushes: u64) {
    let name = countersign::core::id::RepositoryName::parse(b"acme/long").unwrap();
    let (key, now) = (countersign::core::ssh::PrivateKey::from_seed(&[7; 32]).unwrap(), 1_795_489_864);
    append(
        &countersign::ledger::Ledger::create(directory, &name, key, countersign::core::decide::Timestamp(now)).unwrap(),
        pushes,
    );
}

/// Appends refused pushes.
fn append(ledger: &countersign::ledger::Ledger, pushes: u64) {
    use countersign::core::canonical::{CanonicalOid, RefName};
    use countersign::core::decide::Timestamp;
    use countersign::core::oid::Oid;
    use countersign::ledger::{Attempt, CurrentRefs, LedgerError, Outcome, UpdateRecord};
    struct NoRefs;
    impl CurrentRefs for NoRefs {
        fn packed_stamp(&self) -> Result<String, LedgerError> {
            Ok("none".to_owned())
        }
        fn loose(&self) -> Result<std::collections::BTreeMap<Vec<u8>, Oid>, LedgerError> {
            Ok(std::collections::BTreeMap::new())
        }
        fn each(&self, _: &mut dyn FnMut(&[u8], Oid)) -> Result<(), LedgerError> {
            Ok(())
        }
        fn value(&self, _: &[u8]) -> Result<Option<Oid>, LedgerError> {
            Ok(None)
        }
    }
    for push in 0..pushes {
        let update = UpdateRecord {
            name: RefName(b"refs/heads/main"[..].into()),
            old: None,
            new: Some(CanonicalOid(Oid::from_bytes(&[u8::try_from(push % 200).unwrap() + 1; 20]).unwrap())),
            commits: 1,
            outcome: Outcome::Accepted,
            findings: Vec::new(),
            left_out: None,
            work: Vec::new(),
            approvals: Vec::new(),
            order: None,
            overrides: Vec::new(),
        };
        let attempt = Attempt {
            counted: Vec::new(),
            now: Timestamp(1_795_489_864 + i64::try_from(push).unwrap()),
            outcome: Outcome::Rejected,
            policy: None,
            submitter: None,
            error: None,
            freezes: None,
            updates: Box::new(vec![update]),
            suspects: Vec::new(),
        };
        ledger.decide(attempt, &NoRefs).unwrap();
    }
}

/// A static server hands out a log that Cloudflare's library reads, tile by tile, and holds against the checkpoint.
#[test]
fn tiles_that_a_static_server_serves_verify() {
    use tlog_tiles::tlog::{Hash, check_record, prove_record, record_hash};
    let world = World::new("");
    let ledger = world.path("long");
    long_ledger(&ledger, 600);
    let (tiles, ledger) = (world.path("tiles"), ledger.display().to_string());
    let words = ["log", "export", "--ledger", &ledger, "--tiles", tiles.to_str().unwrap()];
    let said = done(run(&world, &words));
    assert!(said.contains("602 entries, 7 files written"), "{said}");
    assert!(done(run(&world, &words)).contains(" 0 files written"), "what is there is left");
    let address = serve(tiles);
    let (_, note) = http(&address, "/checkpoint", None);
    let note = signed_note::Note::from_bytes(&note).unwrap();
    let head = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    let served = Served(address.clone());
    let reader = tlog_tiles::TileHashReader::new(head.size(), *head.hash(), &served);
    let mut entries = Vec::new();
    for path in ["/tile/entries/000", "/tile/entries/001", "/tile/entries/002.p/90"] {
        let (status, mut bundle) = http(&address, path, None);
        assert_eq!(status, 200, "{path}");
        while !bundle.is_empty() {
            let size = usize::from(u16::from_be_bytes([bundle[0], bundle[1]]));
            entries.push(bundle[2..2 + size].to_vec());
            bundle.drain(..2 + size);
        }
    }
    assert_eq!(u64::try_from(entries.len()), Ok(head.size()));
    for index in [0, 1, 255, 256, 511, 512, 601_u64] {
        let proof = prove_record(head.size(), index, &reader).unwrap();
        let hash: Hash = record_hash(&entries[usize::try_from(index).unwrap()]);
        check_record(&proof, head.size(), *head.hash(), index, hash).unwrap();
    }
}

/// A witness as C2SP's tlog-witness has it: it cosigns what goes on from what it has seen, and nothing else.
struct Witness {
    name: &'static str,
    key: SigningKey,
    seen: Mutex<std::collections::BTreeMap<String, (u64, [u8; 32])>>,
}

impl Witness {
    fn start(name: &'static str, seed: u8) -> (String, String) {
        let witness = Arc::new(Self { name, key: SigningKey::from_bytes(&[seed; 32]), seen: Mutex::default() });
        let point = witness.key.verifying_key().to_bytes();
        let hex: String = witness.id().iter().map(|byte| format!("{byte:02x}")).collect();
        let vkey = format!("{name}+{hex}+{}", Base64::encode_string(&[&[4][..], &point].concat()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (_, body) = request(&mut stream);
                let (status, answered) = witness.add(std::str::from_utf8(&body).unwrap());
                answer(&mut stream, status, answered.as_bytes());
            }
        });
        (address, vkey)
    }

    fn id(&self) -> [u8; 4] {
        let digest = Sha256::new().chain_update(self.name).chain_update([b'\n', 4]);
        digest.chain_update(self.key.verifying_key().to_bytes()).finalize()[..4].try_into().unwrap()
    }

    fn add(&self, body: &str) -> (u16, String) {
        use tlog_tiles::tlog::{Hash, check_tree};
        let (head, note) = body.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
        let proof: Vec<Hash> = lines.map(|line| Hash(Base64::decode_vec(line).unwrap().try_into().unwrap())).collect();
        let note = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
        let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
        let mut seen = self.seen.lock().unwrap();
        let (known, root) = seen.get(checkpoint.origin()).copied().unwrap_or((0, [0; 32]));
        if known != old {
            return (409, format!("{known}\n"));
        }
        let goes_on = match old {
            0 => proof.is_empty(),
            old if old == checkpoint.size() => proof.is_empty() && root == checkpoint.hash().0,
            old => check_tree(&proof, checkpoint.size(), *checkpoint.hash(), old, Hash(root)).is_ok(),
        };
        if !goes_on {
            return (422, String::new());
        }
        seen.insert(checkpoint.origin().to_owned(), (checkpoint.size(), checkpoint.hash().0));
        let message = [b"cosignature/v1\ntime 1795500000\n", note.text()].concat();
        let signature = self.key.sign(&message).to_bytes();
        let bytes = [&self.id()[..], &1_795_500_000_u64.to_be_bytes(), &signature].concat();
        (200, format!("\u{2014} {} {}\n", self.name, Base64::encode_string(&bytes)))
    }
}

/// Witnesses vouch for one history: a fork of it is not cosigned, and who asks out of turn is told what is known.
#[test]
fn witnesses_cosign_one_history() {
    let (setup, commit) = landed();
    let (address, vkey) = Witness::start("witness.example/1", 31);
    let path = |name: &str| setup.path(name).display().to_string();
    let (head, asked, answered) = (path("head"), path("asked"), path("answered"));
    let ask = |ledger: &Path, old: &str| {
        done(run(
            &setup,
            &["log", "checkpoint", "--ledger", &ledger.display().to_string(), "--request", old, "--out", &asked],
        ));
        http(&address, "/add-checkpoint", Some(&std::fs::read(&asked).unwrap()))
    };
    let fork = setup.path("fork.git");
    std::process::Command::new("cp").arg("-a").arg(setup.server()).arg(&fork).status().unwrap();
    let forked = fork.join("countersign/ledger");
    let (status, first) = ask(&setup.ledger(), "0");
    assert_eq!(status, 200);
    done(log(&setup, &["checkpoint", "--out", &head]));
    let size = std::fs::read_to_string(&head).unwrap().lines().nth(1).unwrap().to_owned();
    std::fs::write(&answered, first).unwrap();
    // A proof with the head that was cosigned.
    let words = [commit.as_str(), "--ref", "main", "--checkpoint", &head, "--cosignature", &answered];
    let file = prove(&setup, &words);
    let said = done(check(&setup, &file, &["--require", "witnesses=1,approvals=1", "--witness", &vkey]));
    assert!(said.contains("cosigned by witness.example/1 at 2026-11-24T06:00:00Z"), "{said}");
    assert_eq!(
        check(&setup, &file, &["--require", "witnesses=2", "--witness", &vkey, "--witness", &vkey]).1,
        Some(1),
        "one is one"
    );
    let (_, other) = Witness::start("witness.example/1", 32);
    assert_eq!(
        check(&setup, &file, &["--require", "witnesses=1", "--witness", &other]).1,
        Some(1),
        "of that name, and another key"
    );
    std::fs::write(path("keys"), format!("# ours\n{vkey}\n")).unwrap();
    done(check(&setup, &file, &["--require", "witnesses=1", "--witness", &path("keys")]));
    // A wrong cosignature is none.
    let wrong = std::fs::read_to_string(&answered).unwrap().replace("A=\n", "B=\n").replacen("AAAA", "AAAB", 1);
    std::fs::write(path("wrong"), wrong).unwrap();
    let file = prove(&setup, &[commit.as_str(), "--checkpoint", &head, "--cosignature", &path("wrong")]);
    assert_eq!(check(&setup, &file, &["--require", "witnesses=1", "--witness", &vkey]).1, Some(1));
    done(check(&setup, &file, &[]));
    // The log goes on, and the witness with it; who says that it knows less is told what it knows.
    setup.git(&["checkout", "-q", "-b", "next", "work"]);
    setup.commit("next", "1", "By hand\n");
    setup.push(&["next:refs/heads/next"]).accepted();
    assert_eq!(ask(&setup.ledger(), "0"), (409, format!("{size}\n").into_bytes()));
    assert_eq!(ask(&setup.ledger(), &size).0, 200);
    // A fork of the log, under the same key, is not what the witness has seen.
    append(&countersign::ledger::Ledger::open(&forked).unwrap(), 9);
    let known = std::fs::read_to_string(setup.ledger().join("log")).unwrap().lines().count().to_string();
    assert_eq!(ask(&forked, &known).0, 422);
    let (said, code) =
        run(&setup, &["log", "checkpoint", "--ledger", &forked.display().to_string(), "--request", "900"]);
    assert!(code == Some(2) && said.contains("and the witness more: 900"), "{said}");
}

/// To a witness that is somebody else's, a log has a name that says nothing.
#[test]
fn an_origin_can_be_opaque() {
    let (setup, commit) = landed();
    let head = setup.path("opaque").display().to_string();
    done(log(&setup, &["checkpoint", "--opaque", "--out", &head]));
    let text = std::fs::read_to_string(&head).unwrap();
    assert!(!text.contains("acme") && !text.contains("payments"), "{text}");
    let file = prove(&setup, &[&commit, "--ref", "main", "--checkpoint", &head]);
    let said = done(check(&setup, &file, &["--commit", &commit, "--require", "approvals=1"]));
    assert!(said.starts_with(text.lines().next().unwrap()), "{said}");
    assert_eq!(check(&setup, &file, &["--repository", "acme/payments"]).1, Some(1));
    done(foreign(&setup, &[&file, &key(&setup)]));
    done(log(&setup, &["verify", "--since", &head]));
    // Each generation is another log to a witness, and has another name.
    done(run(&setup, &["ledger", "rotate", "--server", &setup.server().display().to_string()]));
    let next = done(log(&setup, &["checkpoint", "--opaque"]));
    assert_ne!(next.lines().next(), text.lines().next());
}
