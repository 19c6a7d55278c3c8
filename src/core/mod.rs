//! Everything that decides, and nothing that acts: no file system, clock, environment, process or thread.
//!
//! Bytes become parsed structures, parsed structures become verified facts, [`decide`] turns facts into a
//! [`decide::Verdict`], and [`report`] prints it.

pub mod approval;
pub mod canonical;
pub mod commit;
pub mod decide;
pub mod digest;
pub mod facts;
pub mod id;
pub mod landing;
pub mod limits;
pub mod marks;
pub mod objects;
pub mod oid;
pub mod policy;
pub mod report;
pub mod scope;
pub mod seal;
pub mod ssh;
pub mod submitter;
pub mod text;
pub mod tree;

#[cfg(test)]
pub(crate) mod worked_example;
