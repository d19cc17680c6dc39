"""What an error may say in a record: the cause, without anything personal or secret."""

from __future__ import annotations

import getpass
import os
import re
import socket
import traceback
from pathlib import Path

_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|CREDENTIAL", re.IGNORECASE)
_IN_URL = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
_PATH = re.compile(r"(?:/[\w.+-]+){2,}/(?=[\w.+-]+)")
FRAMES_KEPT = 8
CHARACTERS_KEPT = 2000


def scrub(text: str) -> str:
    """`text` without secrets of the environment, user and host name, and folders of the machine."""
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= 6:
            text = text.replace(value, "***")
    text = _IN_URL.sub("***", text)
    text = text.replace(str(Path.home()), "~")
    text = _PATH.sub("", text)  # the file's name stays
    for word, put in ((_user(), "user"), (socket.gethostname(), "host")):
        if len(word) > 2:
            text = re.sub(rf"\b{re.escape(word)}\b", put, text)
    return text[-CHARACTERS_KEPT:]


def where(error: BaseException) -> str:
    """The last frames of a traceback as `file:line function`, without source lines or values."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_KEPT:]
    return "\n".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
