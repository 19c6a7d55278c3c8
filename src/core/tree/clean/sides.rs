//! What the two sides of a merge did to their base: every path that is not settled by looking at one directory.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

use super::edit::Edit;
use super::{Side, Stop, Three, Two};
use crate::core::limits;
use crate::core::objects::Trees;
use crate::core::oid::Oid;
use crate::core::tree::change::{ChangeError, Path, Value, WalkFault, malformed, raw_tree};
use crate::core::tree::entry::{Entries, Entry};

/// A path at which base and sides are not settled among themselves.
pub(super) struct MergeRow {
    pub(super) path: Rc<[u8]>,
    pub(super) stages: Three<Option<Value>>,
    /// What our tree has here.
    pub(super) in_ours: Option<Value>,
    /// What two of the three already agree on. A rename may change the stages; it does not change this.
    pub(super) agreement: Agreement,
    /// The paths that the stages come from, where a rename brought one from elsewhere.
    pub(super) origins: Option<Origins>,
    /// A rename took the file away: nothing is left here.
    pub(super) is_gone: bool,
    /// A rename is in conflict here.
    pub(super) is_disputed: bool,
}

/// The paths that the three versions of a file come from.
pub(super) type Origins = Rc<Three<Rc<[u8]>>>;

/// Which of base and sides hold the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    None,
    /// The side left the base as it is.
    Unchanged(Side),
    Sides,
}

/// Why the fate of a file that a side no longer has matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relevance {
    None,
    /// The other side changed or deleted it too.
    Content,
    /// It tells where its directory went.
    Location,
}

/// How much it matters where a directory went that a side no longer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    No,
    /// The other side added a file to it.
    ForItself,
    /// The other side added a file to a directory around it.
    ForParent,
}

/// What one side took away and brought, in the order of the walk.
#[derive(Default)]
pub(super) struct Moves {
    /// Rows of files that the side no longer has.
    pub(super) gone: Vec<(usize, Relevance)>,
    /// Rows of files that are new on the side.
    pub(super) new: Vec<usize>,
    /// Directories that the side no longer has.
    pub(super) directories: HashMap<Rc<[u8]>, Wanted>,
}

impl Moves {
    /// Whether renames are looked for on this side at all.
    pub(super) fn matter(&self) -> bool {
        !self.new.is_empty() && self.has_relevant()
    }

    fn has_relevant(&self) -> bool {
        self.gone.iter().any(|(_, relevance)| *relevance != Relevance::None)
    }
}

/// The outcome of the walk.
#[derive(Default)]
pub(super) struct Sides {
    pub(super) rows: Vec<MergeRow>,
    pub(super) moves: Two<Moves>,
    /// What is settled and not as in our tree.
    pub(super) edits: Vec<Edit>,
}

/// Walks the three trees.
pub(super) fn sides(trees: &dyn Trees, roots: Three<Oid>) -> Result<Sides, Stop> {
    let mut walker = SidesWalker {
        trees,
        path: Path::default(),
        sides: Sides::default(),
        put_off: Two::default(),
        whole: Two::default(),
    };
    walker.directory(&roots.map(|id| Some(*id)), Around::default())?;
    for side in Side::BOTH {
        walker.catch_up(side)?;
    }
    Ok(walker.sides)
}

/// What a directory says about those below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Around {
    /// Nothing is renamed around here.
    #[default]
    Calm,
    /// Only the base and this side have the directory.
    LeftTo(Side),
    /// And that side added a file to it: all of it tells where it went on the other.
    Searched,
}

/// A directory whose outcome is plain, unless renames into it matter.
struct PutOff {
    path: Rc<[u8]>,
    nodes: Three<Option<Oid>>,
    around: Around,
}

struct SidesWalker<'t> {
    trees: &'t dyn Trees,
    path: Path,
    sides: Sides,
    /// By the side that changed the directory alone.
    put_off: Two<Vec<PutOff>>,
    /// Whether nothing is put off any more on a side.
    whole: Two<bool>,
}

type EntriesHere<'a> = Three<Option<Entry<'a>>>;

