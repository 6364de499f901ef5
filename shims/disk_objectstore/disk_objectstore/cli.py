"""``disk_objectstore.cli``."""

from millpond.compat.disk_objectstore.cli import *  # noqa: F403
