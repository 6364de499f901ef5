"""The interface of disk-objectstore 1.5.0, over Millpond.

A program that was written for disk-objectstore changes its import, or nothing at all with the package in
``shims/disk_objectstore``::

    from millpond.compat.disk_objectstore import Container

    with Container("objects") as container:
        container.init_container()
        key = container.add_object(b"some bytes")
        assert container.get_object_content(key) == b"some bytes"

:class:`Container` works on a folder of disk-objectstore, in place, so that both can use it in turn. It works
in the same way on a store of blobs of Millpond's own: on the directory of a pool with one container of type
BLOB, which ``init_container(native=True)`` makes, and on a directory that stands for such a container
(``path=`` of :meth:`millpond.Pool.create_container`).

What behaves differently from disk-objectstore:

- Packs are durable before the index names what is in them, and a repack that was killed leaves nothing amiss.
- Whoever packs, repacks, deletes or cleans has the folder for that time; another one waits up to ten seconds,
  and then gets :class:`millpond.errors.LockTimeoutError`.
- What is read in order is compared with its hash. Damage is :class:`InconsistentContent`, whatever is
damaged. - A stream is a real binary file (``io.BufferedReader``): its seeks are those of a plain file, also
in a compressed
  object, and a read never writes.
- Objects that are known already leave no holes in packs.
- Keys that no object can have, such as ``""``, are those of missing objects.
"""

import logging

from .container import CompressMode, Container, ObjectType

LOGGER = logging.getLogger("disk_objectstore")

__all__ = ("CompressMode", "Container", "ObjectType")

__version__ = "1.5.0"
"""The version of disk-objectstore whose interface this is."""
