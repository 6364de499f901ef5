"""``disk_objectstore.dataclasses``."""

from millpond.compat.disk_objectstore.dataclasses import *  # noqa: F403
