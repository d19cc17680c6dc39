import os
import time

import pytest

from bench.tables import table


@pytest.mark.slow
def test_ten_thousand_records_are_a_table_in_seconds(make, folder, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # of making them; reading has none
    cells = [
        record.run_id
        for task in range(10)
        for backbone in range(10)
        for method in range(34)
        for record in make.draws(
            3, task=f"t{task}", backbone=f"b{backbone}", method=f"m{method}", items=1000
        )
    ]
    make.store.write_suite({"name": "big", "version": 1, "cells": cells})
    start = time.perf_counter()
    assert table(folder).count("\n") > 3000
    seconds = time.perf_counter() - start
    assert seconds < 10, seconds  # about 4 s on two cores; the margin is for busy machines
