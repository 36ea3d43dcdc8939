"""How the pages become a site: `make docs`.

The pages are written for readers of the repository. What differs on the site is done here: pages of the top folder are brought
in, and links to files that are no pages lose their link.
"""

import json
import posixpath
import re
from pathlib import Path
from typing import Any, Final

from agentmem_integrations import __version__, langchain, llamaindex

# autodoc rewrites the annotations of the classes it documents and of their bases, pydantic's BaseModel among them, of which no
# further class can be made then. So all classes of the adapters are made before it begins.
for package in (langchain, llamaindex):
    for name in package.__all__:
        getattr(package, name)

project = "agentmem-integrations"
author = "agentmem-integrations contributors"
copyright = author
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["README.md"]  # its list of pages is the site's own navigation
root_doc = "index"

myst_heading_anchors = 4  # links to headings are written as on the web page of the repository

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True  # a default that is a function has no source text otherwise, and the whole signature stays unparsed
python_maximum_signature_line_length = 100
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
default_role = "code"  # docstrings write `name` for code

html_theme = "furo"
html_title = f"agentmem-integrations {__version__}"
html_show_sphinx = False

HERE: Final = Path(__file__).parent
TOP: Final = {
    "index": "README.md",
    "architecture": "ARCHITECTURE.md",
    "security": "SECURITY.md",
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
}
NOTEBOOKS: Final = {"first-ten-minutes": "examples/first_ten_minutes.ipynb"}
PAGE_OF: Final = {name: page for page, name in (TOP | NOTEBOOKS).items()} | {"docs/README.md": "index"}

_link = re.compile(r"\[([^\]\n]+)\]\(([^)#\s]+?)(#[^)\s]*)?\)")
_block = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def _for_the_site(text: str, folder: str) -> str:
    """Return a page whose links hold on the site.

    Args:
        text: The page.
        folder: Where it lies in the repository; its links start there.
    """

    def link(found: re.Match[str]) -> str:
        words, target, anchor = found[1], found[2], found[3] or ""
        if "://" in target:
            return found[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        if path in PAGE_OF:
            return f"[{words}](/{PAGE_OF[path]}.md{'' if path == 'docs/README.md' else anchor})"
        if path.startswith("docs/") and (HERE.parent / path).is_file():
            return f"[{words}](/{path.removeprefix('docs/')}{anchor})"
        return words

    return "".join(part if part.startswith("```") else _link.sub(link, part) for part in _block.split(text))


def _notebook(file: Path) -> str:
    """Return a notebook as a page: its words, its code, and what that printed."""
    parts = []
    for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
        words = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(words)
            continue
        parts.append(f"```python\n{words}\n```")
        printed = "".join("".join(output.get("text", "")) for output in cell["outputs"]).rstrip()
        if printed:
            parts.append(f"```text\n{printed}\n```")
    return "\n\n".join(parts)


def _read(app: Any, page: str, source: list[str]) -> None:
    text = _for_the_site(source[0], posixpath.join("docs", posixpath.dirname(page)))
    if page in TOP:
        text = _for_the_site((HERE.parent / TOP[page]).read_text(encoding="utf-8"), "") + "\n\n" + text
    if page in NOTEBOOKS:
        file = HERE.parent / NOTEBOOKS[page]
        text = _for_the_site(_notebook(file), "examples")
    source[0] = text


def setup(app: Any) -> dict[str, bool]:
    """Register what reads the pages."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
