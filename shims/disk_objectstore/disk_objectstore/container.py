"""``disk_objectstore.container``."""

from millpond.compat.disk_objectstore.container import *  # noqa: F403
