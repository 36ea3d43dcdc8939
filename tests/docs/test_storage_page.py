"""docs/storage.md explains the schema as it is: every name in a fresh file, and none that is not there."""

import re
from pathlib import Path

import apsw
import pytest

from agentmem_integrations import AgentMemory

PAGE = (Path(__file__).parents[2] / "docs" / "storage.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", PAGE, flags=re.DOTALL | re.MULTILINE))
FTS_SHADOWS = re.compile(r"memories_fts_\w+")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("fresh") / "memory.db"
    AgentMemory(path, embedder=None).close()
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    yield connection
    connection.close()


def schema(file, *kinds):
    """Every (name, table) of these kinds that the migrations made; automatic indexes belong to a UNIQUE and have no name of ours."""
    rows = file.execute("SELECT type, name, tbl_name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_autoindex%'")
    return [(name, table) for kind, name, table in rows if kind in kinds]


def documented_columns(section):
    """First cells of the first table of a section."""
    table = re.search(r"^\| column \|.*?(?=^$|\Z)", section, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^\| `(\w+)` \|", table[0], flags=re.MULTILINE) if table else []


def test_every_name_in_a_fresh_file_is_on_the_page(file):
    missing = [name for name, _ in schema(file, "table", "view", "index", "trigger") if f"`{name}`" not in PAGE]
    assert not missing


def test_every_table_and_view_has_a_section_with_its_columns_in_order(file):
    own = [name for name, _ in schema(file, "table", "view") if not FTS_SHADOWS.fullmatch(name) and not name.startswith("sqlite_")]
    assert sorted(SECTIONS) == sorted(own)
    for name in own:
        columns = [row[1] for row in file.execute(f"PRAGMA table_info({name})")]
        assert documented_columns(SECTIONS[name]) == columns, name


def test_every_index_is_explained_with_its_table(file):
    missing = [(index, table) for index, table in schema(file, "index") if f"`{index}`" not in SECTIONS[table]]
    assert not missing


def test_no_index_is_explained_that_is_not_there(file):
    there = {name for name, _ in schema(file, "table", "view", "index")}
    named = {name for text in SECTIONS.values() for name in re.findall(r"`((?:memories|vectors|history|jobs|scopes)_\w+)`", text)}
    assert named <= there


def test_the_settings_are_those_of_the_file(file):
    assert f"`0x{int(file.pragma('application_id')):08X}`" in PAGE
    assert f"| `page_size` | {file.pragma('page_size')} |" in PAGE
    assert f"| `journal_mode` | `{file.pragma('journal_mode').upper()}` |" in PAGE
    assert f"Schema {file.pragma('user_version')} writes none" in PAGE


def test_the_page_is_right_about_purged_words_in_the_text_index(tmp_path):
    path = tmp_path / "memory.db"
    with AgentMemory(path, embedder=None) as memory:
        memory.add("The password is xyzzyplugh", user_id="ana")
        memory.add("The weather is fine", user_id="ben")
        memory.purge(user_id="ana")
    stays = b"xyzzy" in path.read_bytes()
    assert stays == ("does not set it" in PAGE), "tell in 'Delete and purge' what purge does now"
