"""Runs disk-objectstore for tests that compare with it; and Millpond, where its shim is what is imported.

Reads a request a line, as JSON: a list of the operation's name and its arguments. Answers with a line: an
object with "ok", or with "error", the name of the exception. Bytes are hexadecimal digits.
"""

import dataclasses
import io
import json
import sys

from disk_objectstore import CompressMode, Container
from disk_objectstore.utils import should_compress


class Oracle:
    """The operations, on one container at a time."""

    def __init__(self) -> None:
        self.container: Container | None = None

    def at(self, path):
        if self.container is not None:
            self.container.close()
        self.container = Container(path)

    def init(self, path, options):
        self.at(path)
        self.container.init_container(clear=True, **options)

    def close(self):
        self.container.close()

    def add_loose(self, contents):
        return [self.container.add_object(bytes.fromhex(content)) for content in contents]

    def add_to_pack(self, contents, compress):
        contents = [bytes.fromhex(content) for content in contents]
        return self.container.add_objects_to_pack(contents, compress=compress)

    def pack_all_loose(self, mode, clean):
        self.container.pack_all_loose(CompressMode(mode), clean_loose_per_pack=clean)

    def clean_storage(self, vacuum):
        self.container.clean_storage(vacuum=vacuum)

    def repack(self, mode):
        self.container.repack(compress_mode=CompressMode(mode))

    def delete(self, keys):
        return sorted(self.container.delete_objects(keys))

    def list(self):
        return sorted(self.container.list_all_objects())

    def read(self, keys):
        contents = self.container.get_objects_content(keys, skip_if_missing=False)
        return [None if contents[key] is None else contents[key].hex() for key in keys]

    def streams(self, keys):
        with self.container.get_objects_stream_and_meta(keys, skip_if_missing=False) as found:
            return sorted([key, None if stream is None else stream.read().hex()] for key, stream, _ in found)

    def loosen(self, key):
        return self.container.loosen_object(key).read_bytes().hex()

    def import_from(self, path, keys):
        with Container(path) as source:
            return self.container.import_objects(keys, source)

    def settings(self):
        names = (
            "hash_type",
            "loose_prefix_len",
            "pack_size_target",
            "compression_algorithm",
            "is_initialised",
        )
        return {name: getattr(self.container, name) for name in names}

    def meta(self, keys):
        metas = dict(self.container.get_objects_meta(keys, skip_if_missing=False))
        found = []
        for key in keys:
            meta = dataclasses.asdict(metas[key])
            found.append({**meta, "type": meta["type"].value})
        return found

    def count(self):
        return dataclasses.asdict(self.container.count_objects())

    def sizes(self):
        return dataclasses.asdict(self.container.get_total_size())

    def validate(self):
        return dataclasses.asdict(self.container.validate())

    def should_compress(self, content):
        content = bytes.fromhex(content)
        return should_compress(io.BytesIO(content), CompressMode.AUTO, False, len(content), len(content))

    def trace(self, operation, *arguments):
        """What a callback is told."""
        told = []

        def callback(action, value):
            told.append([action, value])

        if operation == "add_to_pack":
            contents, no_holes = arguments
            contents = [bytes.fromhex(content) for content in contents]
            self.container.add_objects_to_pack(contents, no_holes=no_holes, callback=callback)
        elif operation == "import":
            (path,) = arguments
            with Container(path) as source:
                self.container.import_objects(sorted(source.list_all_objects()), source, callback=callback)
        elif operation == "add_streamed_to_pack":
            content, size_hint, no_holes = arguments
            stream = io.BytesIO(bytes.fromhex(content))
            self.container.add_streamed_object_to_pack(
                stream, callback=callback, callback_size_hint=size_hint, no_holes=no_holes
            )
        else:
            getattr(self.container, operation)(*arguments, callback=callback)
        return told


def main() -> None:
    oracle = Oracle()
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = {"ok": getattr(oracle, name)(*arguments)}
        except Exception as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
