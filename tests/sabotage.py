"""A method that does to its process what its parameter says, as another package would bring it."""

from __future__ import annotations

from pathlib import Path

CODE = '''
"""A plugin of a test."""
import os, signal, subprocess, sys, time
import numpy as np
from bench.core.method import MethodSpec, Needs, Parameter
from bench.core.predictions import ClassPredictions
from bench.methods.centroid import Centroid

FOLDER = os.environ.get("SABOTAGE_FOLDER", ".")


class Nothing:
    """Predicts NaN."""
    def __init__(self, classes): self.classes = classes
    def predict(self, inputs):
        return ClassPredictions(np.full((len(inputs), self.classes), np.nan, np.float32))


class Sabotage(Centroid):
    spec = MethodSpec(
        name="sabotage", version=1, summary="", needs=Needs.FEATURES,
        parameters=(
            Parameter("how", "no", ""), Parameter("seconds", 0.0, ""),
            *Centroid().spec.parameters,
        ),
        reference="-",
    )

    def __init__(self): pass

    def fit(self, parameters, train, validation, context):
        how = parameters["how"]
        if not how.startswith("no"): print("about to", how, flush=True)
        if how == "raise": raise ValueError("of the test")
        if how == "kill": os.kill(os.getpid(), signal.SIGKILL)
        if how == "leak":
            token = os.environ["HF_TOKEN"]
            said = f"leaked {token} of {os.path.expanduser('~')}/x/secret.txt in {FOLDER}/y"
            print(said, f"https://me:{token}@example.org/x", flush=True)
            raise ValueError(said)
        if how == "kill-once":
            mark = os.path.join(FOLDER, "killed-once")
            if not os.path.exists(mark):
                open(mark, "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
        if how == "segv": os.kill(os.getpid(), signal.SIGSEGV)
        if how == "exit": os._exit(0)
        if how == "nan": return Nothing(context.classes)
        if how == "memory": np.ones(int(40e9) // 8)
        if how == "memory-torch":
            import torch
            torch.ones(int(40e9) // 4)
        if how == "assert": raise RuntimeError("CUDA error: device-side assert triggered")
        if how == "cuda-memory":
            import torch
            torch.empty(10**12, dtype=torch.uint8, device="cuda")
        if how == "cuda-assert":
            import torch
            torch.zeros(2, device="cuda")[torch.tensor([5], device="cuda")].cpu()
        if how == "gigabyte":
            block = b"x" * 10**6 + b"\\\\n"
            for _ in range(1000): os.write(1, block)
        if how == "grandchild":
            code = "import time; time.sleep(600)"
            child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
            with open(os.path.join(FOLDER, "grandchild"), "w") as file: file.write(str(child.pid))
            os._exit(3)
        if how == "hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True: time.sleep(60)
        if how == "stop": os.kill(os.getpid(), signal.SIGSTOP)
        if parameters["seconds"]: time.sleep(parameters["seconds"])
        return super().fit(parameters, train, validation, context)


METHODS = (Sabotage(),)
'''


def write_plugin(folder: Path) -> Path:
    """The package, with its entry point, in a folder for PYTHONPATH."""
    (folder / "sabotage.py").write_text(CODE)
    info = folder / "sabotage-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sabotage\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bench.methods]\nsabotage = sabotage:METHODS\n")
    return folder
