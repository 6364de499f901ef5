"""The console script ``millpond``: the command line, run inside the interpreter that pip chose."""

from __future__ import annotations

import signal
import sys

from ._millpond import run_cli

__all__ = ["main"]


def main() -> None:
    """Run the command line on this process's arguments and exit with its code."""
    # The interpreter only notes a Ctrl-C and acts on it when Python code runs next; the command line
    # is Rust until it ends.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(run_cli(["millpond", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
