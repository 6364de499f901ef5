//! The RADOS backend on a real cluster, whose configuration `MILLPOND_TEST_CEPH_CONF` names.
//!
//! One test runs at a time: some plant bugs, which are the whole process's, and one kills an OSD.

mod backward;
mod bugs;
mod cluster;
mod conformance;
mod connecting;
mod damage;
mod deaths;
mod front_door;
mod raw;
mod steps;
