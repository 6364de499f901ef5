//! What tests of every backend share: the conformance suite, faulty media, the reference model.
