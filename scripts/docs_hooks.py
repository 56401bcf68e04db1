"""What mkdocs is told beyond its configuration: links to files outside docs/ are names of files on the site."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OUTSIDE = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+)([^)\s#]+)\)")


class BrokenLinkError(Exception):
    """A link to a file that is not there."""


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Replace such links by what they say.

    Raises:
        BrokenLinkError: there is no such file.
    """
    folder = Path(page.file.abs_src_path).parent

    def named(link: re.Match[str]) -> str:
        target = (folder / (link[2] + link[3])).resolve()
        if target.is_relative_to(ROOT / "docs"):
            return link[0]
        if not target.exists():
            raise BrokenLinkError(f"{page.file.src_path}: no {target.relative_to(ROOT)}")
        text = link[1].strip("`")
        inside = str(target.relative_to(ROOT))
        return f"`{inside}`" if text in inside else f"{link[1]} (`{inside}`)"

    return OUTSIDE.sub(named, markdown)
