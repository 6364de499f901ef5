"""disk-objectstore's top-level names; the code is in :mod:`millpond.compat.disk_objectstore`."""

from millpond.compat.disk_objectstore import LOGGER, CompressMode, Container, ObjectType, __version__

__all__ = ("LOGGER", "CompressMode", "Container", "ObjectType", "__version__")
