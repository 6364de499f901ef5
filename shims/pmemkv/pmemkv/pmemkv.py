"""The module that pmemkv-python's class lives in; some programs import it from here."""

from . import Database

__all__ = ["Database"]
