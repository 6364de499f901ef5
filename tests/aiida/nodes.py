"""What AiiDA does with its repository, run by `verdi run`: stores nodes with files, and reads them.

Prints, as JSON, what was found, and how long storing and reading took in seconds.
"""

import io
import json
import sys
import tempfile
import time
from pathlib import Path

import disk_objectstore
from aiida import orm
from aiida.manage import get_manager

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 200


def content(number: int, name: str) -> bytes:
    return f"{name} of node {number}\n".encode() * (number * 7 % 400 + 1)


def store() -> list[int]:
    stored = []
    for number in range(COUNT):
        if number % 2:
            node = orm.SinglefileData(io.BytesIO(content(number, "file")), filename="file")
        else:
            node = orm.FolderData()
            for name in ("input", "output/log"):
                node.base.repository.put_object_from_bytes(content(number, name), name)
        node.base.extras.set("number", number)
        stored.append(node.store().pk)
    return stored


def read(stored: list[int]) -> int:
    total = 0
    for number, pk in enumerate(stored):
        node = orm.load_node(pk)
        if number % 2:
            with node.open(mode="rb") as file:
                found = file.read()
            assert found == content(number, "file"), number
            with node.open(mode="rb") as file:
                assert file.seek(-3, 2) == len(found) - 3
                assert file.read() == found[-3:]
            total += len(found)
            continue
        repository = node.base.repository
        assert sorted(repository.list_object_names()) == ["input", "output"]
        for name in ("input", "output/log"):
            found = repository.get_object_content(name, mode="rb")
            assert found == content(number, name), number
            total += len(found)
        assert repository.get_object_content("input") == content(number, "input").decode()
    return total


def maintain(stored: list[int]) -> None:
    storage = get_manager().get_profile_storage()
    repository = storage.get_repository()
    keys = list(repository.list_objects())
    assert keys
    assert all(repository.has_objects(keys))
    # Nodes whose files nobody else has go, and with the next maintenance so do the files.
    from aiida.tools import delete_nodes

    delete_nodes([stored[0]], dry_run=False)
    storage.maintain(full=True)
    assert len(list(repository.list_objects())) == len(keys) - 2
    storage.maintain(full=False)
    with repository._container as container:
        assert isinstance(container, disk_objectstore.Container)
        assert container.count_objects().loose == 0
        assert container.validate().is_valid()


def main() -> None:
    begun = time.perf_counter()
    stored = store()
    stored_in = time.perf_counter() - begun
    begun = time.perf_counter()
    total = read(stored)
    read_in = time.perf_counter() - begun
    maintain(stored)
    begun = time.perf_counter()
    assert read_without_first(stored) < total
    packed_in = time.perf_counter() - begun
    with tempfile.TemporaryDirectory() as directory:
        orm.load_node(stored[2]).base.repository.copy_tree(Path(directory))
        assert (Path(directory) / "output" / "log").read_bytes() == content(2, "output/log")
    print(
        json.dumps(
            {
                "interface": disk_objectstore.Container.__module__,
                "nodes": COUNT,
                "bytes": total,
                "store": round(stored_in, 3),
                "read loose": round(read_in, 3),
                "read packed": round(packed_in, 3),
            }
        )
    )


def read_without_first(stored: list[int]) -> int:
    total = 0
    for number, pk in enumerate(stored):
        if number == 0:
            continue
        node = orm.load_node(pk)
        names = ["file"] if number % 2 else ["input", "output/log"]
        for name in names:
            found = node.base.repository.get_object_content(name, mode="rb")
            assert found == content(number, name), number
            total += len(found)
    return total


if __name__ == "__main__":
    main()
