"""``python -m millpond`` is the command line."""

from ._cli import main

main()
