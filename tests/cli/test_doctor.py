"""`agentmem doctor` and `config`: what is wrong is named with the way out, and nothing is changed by looking."""

import json
import os
import re
import shutil
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import apsw
import pytest

from agentmem_integrations import AgentMemory, build
from agentmem_integrations.cli import doctor_installation, main
from agentmem_integrations.cli.doctor_installation import PACKAGES
from agentmem_integrations.config import Settings
from agentmem_integrations.embedding import table_checksum
from agentmem_integrations.storage.sqlite.file import diagnose, network_filesystems
from agentmem_integrations.testing.chat import ScriptedChat
from agentmem_integrations.testing.embedders import FailingEmbedder, HashEmbedder

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AGENTMEM_DB", "AGENTMEM_NAMESPACE", "AGENTMEM_EMBEDDER", "AGENTMEM_RERANKER", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def db(path: str) -> str:
    with AgentMemory(path) as mem:
        mem.add("I moved to Lisbon in May", user_id="ana")
    return path


def examined(db: str, capsys: Capture, *words: str) -> tuple[int, list[dict[str, str]]]:
    """Return the exit status, and what is not ok."""
    status = main(["doctor", "--json", "--db", db, *words])
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] == (status == 0)
    return status, [check for check in told["checks"] if check["level"] != "ok" and "pydantic" not in check["subject"]]


def problem(db: str, capsys: Capture, *words: str) -> dict[str, str]:
    status, (found,) = examined(db, capsys, *words)
    assert (status, found["level"]) == (1, "problem")
    return found


def warning(db: str, capsys: Capture, *words: str) -> dict[str, str]:
    status, (found,) = examined(db, capsys, *words)
    assert (status, found["level"]) == (0, "warning")
    return found


def test_a_sound_file_is_ok_and_every_line_begins_with_its_level(db: str, capsys: Capture) -> None:
    assert examined(db, capsys) == (0, [])
    assert main(["doctor", "--db", db]) == 0
    *lines, empty, summary = capsys.readouterr().out.splitlines()
    assert empty == ""
    assert summary.startswith("0 problems, ")
    assert {line.split()[0] for line in lines} <= {"ok", "warning"}
    assert any(line.startswith("ok       collection 'default': vectors of static:") for line in lines)


def test_looking_changes_nothing(db: str, capsys: Capture) -> None:
    assert (before := content(db)).keys() == {"memory.db"}
    assert examined(db, capsys) == (0, [])
    assert content(db) == before


def test_looking_leaves_the_log_of_a_program_that_was_killed(db: str, capsys: Capture, run_python: Any) -> None:
    program = "import os, sys; from agentmem_integrations import AgentMemory; AgentMemory(sys.argv[1]).add('x', user_id='ana'); os._exit(0)"
    run_python(program, db)
    assert (before := content(db))["memory.db-wal"]
    assert examined(db, capsys) == (0, [])
    assert [content(db)[name] == before[name] for name in ("memory.db", "memory.db-wal")] == [True, True]


def content(db: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in Path(db).parent.iterdir()}


def test_a_file_that_is_not_there_yet_is_no_problem_and_not_made(path: str, capsys: Capture) -> None:
    assert examined(path, capsys) == (0, [])
    assert not Path(path).exists()


def test_a_missing_folder_is_a_problem(path: str, capsys: Capture) -> None:
    found = problem(f"{path}/no/such.db", capsys)
    assert found["subject"] == "folder"
    assert "create it" in found["mend"]


def test_something_else_at_the_path_is_a_problem(path: str, capsys: Capture) -> None:
    Path(path).write_text("Dear Ana, this is not a database. " * 50, encoding="utf-8")
    Path(path).chmod(0o600)
    assert "is not a memory file" in problem(path, capsys)["said"]


def test_a_newer_schema_is_a_problem(db: str, capsys: Capture) -> None:
    connection = apsw.Connection(db)
    connection.pragma("user_version", 99)
    connection.close()
    assert "upgrade agentmem-integrations" in problem(db, capsys)["said"]


def test_an_older_schema_is_told_and_not_migrated(db: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnose, "migrations", lambda: [""] * 9)
    main(["doctor", "--db", db])
    assert re.search(r"^ok       schema: \d, brought to 9 when", capsys.readouterr().out, flags=re.MULTILINE)


def test_damaged_pages_are_a_problem(db: str, capsys: Capture) -> None:
    with AgentMemory(db) as mem:
        mem.add_batch([f"note {n} about tea" for n in range(500)], user_id="ana")
    content = bytearray(Path(db).read_bytes())
    content[-8_192 * 3 :] = os.urandom(8_192 * 3)
    Path(db).write_bytes(content)
    found = problem(db, capsys)
    assert "damaged" in found["said"]