impl SidesWalker<'_> {
    fn directory(&mut self, nodes: &Three<Option<Oid>>, around: Around) -> Result<(), Stop> {
        let raw = |id: Option<Oid>| raw_tree(self.trees, id);
        let raw = Three::new(raw(nodes.base)?, raw(nodes.sides.ours)?, raw(nodes.sides.theirs)?);
        let around = match around {
            Around::LeftTo(side) if self.adds_a_file(&raw, nodes, side)? => Around::Searched,
            around => around,
        };
        let mut entries = 0_usize;
        let mut places = Places::new(self.trees, &raw, nodes)?;
        while let Some(place) = places.advance()? {
            entries = entries.saturating_add(1);
            self.entry(&place, around)?;
        }
        if self.trees.within_budget(entries) { Ok(()) } else { Err(ChangeError::OverBudget.into()) }
    }

    /// Whether only this side has some file of a directory.
    fn adds_a_file(&self, raw: &Three<Rc<Vec<u8>>>, nodes: &Three<Option<Oid>>, side: Side) -> Result<bool, Stop> {
        let mut places = Places::new(self.trees, raw, nodes)?;
        while let Some(place) = places.advance()? {
            let is_file = |entry: &Option<Entry<'_>>| entry.is_some_and(|entry| !entry.is_directory());
            if is_file(place.sides.of(side)) && place.base.is_none() && place.sides.of(side.other()).is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn entry(&mut self, place: &EntriesHere<'_>, around: Around) -> Result<(), Stop> {
        let Some(entry) = place.base.or(place.sides.ours).or(place.sides.theirs) else { return Ok(()) };
        let values = place.map(|entry| entry.map(|entry| (entry.mode, entry.id)));
        if values.base == values.sides.ours && values.base == values.sides.theirs {
            return Ok(());
        }
        let length = self.path.enter(entry.name).map_err(|reason| WalkFault::from(reason).in_tree(Some(entry.id)))?;
        if entry.is_directory() {
            self.subdirectory(&values.map(|value| value.map(|(_, id)| id)), around)?;
        } else {
            self.file(values, around)?;
        }
        self.path.leave(length);
        Ok(())
    }

    fn file(&mut self, stages: Three<Option<Value>>, around: Around) -> Result<(), Stop> {
        let Three { base, sides: Two { ours, theirs } } = stages;
        let path: Rc<[u8]> = self.path.as_bytes().into();
        if let (Around::Searched, None) = (around, base) {
            let adder = match (ours, theirs) {
                (Some(_), None) => Some(Side::Ours),
                (None, Some(_)) => Some(Side::Theirs),
                _ => None,
            };
            if let Some(side) = adder {
                self.sides.moves.of_mut(side.other()).directories.insert(parent(&path).into(), Wanted::ForItself);
            }
        }
        let agreement = if base.is_some() && base == ours {
            Agreement::Unchanged(Side::Ours)
        } else if base.is_some() && base == theirs {
            Agreement::Unchanged(Side::Theirs)
        } else if ours.is_some() && ours == theirs {
            Agreement::Sides
        } else {
            Agreement::None
        };
        if base.is_some() && ours.is_some() && theirs.is_some() && agreement != Agreement::None {
            if agreement == Agreement::Unchanged(Side::Ours) {
                self.settle(Edit::file(path, theirs))?;
            }
            return Ok(());
        }
        let row = self.sides.rows.len();
        for side in Side::BOTH {
            let moves = self.sides.moves.of_mut(side);
            match (base, stages.sides.of(side)) {
                (Some(_), None) => {
                    let relevance = match (agreement, around) {
                        (Agreement::None, _) => Relevance::Content,
                        (_, Around::Searched) => Relevance::Location,
                        _ => Relevance::None,
                    };
                    moves.gone.push((row, relevance));
                }
                (None, Some(_)) => moves.new.push(row),
                _ => {}
            }
        }
        self.sides.rows.push(MergeRow {
            path,
            stages,
            in_ours: ours,
            agreement,
            origins: None,
            is_gone: false,
            is_disputed: false,
        });
        self.check_size()
    }

    fn subdirectory(&mut self, nodes: &Three<Option<Oid>>, around: Around) -> Result<(), Stop> {
        let Three { base, sides: Two { ours, theirs } } = *nodes;
        let around = match (around, base, ours, theirs) {
            (Around::Searched, ..) => Around::Searched,
            (_, Some(_), Some(_), None) => Around::LeftTo(Side::Ours),
            (_, Some(_), None, Some(_)) => Around::LeftTo(Side::Theirs),
            (around, ..) => around,
        };
        let path: Rc<[u8]> = self.path.as_bytes().into();
        let wanted = if around == Around::Searched { Wanted::ForParent } else { Wanted::No };
        for side in Side::BOTH {
            if base.is_some() && nodes.sides.of(side).is_none() {
                self.sides.moves.of_mut(side).directories.insert(Rc::clone(&path), wanted);
            }
        }
        let changed_by = match (base, ours, theirs) {
            (None, Some(_), None) => Some(Side::Ours),
            (None, None, Some(_)) => Some(Side::Theirs),
            _ if base == ours => Some(Side::Theirs),
            _ if base == theirs => Some(Side::Ours),
            _ => None,
        };
        match changed_by {
            Some(side) if around != Around::Searched && !self.whole.of(side) => {
                self.put_off.of_mut(side).push(PutOff { path, nodes: *nodes, around });
                Ok(())
            }
            _ => self.directory(nodes, around),
        }
    }

    /// Settles the directories that only this side changed; looks into them where a file that it no longer has may be there.
    fn catch_up(&mut self, side: Side) -> Result<(), Stop> {
        *self.whole.of_mut(side) = self.sides.moves.of(side).has_relevant();
        for PutOff { path, nodes, around } in std::mem::take(self.put_off.of_mut(side)) {
            if *self.whole.of(side) {
                self.path = Path::at(&path);
                self.directory(&nodes, around)?;
            } else if side == Side::Theirs {
                self.settle(Edit::directory(path, nodes.sides.theirs))?;
            }
        }
        Ok(())
    }

    fn settle(&mut self, edit: Edit) -> Result<(), Stop> {
        self.sides.edits.push(edit);
        self.check_size()
    }

    fn check_size(&self) -> Result<(), Stop> {
        let size = self.sides.rows.len().saturating_add(self.sides.edits.len());
        if size > limits::MERGED_PATHS { Err(Stop::Unclean) } else { Ok(()) }
    }
}

/// The directory of a path: empty for the root.
pub(super) fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').and_then(|slash| path.get(..slash)).unwrap_or_default()
}

