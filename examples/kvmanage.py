"""Manages a key-value store by hand: reads, inserts and deletes keys, singly and in bulk.

Written against PyDAOS, whose interface Millpond provides. The pool and the container exist already:

    millpond pool create pydaos --size 1GiB
    millpond container create pydaos/kvstore --type PYTHON
    python kvmanage.py
"""

import sys

from pydaos import DCont, DDict, DObjNotFound

MENU = """\
  r   read a key
  ra  read all keys
  i   insert a new key
  d   delete a key
  bi  insert new keys in bulk
  br  read keys in bulk
  q   quit"""


def ask(prompt: str) -> str:
    """What the user types; shown again where a script types it, so that the transcript reads well."""
    typed = input(prompt)
    if not sys.stdin.isatty():
        print(typed)
    return typed


def ask_many(prompt: str) -> list[str]:
    """Lines up to an empty one."""
    return list(iter(lambda: ask(prompt), ""))


def show(key: str, value: bytes | None) -> None:
    print(f"    {key} = {'(no such key)' if value is None else value.decode(errors='replace')}")


def read(store: DDict) -> None:
    key = ask("key? ")
    try:
        show(key, store[key])
    except KeyError:
        show(key, None)


def read_all(store: DDict) -> None:
    for key in sorted(store):
        show(key, store[key])
    print(f"    {len(store)} keys")


def insert(store: DDict) -> None:
    store.put(ask("new key? "), ask("value? "))


def delete(store: DDict) -> None:
    store.pop(ask("key? "))


def insert_in_bulk(store: DDict) -> None:
    entries = dict(line.split("=", 1) for line in ask_many("key=value (empty to end)? ") if "=" in line)
    store.bput(entries)
    print(f"    {len(entries)} keys inserted")


def read_in_bulk(store: DDict) -> None:
    wanted: dict[str | bytes, bytes | None] = dict.fromkeys(ask_many("key (empty to end)? "))
    for key, value in store.bget(wanted).items():
        show(str(key), value)


COMMANDS = {
    "r": read,
    "ra": read_all,
    "i": insert,
    "d": delete,
    "bi": insert_in_bulk,
    "br": read_in_bulk,
}


def main() -> None:
    container = DCont("pydaos", "kvstore", None)
    try:
        store = container.get("dict-0")
    except DObjNotFound:
        store = container.dict("dict-0")
    print(f"{container}: dict-0 holds {len(store)} keys\n{MENU}")
    while True:
        try:
            command = ask("\ncommand? ").strip()
        except EOFError:
            break
        if command == "q":
            break
        if command in COMMANDS:
            COMMANDS[command](store)
        else:
            print(MENU)


if __name__ == "__main__":
    main()