def test_a_file_open_to_others_is_a_warning(db: str, capsys: Capture) -> None:
    if os.name != "posix":
        pytest.skip("permissions of POSIX")
    Path(db).chmod(0o644)
    assert "chmod 600" in warning(db, capsys)["mend"]


@pytest.mark.parametrize(("kept_from", "subject"), [("folder", "folder"), ("file", "file")])
def test_what_this_user_may_not_write_is_a_problem(
    kept_from: str, subject: str, db: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = Path(db) if kept_from == "file" else Path(db).parent  # as root, tests may write anywhere
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != denied)
    assert problem(db, capsys)["subject"] == subject


def test_a_network_filesystem_a_full_disk_and_a_long_log_are_warnings(db: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(network_filesystems, "_mounts", lambda: f"1 0 0:1 / {Path(db).parent.resolve()} rw - nfs4 server:/export rw")
        assert "nfs4" in warning(db, capsys)["said"]
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 1))  # type: ignore[attr-defined]
        assert "make room" in warning(db, capsys)["mend"]
    with monkeypatch.context() as patch:
        patch.setattr(diagnose, "log_bytes", lambda path: diagnose.LONG_LOG + 1)
        assert warning(db, capsys)["subject"] == "log"


def test_a_collection_of_another_embedder_is_a_problem_only_if_it_is_the_chosen_one(db: str, capsys: Capture) -> None:
    with AgentMemory(db, namespace="hashed", embedder=HashEmbedder()) as mem:
        mem.add("tea", user_id="ana")
    assert examined(db, capsys) == (0, [])
    found = problem(db, capsys, "--namespace", "hashed")
    assert "vectors of hash (revision 1, 64 dimensions), and static is chosen" in found["said"]
    assert "agentmem reembed static" in found["mend"]
    assert examined(db, capsys, "--namespace", "hashed", "--embedder", "none") == (0, [])
    assert problem(db, capsys, "--embedder", "fastembed:BAAI/bge-small-en-v1.5")["subject"] == "collection 'default'"


def test_an_older_table_of_the_bundled_embedder_is_another_embedder(db: str, capsys: Capture) -> None:
    connection = apsw.Connection(db)
    connection.execute("UPDATE collections SET revision = 'older'")
    connection.close()
    assert "revision older" in problem(db, capsys)["said"]


def test_a_collection_that_is_not_there_is_a_warning(db: str, capsys: Capture) -> None:
    assert warning(db, capsys, "--namespace", "typo")["subject"] == "collection 'typo'"


def test_owed_vectors_and_dead_jobs_are_warnings(path: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    with AgentMemory(path, embedder=FailingEmbedder()) as mem:
        mem.add_batch(["tea", "milk"], user_id="ana")
    assert "2 memories wait for their vector" in warning(path, capsys, "--embedder", "none")["said"]
    with AgentMemory(path, namespace="facts", embedder=None, llm=ScriptedChat(lambda request: "garbage"), mode="intelligent") as mem:
        mem.add("I live in Porto", user_id="ana")
        monkeypatch.setattr("agentmem_integrations.pipeline.intelligent.jobs.ATTEMPTS", 1)
        mem.flush()
    _, found = examined(path, capsys, "--embedder", "none")
    assert [check["said"] for check in found] == ["2 memories wait for their vector", "1 extractions of facts were given up"]
    assert "agentmem jobs --retry" in found[1]["mend"]


# The installation


def test_the_packages_and_their_ranges_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: needs for name, needs in project["optional-dependencies"].items() if name not in ("all", "bench", "docs")}
    wanted = {(None, need) for need in project["dependencies"]} | {(extra, need) for extra, needs in extras.items() for need in needs}
    there = {(p.extra, f"{p.name}>={p.least}" + (f",<{p.below}" if p.below else "")) for p in PACKAGES if p.name != "aiohttp"}
    assert there == {(extra, need.replace("[aiohttp]", "")) for extra, need in wanted}
    assert project["requires-python"] == ">=" + ".".join(map(str, doctor_installation.OLDEST_PYTHON))


