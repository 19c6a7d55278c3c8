//! Where a signed record goes: to the remote, into this clone, or to a file.

use std::path::Path;

use crate::core::digest::Digest;
use crate::system::process::git;
use crate::system::{Failure, Result, disk, print};

/// The name of its ref, and the record.
pub(crate) type Record = (String, String);

/// Writes the one record to a file.
pub(crate) fn to_file(file: &Path, records: &[Record]) -> Result<()> {
    let [(place, record)] = records else {
        return Err(Failure::new("--out holds one record, and there are several").hint("name one ref with --for"));
    };
    let failed = |error| Failure::new(format!("cannot write {}: {error}", file.display()));
    disk::write(file, record).map_err(failed)?;
    let file = file.display();
    print(&format!("written to {file}; to deliver it: git push REMOTE +$(git hash-object -w {file}):{place}\n"))
}

/// Stores the records in this clone.
pub(crate) fn to_clone(records: &[Record], remote: &str) -> Result<()> {
    for (place, record) in records {
        let blob = stored(record)?;
        git(&["update-ref", place, &blob]).run()?;
        print(&format!("stored as {place}; to deliver it: git push {remote} +{place}\n"))?;
    }
    Ok(())
}

/// Pushes the records, all or none of them, and keeps them in this clone too.
pub(crate) fn to_remote(records: &[Record], remote: &str) -> Result<()> {
    let mut blobs = Vec::new();
    for (place, record) in records {
        blobs.push((stored(record)?, place.clone()));
    }
    let refspecs: Vec<String> = blobs.iter().map(|(blob, place)| format!("+{blob}:{place}")).collect();
    let mut arguments = vec!["push", "--quiet", "--no-verify"];
    if refspecs.len() > 1 {
        arguments.push("--atomic");
    }
    arguments.push(remote);
    arguments.extend(refspecs.iter().map(String::as_str));
    git(&arguments)
        .run()
        .map_err(|failure| failure.hint("it is signed and not delivered; --no-push keeps it in this clone"))?;
    for ((blob, place), (_, record)) in blobs.iter().zip(records) {
        git(&["update-ref", place, blob]).run()?;
        print(&format!("delivered to {remote} as {place} (record sha256:{})\n", Digest::of(record.as_bytes())))?;
    }
    Ok(())
}

fn stored(record: &str) -> Result<String> {
    git(&["hash-object", "-w", "--stdin"]).input(record.as_bytes()).line()
}
