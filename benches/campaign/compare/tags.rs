//! The fields of annotated tags: `git cat-file`, `git for-each-ref` and libgit2.

use countersign::core::commit::Tag;

use super::foreign_id;
use crate::history::World;
use crate::ours::Ours;
use crate::tally::Tally;

pub fn compare(world: &World, ours: &Ours, libgit2: Option<&git2::Repository>, tally: &mut Tally) {
    for (kind, id) in &world.tags {
        let at = || format!("world {}, tag {id}", world.seed);
        let raw = ours.tag(*id).unwrap();
        let tag = match Tag::parse(&raw, world.repository.format) {
            Ok(tag) => tag,
            Err(reason) => {
                tally.differs(&format!("tag {kind}: refused"), || format!("{}: {reason}", at()));
                continue;
            }
        };
        let tagger = tag.tagger.map_or([b"".as_slice(); 2], |tagger| [tagger.name, tagger.email]).map(<[u8]>::to_vec);
        let [name, email] = tagger;
        let own = [tag.object.to_string().into_bytes(), tag.name.to_vec(), name, email, tag.message.to_vec()];
        tally.compared("tags: fields, git for-each-ref");
        let name = "refs/tags/compared";
        world.repository.git(&["update-ref", name, &id.to_string()]);
        let format = "--format=%(object)%00%(tag)%00%(taggername)%00%(taggeremail:trim)%00%(contents)";
        let git = world.repository.git(&["for-each-ref", format, name]);
        let whole = [own.join(&0), tag.signature.map_or_else(Vec::new, |own| own.armor), b"\n".to_vec()].concat();
        if git != whole {
            let example = || format!("{}: {} and {}", at(), whole.escape_ascii(), git.escape_ascii());
            tally.differs(&format!("git for-each-ref, a tag {kind}"), example);
        }
        let Some(repository) = libgit2 else { continue };
        tally.compared("tags: fields, libgit2");
        let theirs = repository.find_tag(foreign_id(*id)).unwrap();
        let tagger = theirs.tagger();
        let tagger = tagger.as_ref().map_or([b"".as_slice(); 2], |tagger| [tagger.name_bytes(), tagger.email_bytes()]);
        let [name, email] = tagger.map(<[u8]>::to_vec);
        let theirs = [
            theirs.target_id().to_string().into_bytes(),
            theirs.name_bytes().to_vec(),
            name,
            email,
            theirs.message_bytes().unwrap_or_default().to_vec(),
        ];
        if own != theirs {
            tally.differs(&format!("libgit2, a tag {kind}"), at);
        }
    }
}
