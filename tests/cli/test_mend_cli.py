"""`agentmem verify` and `repair`."""

import json
from pathlib import Path

import apsw
import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def db(tmp_path: Path) -> str:
    path = str(tmp_path / "memory.db")
    with AgentMemory(path) as mem:
        mem.add_batch([{"text": f"note {n}", "id": f"n{n}"} for n in range(15)], user_id="ana")
        mem.add("note of Ben", user_id="ben")
    return path


def damage(db: str, sql: str) -> None:
    file = apsw.Connection(db)
    file.execute(sql)
    file.close()


def test_a_sound_file_exits_with_0(db: str, capsys: Capture) -> None:
    assert main(["verify", "--db", db]) == 0
    assert capsys.readouterr() == ("16 memories: sound\n", "")
    assert main(["repair", "--db", db]) == 0
    assert capsys.readouterr() == ("16 memories: sound\n", "")


def test_differences_exit_with_1_until_they_are_mended(db: str, capsys: Capture) -> None:
    damage(db, "UPDATE memories SET twin = NULL WHERE id LIKE 'n%'")
    assert main(["verify", "--db", db]) == 1
    said = capsys.readouterr().out
    assert "twin_wrong: 15 fingerprints" in said
    assert "n0, n1, n2, n3, n4, n5, n6, n7, n8, n9 and 5 more" in said
    assert "`agentmem repair` mends" in said
    assert main(["verify", "--db", db, "--user", "ben"]) == 0
    assert "1 memory: sound" in capsys.readouterr().out
    assert main(["repair", "--db", db, "--user", "ana"]) == 0
    assert "15 mended" in capsys.readouterr().out
    assert main(["verify", "--db", db]) == 0


def test_what_cannot_be_mended_exits_with_1_and_says_the_way_out(db: str, capsys: Capture) -> None:
    damage(db, "DELETE FROM scopes WHERE owner = 'ben'")
    assert main(["repair", "--db", db]) == 1
    said = capsys.readouterr().out
    assert "owner_missing: 1 " in said
    assert "restore a backup" in said
    assert "some differences are left" in said


def test_json_has_all_of_the_report(db: str, capsys: Capture) -> None:
    damage(db, "DELETE FROM vectors WHERE memory = (SELECT no FROM memories WHERE id = 'n3')")
    assert main(["verify", "--db", db, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["mended"], told["owed"]) == (False, 0, 0)
    assert told["checked"]["memories"] == 16
    (finding,) = told["findings"]
    assert (finding["kind"], finding["count"], finding["ids"], finding["mendable"]) == ("vector_missing", 1, ["n3"], True)
    assert finding["meaning"].startswith("live memories without a vector")
    assert main(["repair", "--db", db, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["mended"], told["owed"]) == (True, 1, 0)


def test_a_missing_file_is_not_made(tmp_path: Path, capsys: Capture) -> None:
    for command in ("verify", "repair"):
        assert main([command, "--db", str(tmp_path / "none.db")]) == 2
        assert "there is no memory file" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
