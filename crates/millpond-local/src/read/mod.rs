//! Reading: one state of the container over its tails and runs, views of it, and scans.

mod count;
mod scan;
mod state;
mod view;

pub(crate) use scan::{Epochs, MergeScan};
pub(crate) use state::{Newest, State};
pub(crate) use view::{LocalView, concat_bounds, into_record, with_key};