@pytest.mark.parametrize(
    ("name", "version", "level", "told"),
    [
        ("sqlite-vec", "0.2.0", "problem", 'pip install "sqlite-vec>=0.1.9,<0.2"'),
        ("sqlite-vec", "0.1.6", "problem", "0.1.6 is not supported"),
        ("langchain", "0.3.27", "warning", "0.3.27 is not supported (>=1.2.11,<2 is)"),
        ("llama-index-core", "0.15.0rc1", "warning", "0.15.0rc1 is not supported"),
        ("numpy", None, "problem", "is not installed"),
    ],
)
def test_versions_out_of_range_are_named(
    name: str, version: str | None, level: str, told: str, db: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead_of(monkeypatch, name, version)
    _, (found,) = examined(db, capsys)
    assert (found["level"], found["subject"]) == (level, name)
    assert told in f"{found['said']}: {found['mend']}"


@pytest.mark.parametrize("version", ["1.2.10", "1.2.10.0", "1.10.3", "1.99.0.post1"])
def test_versions_in_range_are_ok(version: str, db: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    instead_of(monkeypatch, "langchain-core", version)
    assert examined(db, capsys) == (0, [])


def test_an_extra_that_is_missing_is_told_with_the_way_to_install_it(db: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    instead_of(monkeypatch, "fastembed", None)
    assert main(["doctor", "--db", db]) == 0
    told = 'ok       fastembed: is not installed (no fastembed:<model>): if you want it, pip install "agentmem-integrations[fastembed]"'
    assert told in capsys.readouterr().out


def test_packages_that_do_not_go_together_are_a_warning(db: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    for pydantic, warned in (("2.14.3", True), ("2.13.0", False)):
        versions(monkeypatch, {"pydantic": pydantic, "llama-index-core": "0.14.25"})
        main(["doctor", "--db", db])
        assert ("warning  pydantic 2.14.3 with llama-index-core 0.14.25" in capsys.readouterr().out) == warned


def test_without_apsw_the_way_to_install_it_is_told(path: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'apsw'", name="apsw")

    monkeypatch.setattr(build, "database_versions", missing)
    assert problem(path, capsys)["mend"] == "pip install --force-reinstall apsw"


def test_a_memory_that_cannot_load_its_database_says_so_in_one_line(run_python: Any) -> None:
    program = """
import sys
sys.modules["sqlite_vec"] = None
from agentmem_integrations.cli import main
print(main(["add", "x", "--user", "ana", "--db", "x.db"]), main(["doctor", "--db", "x.db"]))
"""
    told = run_python(program)
    assert told.endswith("\n2 1\n")
    assert "problem  SQLite: sqlite-vec, which compares vectors, cannot be imported on " in told


def test_a_changed_table_is_a_problem(db: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert table_checksum.damaged_files() == []
    folder = tmp_path / "table"
    folder.mkdir()
    for name in ("SHA256SUMS", "scales.npy", "table.npy"):
        shutil.copy(table_checksum.TABLE_DIR / name, folder)
    with (folder / "table.npy").open("ab") as table:
        table.write(b"x")
    assert table_checksum.damaged_files(folder) == ["table.npy", "tokenizer.json"]
    monkeypatch.setattr(doctor_installation, "damaged_files", lambda: table_checksum.damaged_files(folder))
    assert "reinstall" in problem(db, capsys)["mend"]


def test_a_key_that_is_needed_is_a_problem_and_its_value_is_never_told(path: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert problem(path, capsys, "--embedder", "openai:text-embedding-3-small")["subject"] == "OPENAI_API_KEY"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret")
    for command in ("doctor", "config"):
        assert main([command, "--db", path, "--embedder", "openai:text-embedding-3-small"]) == 0
        told = capsys.readouterr().out
        assert "verysecret" not in told
        assert re.search(r"OPENAI_API_KEY:? +(is )?set", told)


def instead_of(monkeypatch: pytest.MonkeyPatch, name: str, version: str | None) -> None:
    there = {package.name: package.least for package in PACKAGES} | {"pydantic": "2.13"}
    versions(monkeypatch, {**there, name: version})


def versions(monkeypatch: pytest.MonkeyPatch, told: dict[str, str | None]) -> None:
    real = metadata.version

    def version(name: str) -> str:
        found = told[name] if name in told else real(name)
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(doctor_installation.metadata, "version", version)


# config


def test_config_tells_every_setting_and_where_it_comes_from(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTMEM_EMBEDDER", "none")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:pass@localhost:1/v1")
    assert main(["config", "--db", "x.db", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(Settings.__dataclass_fields__) < set(told)
    assert told["path"] == {"value": "x.db", "source": "option"}
    assert told["embedder"] == {"value": None, "source": "environment"}
    assert told["namespace"] == {"value": "default", "source": "default"}
    assert told["OPENAI_API_KEY"] == {"value": "not set", "source": "default"}
    assert told["OPENAI_BASE_URL"] == {"value": "http://...@localhost:1/v1", "source": "environment"}
    main(["config", "--namespace", "notes"])
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["namespace"] == "notes  (--namespace)"
    assert lines["embedder"] == "none  ($AGENTMEM_EMBEDDER)"
