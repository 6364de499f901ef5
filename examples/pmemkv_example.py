"""Begins with pmemkv: puts, reads, iterates and removes, in both interfaces that its Python bindings had.

    make example_python

Written against pmemkv-python, whose interface Millpond provides.
"""

from pmemkv import Database


def older() -> None:
    """With JSON as configuration: `get` answers the value."""
    db = Database('vsmap', '{"path":"/dev/shm/","size":1073741824}')  # fmt: skip
    print(f"started {db.name}")
    db.put("key1", "value1")
    print("put key1:", db.get("key1"), "of", db.count_all(), "record")
    db.put("key2", "value2")
    db.put("key3", "value3")
    db.get_keys_strings(lambda key: print("visited", key.decode()))
    db.get_string_above("key1", lambda key, value: print("above key1:", key.decode(), value.decode()))
    db.remove("key1")
    print("removed key1:", db.get("key1"), "of", db.count_all(), "records")
    db.stop()
    print("stopped", db.name)


def newer() -> None:
    """With a dict: callbacks see memoryviews, a database is a mapping, and `with` stops it."""
    with Database("vsmap", {"path": "/dev/shm", "size": 1 << 30}) as db:
        db["key1"] = "value1"
        db["key2"] = "value2"
        db.get("key1", lambda value: print("shown", bytes(value)))
        db.get_all(lambda key, value: print("visited", bytes(key), bytes(value)))
        del db["key1"]
        try:
            db["key1"]
        except KeyError as error:
            print("removed key1:", error)
        print("key2" in db, len(db), db["key2"])


if __name__ == "__main__":
    older()
    newer()
