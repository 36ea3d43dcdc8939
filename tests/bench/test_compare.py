"""`agentmem bench compare`, in small, with the stores that are always there and some that misbehave."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agentmem_integrations.bench.command import main
from agentmem_integrations.bench.compare.apart import PeerError, environment, run, without_paths
from agentmem_integrations.bench.compare.command import compare
from agentmem_integrations.bench.compare.comparison import Amounts, Result
from agentmem_integrations.bench.compare.peer import ENTRIES, OURS, Embedder, Entry, Peer, plain_turn, turn_of
from agentmem_integrations.bench.compare.peers.ours import Ours
from agentmem_integrations.bench.compare.peers.plain import Fused, Vectors, Words
from agentmem_integrations.bench.compare.peers.simple import Simple
from agentmem_integrations.bench.compare.plots import Plots
from agentmem_integrations.bench.compare.report import BEGIN, END, behind, document, plain_text, replace_in
from agentmem_integrations.errors import MissingExtraError

Capture = pytest.CaptureFixture[str]

ROOT = Path(__file__).parents[2]
SMALL = Amounts(adds=24, adds_s=20, rounds=1, killed=5, memories=60, asked=3, timeout_s=60)
NAMED = {entry.name: entry for entry in ENTRIES}
STRANGE = """
import os, signal
from agentmem_integrations.bench.compare.peers.plain import Words

class Lossy(Words):
    "Says that it has stored a turn, and every fourth time has not."
    def add(self, turn):
        if turn.id[-1] not in "37":
            super().add(turn)

class Grumbling(Words):
    "Refuses some turns, and dies when it is asked."
    def add(self, turn):
        if turn.id == "t5":
            raise RuntimeError("no fives")
        super().add(turn)
    def search(self, way, question, k):
        os.kill(os.getpid(), signal.SIGSEGV)
"""
ABSENT = Entry("Absent", "nowhere:Absent", {"vectors": "vectors"}, "library", "synced to disk", ("no-such-package",))


def strange(name: str) -> Entry:
    return Entry(name, f"strange_peers:{name}", {"words": "words"}, "library", "synced to disk")


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents with questions whose answers are known."""
    places = "harbour garden library museum bakery station castle bridge market tower".split()
    path = tmp_path_factory.mktemp("talks") / "pages.json"
    path.write_text(json.dumps({
        "docs": [{"id": n, "text": f"the {place} is old"} for n, place in enumerate(places)],
        "queries": [{"id": n, "text": f"old {place}", "relevant": [n]} for n, place in enumerate(places)],
    }))  # fmt: skip
    return path


