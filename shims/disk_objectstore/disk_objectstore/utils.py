"""``disk_objectstore.utils``."""

from millpond.compat.disk_objectstore.utils import *  # noqa: F403
