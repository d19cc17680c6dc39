"""The command, in a process of its own."""

import subprocess
import sys

from tests.report.conftest import ROOT


def test_it_loads_no_framework_and_no_plotting_library(tmp_path):
    out = tmp_path / "r.html"
    code = (
        "import sys\nfrom bench.cli import main\n"
        f"sys.argv = ['bench', 'report', 'results/default', '--out', {str(out)!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'datasets', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == str(out)
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_folder_without_a_run_is_a_mistake(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "bench", "report", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "holds no run" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
