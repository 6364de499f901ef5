"""``disk_objectstore.exceptions``."""

from millpond.compat.disk_objectstore.exceptions import *  # noqa: F403
