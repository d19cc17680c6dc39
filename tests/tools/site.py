"""What `make docs` does to pages on their way into the site: links out of docs/ have no page there.

A hook of MkDocs (https://www.mkdocs.org/user-guide/configuration/#hooks). The pages themselves stay
as a code host needs them, with links that lead through the repository.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

FOLDER = "docs"
_CODE = r"(?P<code>^ *```.*?^ *```\s*?$|`[^`\n]*`)"
_LABEL = r"(?P<mark>!?)\[(?P<label>(?:[^\[\]]|\[[^\]]*\])*)\]"
_OUT = _LABEL + r"\((?P<link>\.\.?/[^)\s#]*)(?P<anchor>#[^)\s]*)?\)"
_PARTS = re.compile(f"{_CODE}|{_OUT}", re.MULTILINE | re.DOTALL)


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Links to what is not in docs/ lead to the host of the code, where `repo_url` names one."""
    return mended(markdown, page.file.src_uri, config.repo_url)


def mended(text: str, name: str, url: str | None) -> str:
    """A page of docs/ whose links out of it are links to `url`, or say what they were of.

    Args:
        text: Markdown.
        name: the page's place in docs/, as `methods/probe.md`.
        url: the repository on its host, if it has one.
    """

    def one(found: re.Match[str]) -> str:
        if found["code"]:
            return found[0]
        place = posixpath.join(FOLDER, posixpath.dirname(name), found["link"])
        path = posixpath.normpath(place)
        if path.startswith(f"{FOLDER}/"):
            return found[0]
        if url:
            return f"[{found['label']}]({url.rstrip('/')}/blob/HEAD/{path}{found['anchor'] or ''})"
        return f"{found['label']} (`{path}` in the repository)"

    return _PARTS.sub(one, text)