/// The last component of a path.
pub(super) fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// The entries of three trees, by the places that they share.
struct Places<'a> {
    cursors: Three<Entries<'a>>,
    heads: EntriesHere<'a>,
    nodes: Three<Option<Oid>>,
}

/// Whether a tree is read on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    On,
    Stay,
}

impl<'a> Places<'a> {
    fn new(trees: &dyn Trees, raw: &'a Three<Rc<Vec<u8>>>, nodes: &Three<Option<Oid>>) -> Result<Self, Stop> {
        let cursors = Three::new(&raw.base, &raw.sides.ours, &raw.sides.theirs);
        let cursors = cursors.map(|raw| Entries::new(raw, trees.format()));
        let mut places = Self { cursors, heads: Three::new(None, None, None), nodes: *nodes };
        places.step(&Three::new(Step::On, Step::On, Step::On))?;
        Ok(places)
    }

    /// What the three have at the next place in git's order, at which all are directories or none is.
    fn advance(&mut self) -> Result<Option<EntriesHere<'a>>, Stop> {
        let heads = [self.heads.base, self.heads.sides.ours, self.heads.sides.theirs];
        let first = heads.into_iter().flatten().reduce(|a, b| if b.order(&a) == Ordering::Less { b } else { a });
        let Some(first) = first else { return Ok(None) };
        let place = self.heads.map(|head| head.filter(|head| head.order(&first) == Ordering::Equal));
        self.step(&place.map(|entry| if entry.is_some() { Step::On } else { Step::Stay }))?;
        Ok(Some(place))
    }

    fn step(&mut self, steps: &Three<Step>) -> Result<(), Stop> {
        let forth = |step: Step, cursor: &mut Entries<'a>, head: &mut Option<Entry<'a>>, node: Option<Oid>| {
            if step == Step::On {
                *head = cursor.advance().map_err(|reason| malformed(node, reason))?;
            }
            Ok::<(), Stop>(())
        };
        forth(steps.base, &mut self.cursors.base, &mut self.heads.base, self.nodes.base)?;
        forth(steps.sides.ours, &mut self.cursors.sides.ours, &mut self.heads.sides.ours, self.nodes.sides.ours)?;
        forth(steps.sides.theirs, &mut self.cursors.sides.theirs, &mut self.heads.sides.theirs, self.nodes.sides.theirs)
    }
}
