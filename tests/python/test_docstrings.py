"""The stub documents every public name, and what `help()` shows begins as the stub does.

The native classes carry the first paragraph of their documentation and the stub all of it; this keeps the
two from drifting apart.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import millpond
import pytest
from millpond import _millpond

STUB = Path(millpond.__file__).with_name("_millpond.pyi")


def documented() -> Iterator[tuple[str, str]]:
    """The classes, functions, methods and properties of the stub, with what it says of them."""
    for node in ast.parse(STUB.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            yield node.name, ast.get_docstring(node) or ""
            yield from members(node)
        elif isinstance(node, ast.FunctionDef):
            yield node.name, ast.get_docstring(node) or ""


def members(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    texts: dict[str, str] = {}
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
            # Of overloads, the last one has the text.
            texts[member.name] = ast.get_docstring(member) or ""
    yield from ((f"{node.name}.{name}", text) for name, text in texts.items())


@pytest.mark.parametrize(("name", "text"), [pytest.param(*pair, id=pair[0]) for pair in documented()])
def test_help_begins_as_the_stub_does(name: str, text: str) -> None:
    assert text, f"{name} isn't documented in the stub"
    shown: object = _millpond
    for part in name.split("."):
        shown = inspect.getattr_static(shown, part)
        shown = getattr(shown, "__func__", shown)
    first_paragraph = " ".join(text.split("\n\n")[0].split())
    runtime = " ".join((inspect.getdoc(shown) or "").split("\n\n")[0].split())
    if name.startswith("Native"):
        # Private classes: their stub says more, about who uses them.
        assert runtime
    else:
        assert runtime == first_paragraph
