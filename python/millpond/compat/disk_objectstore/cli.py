"""The command ``dostore``: the options, exit codes and JSON keys of disk-objectstore's."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import __version__, backup_utils
from ._callbacks import Callback
from .container import Container

__all__ = ["main"]

_FAILED = 1
_MISUSED = 2


class _CommandError(Exception):
    """What ends the command, with its message."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; answer its exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except _CommandError as failure:
        print(f"Error: {failure}", file=sys.stderr)
    except KeyboardInterrupt:
        print("Aborted!", file=sys.stderr)
    return _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dostore", description="Manage a container of disk-objectstore.")
    parser.add_argument("--version", action="version", version=f"%(prog)s, version {__version__}")
    default = os.environ.get("DOSTORE_PATH", str(Path.cwd() / "dostore"))
    parser.add_argument(
        "-p", "--path", default=default, help="the container, or else DOSTORE_PATH (default: %(default)s)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=command)
        return added

    create = add("create", _create, "Create a container")
    create.add_argument(
        "-a", "--algorithm", default="zlib+1", help="how objects are compressed (default: %(default)s)"
    )
    add("status", _status, "Print details about the container")
    validate = add("validate", _validate, "Validate the container")
    validate.add_argument("-v", "--verbose", action="store_true", help="print the keys of what is wrong")
    add_files = add("add-files", _add_files, "Add files to the container")
    add_files.add_argument("files", nargs="*", metavar="FILES")
    optimize = add("optimize", _optimize, "Pack loose objects, and clean up")
    optimize.add_argument("-n", "--non-interactive", action="store_true", help="don't ask")
    flag = argparse.BooleanOptionalAction
    optimize.add_argument("--compress", action=flag, default=True, help="compress objects")
    optimize.add_argument("--vacuum", action=flag, default=True, help="compact the index")
    backup = add("backup", _backup, "Back up the container to DEST: a path, or [USER@]HOST:PATH")
    backup.add_argument("dest", metavar="DEST")
    backup.add_argument(
        "--keep", type=int, default=1, help="backups to keep beside the newest (default: %(default)s)"
    )
    backup.add_argument("--rsync-exe", default="rsync", help="the program rsync (default: %(default)s)")
    backup.add_argument(
        "--verbosity", default="info", choices=("silent", "info", "debug"), help="what is logged"
    )
    return parser


def _open(options: argparse.Namespace) -> Container:
    if not Path(options.path).exists():
        raise _CommandError(f"there is no container at {options.path}: run `dostore create`")
    return Container(options.path)


def _create(options: argparse.Namespace) -> int:
    if Path(options.path).exists():
        raise _CommandError(f"there is something at {options.path} already")
    with Container(options.path) as container:
        try:
            container.init_container(compression_algorithm=options.algorithm)
        except ValueError as error:
            raise _CommandError(str(error)) from error
        print(f"Created container: {container.get_folder()}")
    return 0


def _status(options: argparse.Namespace) -> int:
    with _open(options) as container:
        status = {
            "path": str(container.get_folder()),
            "id": container.container_id,
            "compression": container.compression_algorithm,
            "count": dataclasses.asdict(container.count_objects()),
            "size": dataclasses.asdict(container.get_total_size()),
        }
    print(json.dumps(status, indent=2))
    return 0


def _validate(options: argparse.Namespace) -> int:
    callback = _progress_bar()
    if callback is None:
        print("INFO: install tqdm to see a progress bar", file=sys.stderr)
    with _open(options) as container:
        issues = dataclasses.asdict(container.validate(callback=callback))
    wrong = {kind: keys for kind, keys in issues.items() if keys}
    for kind, keys in wrong.items():
        print(f"Error! {len(keys)} objects with error '{kind}'")
    if not wrong:
        print("No errors found, the container is valid.")
        return 0
    if options.verbose:
        print(json.dumps(issues, indent=2))
    return _FAILED


def _progress_bar() -> Callback | None:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    bars: list[Any] = []

    def callback(action: str, value: Any) -> None:
        if action == "init":
            bars.append(tqdm(total=value["total"], desc=value["description"]))
        elif bars and action == "update":
            bars[-1].update(value)
        elif bars and action == "close":
            bars.pop().close()

    return callback


def _add_files(options: argparse.Namespace) -> int:
    for path in options.files:
        if not Path(path).exists():
            print(f"Error: there is no file {path}", file=sys.stderr)
            return _MISUSED
    with _open(options) as container:
        print(f"Adding {len(options.files)} file(s) to container: {container.get_folder()}")
        for path in options.files:
            try:
                with open(path, "rb") as file:
                    print(f"{container.add_streamed_object(file)}: {path}")
            except OSError as error:
                raise _CommandError(f"{path} can't be stored: {error}") from error
    return 0


def _optimize(options: argparse.Namespace) -> int:
    if not options.non_interactive and not _confirms("Is this the only process accessing the container?"):
        print("Aborted!", file=sys.stderr)
        return _FAILED
    with _open(options) as container:
        print(f"Initial container size: {_size_of(options.path)} kB")
        container.pack_all_loose(compress=options.compress)
        container.clean_storage(vacuum=options.vacuum)
    print(f"Final container size: {_size_of(options.path)} kB")
    return 0


def _confirms(question: str) -> bool:
    try:
        return input(f"{question} [y/N]: ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _size_of(path: str) -> float:
    return round(sum(file.stat().st_size for file in Path(path).glob("**/*") if file.is_file()) / 1000, 2)


def _backup(options: argparse.Namespace) -> int:
    logging.basicConfig(format="%(levelname)s:%(message)s")
    levels = {"silent": logging.ERROR, "info": logging.INFO, "debug": logging.DEBUG}
    logging.getLogger("disk_objectstore").setLevel(levels[options.verbosity])
    with _open(options) as container:
        try:
            manager = backup_utils.BackupManager(options.dest, keep=options.keep, rsync_exe=options.rsync_exe)
            manager.backup_auto_folders(
                lambda path, before: backup_utils.backup_container(manager, container, path, before)
            )
        except (ValueError, backup_utils.BackupError) as error:
            print(f"Error: {error}")
            return _FAILED
    return 0
