"""The reference has every public name, every error says what to do, and the glossary has every word."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from agentmem_integrations import errors

ROOT = Path(__file__).parents[2]
REFERENCE = {page.stem: page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs" / "reference").glob("*.md"))}
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
SUITES = ("store_contract_parts", "chat_rules", "server_process")  # what suites and stand-ins are made of, imported by no test of others


def documented() -> set[str]:
    """Return the last part of every name that a page of the reference takes from a docstring."""
    directives = re.findall(r"^\.\. auto(?:class|function|exception|data):: ([\w.]+)$", "\n".join(REFERENCE.values()), flags=re.MULTILINE)
    return {name.rpartition(".")[2] for name in directives}


def rows(text: str) -> list[list[str]]:
    """Return the cells of all tables but their heads."""
    found = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    return [cells for cells in found if cells[0] not in ("error", "word", "---")]


@pytest.mark.parametrize("package", ["agentmem_integrations", "agentmem_integrations.langchain", "agentmem_integrations.llamaindex"])
def test_every_public_name_is_in_the_reference(package: str) -> None:
    missing = set(import_module(package).__all__) - documented()
    assert not missing


def test_every_name_of_testing_is_in_the_reference() -> None:
    for file in sorted((ROOT / "agentmem_integrations" / "testing").glob("*.py")):
        if file.stem in ("__init__", *SUITES):
            continue
        body = ast.parse(file.read_text(encoding="utf-8")).body
        kinds = ast.ClassDef if file.stem.endswith(("_contract", "_store", "faults")) else (ast.ClassDef, ast.FunctionDef)
        names = {node.name for node in body if isinstance(node, kinds) and not node.name.startswith("_")}
        missing = names - documented() - {"main", "asked_about", "WordEmbeddings", "Awaited"}
        assert not missing, f"{file.name}: {missing}"


def test_every_error_is_told_with_when_and_what_to_do() -> None:
    told = {cells[0].strip("`"): cells for cells in rows(REFERENCE["errors"])}
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and kind.__module__ == errors.__name__}
    assert set(told) == kinds - {"AgentMemError"}  # which the page begins with
    assert [name for name, cells in told.items() if len(cells) != 3 or not all(cells)] == []
    assert kinds <= documented()


def test_an_error_stands_below_the_heading_of_its_kind() -> None:
    call, model, file = (rows(section) for section in REFERENCE["errors"].split("\n## ")[1:4])
    for cells in call:
        assert issubclass(
            getattr(errors, cells[0].strip("`")), errors.InvalidInputError | LookupError | errors.ConflictError | errors.ClosedError
        )
    assert not [c for c in model if issubclass(getattr(errors, c[0].strip("`")), errors.InvalidInputError | errors.StorageError)]
    assert {c[0] for c in file if issubclass(getattr(errors, c[0].strip("`")), errors.StorageError)} == {c[0] for c in file[:-1]}


def test_the_glossary_has_every_word_of_the_concepts() -> None:
    concepts = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    words = {cells[0] for cells in rows(concepts[concepts.index("## Words") : concepts.index("## Scopes")])}
    terms = {term.strip() for cells in rows(GLOSSARY) for term in re.split(r", | \(", cells[0].replace(")", ""))}
    assert words - {"search"} <= terms
    assert "The verb is *search*" in GLOSSARY


def test_the_glossary_is_in_order_and_in_sentences() -> None:
    for section in GLOSSARY.split("\n## ")[1:]:
        terms = [cells[0].lower() for cells in rows(section)]
        assert terms == sorted(terms)
    assert [cells[0] for cells in rows(GLOSSARY) if not cells[1].endswith(".")] == []


def test_the_figures_to_choose_an_embedder_by_are_those_that_were_measured() -> None:
    measured = (ROOT / "docs" / "embedders.md").read_text(encoding="utf-8")
    chosen = (ROOT / "docs" / "choose-an-embedder.md").read_text(encoding="utf-8")
    figures = re.findall(r"\b\d\d\.\d\b", chosen)
    assert len(figures) >= 6
    assert [figure for figure in figures if figure not in measured] == []


def test_the_figures_of_the_readme_are_those_of_the_pages() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("benchmarks.md", "retrieval.md", "embedders.md"))
    part = readme[readme.index("## How good, how fast") : readme.index("## Read on")]
    figures = [*re.findall(r"\b\d\d\.\d\b", readme), *re.findall(r"\b\d,\d{3}(?= memories a second|, each)|\b[\d.]+(?= ms)", part)]
    assert len(figures) > 14
    assert [figure for figure in figures if figure not in pages] == []
