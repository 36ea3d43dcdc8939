"""The pages become a site without a warning."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-E", "-W", "--keep-going", "-b", "html", "-d", str(tmp_path / "trees")]
    built = subprocess.run([*command, str(ROOT / "docs"), str(tmp_path / "site")], capture_output=True, text=True, check=False, timeout=300)
    assert built.returncode == 0, built.stderr
    index = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "AgentMemory" in index  # the README was brought in
    notebook = (tmp_path / "site" / "first-ten-minutes.html").read_text(encoding="utf-8")
    assert "I moved to Lisbon for a job at the opera" in notebook  # what its code printed
    assert 'href="migrate.html"' in notebook
    assert "Find memories by meaning and by words" in (tmp_path / "site" / "reference" / "memory.html").read_text(encoding="utf-8")
