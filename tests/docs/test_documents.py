"""The pages are run: every Python block, every example, every link."""

import re
import socket
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentmem_integrations import errors
from agentmem_integrations.config import (
    FILTER_LIMIT,
    ID_LIMIT,
    MATRIX_BUDGET,
    MAX_DIM,
    MAX_K,
    MAX_PAGE,
    METADATA_LIMIT,
    PATH_LIMIT,
    TEXT_LIMIT,
)
from agentmem_integrations.filters import MAX_CONDITIONS, MAX_DEPTH
from agentmem_integrations.pipeline.add import CHUNK
from agentmem_integrations.pipeline.search import POOL

ROOT = Path(__file__).parents[2]
STUBS = [
    ROOT / "docs" / f"{name}.md" for name in ("index", "architecture", "changelog", "contributing", "security", "first-ten-minutes")
]  # the site brings the text in
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")] + sorted(
    page for page in (ROOT / "docs").rglob("*.md") if page not in STUBS
)
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SKIPPED = "<!-- not run -->"


@dataclass
class Block:
    """A fenced block: what language, what it holds, where its first line stands, and what stands right before it."""

    language: str
    code: str
    line: int
    before: str


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    opened: Block | None = None
    before, held = "", []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if opened is not None and line.strip() == "```":
            opened.code = "\n".join(held)
            found.append(opened)
            opened, before = None, "```"
        elif opened is not None:
            held.append(line)
        elif line.startswith("```"):
            opened, held = Block(line[3:].strip(), "", number + 1, before), []
        elif line.strip():
            before = line.strip()
    assert opened is None, f"{page.name}: the block of line {opened and opened.line} is never closed"
    return found


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)}


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty working directory, and no way to look up a host but this machine."""
    look_up = socket.getaddrinfo

    def refuse(*args, **kwargs):
        if args[0] == "127.0.0.1":
            return look_up(*args, **kwargs)
        raise AssertionError(f"the documents must work offline, but asked for {args[0]!r}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tmp_path


RUNNABLE = [page for page in PAGES if any(b.language == "python" for b in blocks(page))]


@pytest.mark.parametrize("page", RUNNABLE, ids=named)
def test_python_blocks_run_in_order_and_print_what_the_page_shows(page, elsewhere, capsys):
    namespace = {"__name__": "__main__"}
    found = blocks(page)
    for block, following in zip(found, [*found[1:], None], strict=True):
        if block.language != "python" or block.before == SKIPPED:
            continue
        at = f"{named(page)}:{block.line}"
        # Blank lines in front, so that a traceback names the line of the page
        exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), namespace)  # noqa: S102 - our own pages
        printed = capsys.readouterr().out.rstrip("\n")
        shown = following.code if following is not None and following.language == "text" and following.before == "```" else ""
        assert printed == shown, f"{at} prints\n{printed}\nand the page shows\n{shown}"


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_examples_run_twice_without_a_warning(example, tmp_path):
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-W", "error", example], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=120, check=False
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout.strip(), "an example that prints nothing shows nothing"
        assert not run.stderr


def test_the_architecture_names_files_and_functions_that_are_there():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    files = [path for path in (ROOT / "agentmem_integrations").rglob("*") if path.suffix in (".py", ".toml")]
    for name in re.findall(r"`([\w/]+\.(?:py|toml))`", text):
        assert [path for path in files if path.as_posix().endswith(f"/{name}")] or (ROOT / name).is_file(), name
    for file, words in re.findall(r"`([\w/]+\.py)` ((?:`[\w.]+`(?:, )?)+)", text):
        (path,) = [path for path in files if path.as_posix().endswith(f"/{file}")]
        for word in re.findall(r"`([\w.]+)`", words):
            if not word.endswith(".py"):
                assert re.search(rf"(def|class) {word.rpartition('.')[2]}\b", path.read_text(encoding="utf-8")), f"{file} has no {word}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_relative_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        assert aim.exists(), f"{named(page)} links to {target}, which is not there"
        if anchor:
            assert anchor in anchors(aim), f"{named(page)} links to {target}, a heading that is not there"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_pages_name_no_registry_and_no_path_of_a_machine(page):
    text = page.read_text(encoding="utf-8")
    registry = re.search(r"\b(pypi\.(org|python\.org)|pythonhosted\.org|anaconda\.org|npmjs\.(org|com)|docker\.io|ghcr\.io)\b", text)
    assert not registry, f"{named(page)} names {registry and registry[0]}"
    machine = re.search(r"(?<![\w.])(/(home|Users|root|tmp|work|usr|opt|var|mnt)/[\w.]|[A-Z]:\\)", text)
    assert not machine, f"{named(page)} names a path of a machine: {machine and text[machine.start() : machine.start() + 40]!r}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_page_begins_with_one_title(page):
    titles = re.findall(r"^# .+$", prose(page), flags=re.MULTILINE)
    assert len(titles) == 1
    assert page.read_text(encoding="utf-8").startswith(titles[0])


def test_the_index_names_every_page_of_docs():
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for target in re.findall(r"\]\(([^)\s]+)\)", prose(index))}
    missing = [named(page) for page in (ROOT / "docs").rglob("*.md") if page not in linked and page not in (index, *STUBS)]
    assert not missing


@pytest.mark.parametrize(
    ("page", "limit"),
    [
        ("README.md", TEXT_LIMIT),
        ("README.md", MAX_K),
        ("docs/concepts.md", MAX_PAGE),
        ("docs/llamaindex-vectorstore.md", TEXT_LIMIT),
        ("docs/llamaindex-vectorstore.md", ID_LIMIT),
        ("docs/llamaindex-vectorstore.md", MAX_DIM),
        ("docs/llamaindex-vectorstore.md", MAX_CONDITIONS),
        ("docs/llamaindex-vectorstore.md", f"{MAX_DEPTH} levels"),
        ("docs/concepts.md", METADATA_LIMIT),
        ("docs/concepts.md", FILTER_LIMIT),
        ("docs/concepts.md", ID_LIMIT),
        ("docs/concepts.md", MAX_DIM),
        ("docs/concepts.md", PATH_LIMIT),
        ("docs/concepts.md", MAX_CONDITIONS),
        ("docs/concepts.md", f"{MAX_DEPTH} levels"),
        ("docs/concepts.md", CHUNK),
        ("docs/concepts.md", POOL),
        ("docs/adr/0002-vector-tiers.md", MATRIX_BUDGET // 2**20),
    ],
)
def test_limits_on_the_pages_are_those_of_the_code(page, limit):
    assert (limit if isinstance(limit, str) else f"{limit:,}") in (ROOT / page).read_text(encoding="utf-8")


def test_every_page_at_the_top_is_in_the_source_distribution():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = told["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert {page.name for page in ROOT.glob("*.md")} <= set(included)


def test_pages_that_the_code_refers_to_are_there():
    sources = [p for p in (ROOT / "agentmem_integrations").rglob("*") if p.suffix in (".py", ".sql")]
    named = {name for p in sources for name in re.findall(r"docs/[\w/.-]+\.md", p.read_text(encoding="utf-8"))}
    assert named, "nothing was found: has the pattern gone blind?"
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]


def test_concepts_draws_every_error():
    text = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    missing = [name for name, kind in vars(errors).items() if isinstance(kind, type) and name not in text]
    assert not missing
