"""pmemkv-python's extension module; the code is in :mod:`millpond.compat.pmemkv.pmemkv_NI`."""

# All that the module has is what its __all__ says.
# ruff: noqa: F403

from millpond.compat.pmemkv.pmemkv_NI import *
from millpond.compat.pmemkv.pmemkv_NI import __all__ as __all__
