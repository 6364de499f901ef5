"""``disk_objectstore.backup_utils``."""

from millpond.compat.disk_objectstore.backup_utils import *  # noqa: F403