@pytest.fixture(scope="module")
def compared(talks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Result], Path]]:
    """The results of one run, and its JSON."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / "strange_peers.py").write_text(STRANGE)
    entries = [NAMED[OURS], NAMED["RRF"], NAMED["SimpleVectorStore"], strange("Lossy"), strange("Grumbling"), ABSENT]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        results = compare(entries, SMALL, ["compare"], folder=str(folder), paths=[talks], json_to=str(folder / "out.json"))
        assert sorted(path.name for path in folder.iterdir()) == ["out.json", "strange_peers.py"], "the files of a run are removed"
        yield {result.entry.name: result for result in results}, folder / "out.json"


def test_everybody_is_measured_in_every_way(compared: tuple[dict[str, Result], Path]) -> None:
    for name in (OURS, "RRF", "SimpleVectorStore"):
        result = compared[0][name]
        assert (result.failures, dict(result.errors)) == ([], {})
        assert all((result.adds_per_second(threads) or 0) > 0 for threads in (1, 8))
        assert (result.bulk or 0) > 0
        assert (result.bytes or 0) > SMALL.memories * 4 * 256
        assert (result.peak or 0) > 10_000_000
        assert {way: len(times) for way, times in result.times.items()} == dict.fromkeys(result.entry.ways, SMALL.asked)
        for found in result.recall.values():
            count, *shares = found["pages"]
            assert count == 10
            assert 0.5 < shares[0] <= shares[1] <= shares[2] <= 1


def test_nothing_of_ours_is_lost(compared: tuple[dict[str, Result], Path]) -> None:
    ours = compared[0][OURS]
    assert (ours.acknowledged, ours.lost) == (2 * SMALL.adds + SMALL.memories, 0)
    assert ours.killed is not None
    assert ours.killed[0] >= SMALL.killed
    assert ours.killed[1] == 0


def test_a_store_that_writes_at_the_end_loses_all_when_it_is_killed(compared: tuple[dict[str, Result], Path]) -> None:
    simple = compared[0]["SimpleVectorStore"]
    assert simple.lost == 0
    assert simple.killed is not None
    assert simple.killed[0] == simple.killed[1] > 0


def test_acknowledged_turns_that_are_not_there_are_noticed(compared: tuple[dict[str, Result], Path]) -> None:
    lossy = compared[0]["Lossy"]
    kept_back = sum(str(n)[-1] in "37" for n in range(SMALL.adds))
    assert lossy.lost == 2 * kept_back  # with one thread and with eight; in bulk it keeps its word
    assert lossy.killed is not None
    assert lossy.killed[1] >= 1


def test_errors_are_counted_and_what_raised_was_not_acknowledged(compared: tuple[dict[str, Result], Path]) -> None:
    grumbling = compared[0]["Grumbling"]
    assert grumbling.errors == {"RuntimeError: no fives": 2}
    assert grumbling.acknowledged == 2 * (SMALL.adds - 1) + 0  # its search died before what was filled could be counted
    assert grumbling.lost == 0


def test_a_crash_is_a_line_and_the_others_go_on(compared: tuple[dict[str, Result], Path]) -> None:
    grumbling = compared[0]["Grumbling"]
    assert "searches: killed by SIGSEGV" in grumbling.failures
    assert grumbling.times == {}
    assert compared[0]["SimpleVectorStore"].times  # which came before it or after it, by turns
    assert "- Grumbling failed: searches: killed by SIGSEGV" in document(list(compared[0].values()), facts(compared[1]))


def test_what_is_not_installed_is_named_with_the_reason(compared: tuple[dict[str, Result], Path]) -> None:
    absent = compared[0]["Absent"]
    assert absent.skipped == "no-such-package is not installed"
    assert absent.rates == {}
    assert "- Absent: no-such-package is not installed" in document(list(compared[0].values()), facts(compared[1]))


def test_the_json_has_every_figure(compared: tuple[dict[str, Result], Path]) -> None:
    told = facts(compared[1])
    assert told["sizes"]["adds"] == SMALL.adds
    by_name = {result["entry"]["name"]: result for result in told["results"]}
    assert by_name["Grumbling"]["errors"] == {"RuntimeError: no fives": 2}
    assert by_name[OURS]["times"]["hybrid"]["n"] == SMALL.asked


def facts(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


FACTS = {
    "versions": {"agentmem_integrations": "1.0", "python": "3.11.1"}, "machine": {"cpus": 2, "architecture": "x86", "sync_ms": 0.1},
    "seed": 1, "started_at": "2026-01-01T00:00:00", "sizes": {"adds": 1, "adds_s": 1, "rounds": 1, "asked": 1, "memories": 1},
}  # fmt: skip


def made(name: str, rate: float, ms: float, recall: float) -> Result:
    entry = NAMED[name]
    return Result(
        entry, {"python": "3.11.1"}, rates={1: [rate], 8: [rate]}, returned={1: [rate], 8: [rate]}, bulk=rate, bytes=1_000_000,
        peak=1_000_000, times={way: [ms / 1e3] for way in entry.ways},
        recall={way: {"talks": [7, recall, recall, recall]} for way in entry.ways},
    )  # fmt: skip


def test_where_we_are_behind_is_said() -> None:
    ours, chroma = made(OURS, 100, 1.0, 0.8), made("Chroma", 90, 0.5, 0.7)
    assert list(behind([ours, chroma])) == ["search for vectors alone, p50: Chroma, 0.5 ms against 1"]
    better = replace(chroma, rates={1: [200], 8: [90]}, times={"vectors": [0.002]}, recall={"vectors": {"talks": [7, 0.1, 0.9, 0.9]}})
    assert list(behind([ours, better])) == [
        "adds, 1 thread: Chroma, 200 a second against 100", "recall@10, talks: Chroma, 90 % against 80",
    ]  # fmt: skip
    assert "- Nowhere." in document([ours, replace(chroma, times={})], FACTS)


def test_a_store_is_compared_with_its_like_alone() -> None:
    ours, words, vectors = made(OURS, 100, 1.0, 0.8), made("BM25", 50, 0.5, 0.1), made("Chroma", 50, 5.0, 0.1)
    assert [line for line in behind([ours, words, vectors]) if "search" in line] == ["search for words alone, p50: BM25, 0.5 ms against 1"]


def test_the_best_of_each_column_is_marked_and_errors_are_listed() -> None:
    ours, chroma = made(OURS, 1_000, 1.0, 0.8), made("Chroma", 90, 0.5, 0.7)
    chroma.errors = Counter({"ValueError: odd": 3})
    report = document([ours, chroma], FACTS, ["benchmarks/compare-adds.png"])
    assert "| **AgentMemory** | **1,000** | **1,000** |" in report
    assert "| Chroma | 90 | 90 |" in report
    assert "| Chroma | **0.5** | **0.5** |" in report
    assert "- Chroma: 3 x ValueError: odd" in report
    assert "![compare adds](benchmarks/compare-adds.png)" in report
    assert "*" not in plain_text(report)


def test_adds_that_return_before_they_are_on_disk_are_told_apart() -> None:
    simple = made("SimpleVectorStore", 100, 1.0, 0.1)
    assert "returned faster" not in document([simple], FACTS)
    simple.returned = {1: [900], 8: [800]}
    assert "SimpleVectorStore returned faster, 900 with 1 thread and 800 with 8 threads a second" in document([simple], FACTS)


def test_a_page_takes_the_tables_again_and_again() -> None:
    page = f"# Page\n\nbefore\n\n{BEGIN}\nold\n{END}\n\nafter\n"
    once = replace_in(page, "new\n")
    assert once == f"# Page\n\nbefore\n\n{BEGIN}\n\nnew\n\n{END}\n\nafter\n"
    assert replace_in(once, "new\n") == once
    for broken in ("# Page\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n"):
        with pytest.raises(ValueError, match="the page needs two lines"):
            replace_in(broken, "new")


def test_the_page_of_benchmarks_can_take_them() -> None:
    assert replace_in((ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8"), "")


def test_plots_are_drawn_and_the_same_each_time(tmp_path: Path) -> None:
    results = [made(OURS, 100, 1.0, 0.8), made("RRF", 90, 0.5, 0.7), made("Chroma", 80, 0.4, 0.6)]
    first, second = (Plots(tmp_path / name).draw(results) for name in ("one", "two"))
    assert [path.name for path in first] == ["compare-recall.png", "compare-adds.png", "compare-search.png"]
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes().startswith(b"\x89PNG")
        assert one.with_suffix(".svg").read_bytes() == two.with_suffix(".svg").read_bytes()
        assert "Chroma" in one.with_suffix(".svg").read_text(encoding="utf-8")


def test_plots_are_left_out_where_there_is_nothing_to_draw(tmp_path: Path) -> None:
    assert [path.name for path in Plots(tmp_path).draw([replace(made(OURS, 100, 1.0, 0.8), recall={}, times={})])] == ["compare-adds.png"]


def test_plots_name_their_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"agentmem-integrations\[bench\]"):
        Plots(tmp_path)


@pytest.mark.parametrize("kind", [Ours, Vectors, Words, Fused, Simple])
def test_a_store_has_what_it_was_given_when_it_is_opened_again(kind: type[Peer], tmp_path: Path) -> None:
    texts = {"a": "Ana moved to Lisbon in May", "b": "Ben bought a red bicycle", "c": "The bakery closes at noon"}
    peer = kind(tmp_path, Embedder())
    peer.add(plain_turn("a", texts["a"]))
    peer.add_many([plain_turn(id, texts[id]) for id in "bc"])
    peer.save()
    peer.close()
    peer = kind(tmp_path, Embedder())
    assert peer.ids() == set("abc")
    ways = next(entry.ways for entry in ENTRIES if entry.home.endswith(f":{kind.__name__}"))
    assert {peer.search(way, "who bought bicycles?", 1)[0] for way in ways} == {"b"}
    peer.close()


def test_names_of_speakers_stand_before_what_they_say() -> None:
    turn = turn_of({"content": "Hello", "name": "Ana", "metadata": {"turn": "D1:1"}})
    assert (turn.id, turn.text, turn.item["id"]) == ("D1:1", "Ana: Hello", "D1:1")
    assert turn_of({"content": "Hello", "metadata": {"turn": "1"}}).text == "Hello"


def test_vectors_of_questions_are_made_beforehand() -> None:
    embedder = Embedder()
    embedder.prepare(["where?"])
    assert embedder.one("where?") is embedder.one("where?")
    assert (embedder.one("where?") == embedder.documents(["where?"])[0]).all()


def test_reasons_tell_no_path() -> None:
    assert without_paths("cannot open /var/lib/some where/x.db or /a") == "cannot open .../some where/x.db or /a"


def test_a_job_that_takes_too_long_or_cannot_start_is_said(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match=r"probe: took more than 0 s"):
        run(NAMED["BM25"], "probe", sys.executable, 0.01, folder=str(tmp_path), needs=[])
    with pytest.raises(PeerError, match="cannot be run"):
        run(NAMED["BM25"], "probe", "no-such-python", 5, folder=str(tmp_path), needs=[])
    with pytest.raises(PeerError, match=r"probe: ModuleNotFoundError: No module named 'nowhere'"):
        run(replace(ABSENT, needs=()), "probe", sys.executable, 60, folder=str(tmp_path), needs=[])


def test_another_interpreter_gets_the_packages_of_this_one() -> None:
    assert "site-packages" in environment("another")["PYTHONPATH"]
    assert str(ROOT) in environment(sys.executable)["PYTHONPATH"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--peer", "nobody"], "nobody is called 'nobody': choose from AgentMemory"),
        (["--python", "SqliteStore"], "write NAME=PYTHON"),
        (["--python", "nobody=python3"], "nobody is called 'nobody'"),
        (["no-such-file.json"], "no-such-file.json"),
        (["--write", "no-such-page.md"], "no-such-page.md"),
        (["--write", "README.md"], "the page needs two lines"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_measured(
    arguments: list[str], said: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["compare", *arguments]) == 1
    captured = capsys.readouterr()
    assert said in captured.err
    assert "look:" not in captured.err


def test_the_command_writes_page_and_json(tmp_path: Path, capsys: Capture) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{BEGIN}\n{END}\n")
    assert main(["compare", "--quick", "--peer", "bm25", "--write", str(page), "--json", "-", "--dir", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert [result["entry"]["name"] for result in json.loads(captured.out)["results"]] == [OURS, "BM25"]
    assert "Where this library is behind" in captured.err
    assert "| *BM25* |" in page.read_text(encoding="utf-8")
