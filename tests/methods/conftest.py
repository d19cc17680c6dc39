"""Tiny backbones, shared by the tests of methods that train them."""

from __future__ import annotations

import pytest

from tests.trainable import Kit


@pytest.fixture(scope="session")
def kit(tmp_path_factory):
    return Kit(tmp_path_factory.mktemp("kit"))
