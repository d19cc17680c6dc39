"""Small real problems that every plugin is put to."""

from __future__ import annotations

import pytest

from tests.trainable import Kit


@pytest.fixture(scope="session")
def kit(tmp_path_factory):
    """Digits for images, the example's tickets for texts, tones for sounds, and tiny backbones."""
    return Kit(tmp_path_factory.mktemp("kit"))
