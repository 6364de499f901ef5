"""How things look in a notebook."""

from __future__ import annotations

from millpond import Container, Dict, Pool


def test_a_pool(pool: Pool) -> None:
    assert "no quota" in pool._repr_html_()
    pool.properties["size"] = "1GiB"
    pool.create_container("kv").close()
    html = pool._repr_html_()
    assert "<b>Pool lab</b>" in html
    assert "of 1.0 GiB" in html
    assert "1: kv" in html


def test_a_container(container: Container) -> None:
    html = container._repr_html_()
    assert "<b>Container kv</b>" in html
    assert container.url in html
    assert "async" in html


def test_a_dictionary(kv: Dict) -> None:
    kv.bput((b"%d" % number, b"") for number in range(1234))
    html = kv._repr_html_()
    assert "<b>Dict readings</b>" in html
    assert "1,234" in html
    kv.container.close()
    assert "was closed" in kv._repr_html_()
    assert "was closed" in kv.container._repr_html_()


def test_names_are_escaped(container: Container) -> None:
    html = container.create_dict("<script>")._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_pool_that_is_closed_or_gone(pool: Pool) -> None:
    again = Pool.open("lab")
    again.close()
    assert "was closed" in again._repr_html_()
    Pool.destroy("lab", force=True)
    assert "state" in pool._repr_html_()
