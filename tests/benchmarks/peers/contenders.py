"""Ways from raw texts to pooled, normalised float32 features in input order.

Each contender is a function of texts. All are built from the same folder of weights, cut texts
at the same length, and leave the number of threads to the process (`facts.pin_threads`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.core.suite import Precision

Encode: TypeAlias = Callable[[Sequence[str]], NDArray[np.float32]]

BACKBONE = "minilm-l6"
MAX_LENGTH = 256
BATCH = 32
"""What sentence-transformers takes unless told otherwise, and most loops copy."""
EAGER_BATCHES = {"cpu": (4, 8, 16, 32, 64), "cuda": (128, 512, 2048)}
COMPILED_BATCHES = {"cpu": (8, 16, 32), "cuda": (512,)}
RUNTIME_BATCHES = (4, 8, 16, 32)


def weights() -> Path:
    """The folder of the backbone's weights and tokenizer."""
    from bench import backbones
    from bench.assets import resolve

    (folder,) = resolve(backbones.registry()[BACKBONE].spec.assets[0]).values()
    return folder


def loaded(precision: Precision, device: str = "cpu") -> Any:
    """bench's own backbone."""
    from bench import backbones

    return backbones.registry()[BACKBONE].load(device, precision, [])


def of_bench(precision: Precision, device: str = "cpu", *, compiled: bool = False) -> Encode:
    """`bench.extract.extract` at its defaults, without any cache."""
    from bench.backbones.compiled import compile_forward
    from bench.extract import extract

    backbone = loaded(precision, device)
    if compiled:
        compile_forward(backbone)
    return lambda texts: extract(backbone, texts, device).features


def of_bench_warm(precision: Precision, device: str, folder: Path) -> Encode:
    """The same with token ids that were made the first time each text came."""
    from bench.extract import TokenCache, extract

    backbone, tokens = loaded(precision, device), TokenCache(folder)
    return lambda texts: extract(backbone, texts, device, tokens=tokens).features


def sentence_transformer(precision: Precision, device: str = "cpu") -> Any:
    """The model as its card describes it: mean pooling and unit length."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    from bench.measure.ceiling import torch_dtype

    folder = str(weights())
    words = modules.Transformer(
        folder, max_seq_length=MAX_LENGTH, model_kwargs={"dtype": torch_dtype(precision)}
    )
    pooling = modules.Pooling(words.get_embedding_dimension(), "mean")
    return SentenceTransformer(modules=[words, pooling, modules.Normalize()], device=device)


def encode_with(model: Any, batch: int | None = None) -> Encode:
    """`SentenceTransformer.encode`; at its defaults where no batch size is given."""
    more = {} if batch is None else {"batch_size": batch}
    return lambda texts: model.encode(list(texts), show_progress_bar=False, **more)


def tuned(precision: Precision, device: str = "cpu") -> tuple[dict[str, Encode], str]:
    """`encode` at several batch sizes, as it is and compiled; why not, if it does not compile."""
    plain = sentence_transformer(precision, device)
    found = {f"batch {n}": encode_with(plain, n) for n in EAGER_BATCHES[device]}
    compiled = sentence_transformer(precision, device)
    try:
        compiled[0].auto_model.compile(dynamic=True)
        compiled.encode(["a first text", "and a second one"], show_progress_bar=False)
    except Exception as error:  # noqa: BLE001 -- whatever a compiler says, the rest goes on
        return found, f"torch.compile failed: {type(error).__name__}"
    return found | {
        f"compiled, batch {n}": encode_with(compiled, n) for n in COMPILED_BATCHES[device]
    }, "torch.compile works"


def of_a_loop(device: str = "cpu") -> Encode:
    """A loop over batches as most people write it, after the model's card."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = str(weights())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).to(device).eval()

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        rows = []
        for batch in batches(texts, BATCH):
            ready = tokenizer(
                batch, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt"
            ).to(device)
            with torch.no_grad():
                states = model(**ready).last_hidden_state
            mask = ready["attention_mask"].unsqueeze(-1).float()
            pooled = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            rows.append(torch.nn.functional.normalize(pooled, dim=1).cpu().numpy())
        return np.concatenate(rows)

    return encode


def of_runtime(folder: Path, threads: int) -> dict[str, Encode]:
    """onnxruntime on two exports and several batch sizes, texts sorted by length.

    The second export's attention is written out, so that onnxruntime's own optimizer finds
    it and puts its fused kernel in its place.
    """
    paths = {"as exported": export(folder, fused=False), "fused": export(folder, fused=True)}
    found = {}
    for name, path in paths.items():
        session = runtime_session(path, threads)
        for size in RUNTIME_BATCHES:
            found[f"{name}, batch {size}"] = run_session(session, size)
    return found


def export(folder: Path, *, fused: bool) -> Path:
    """The encoder as an ONNX file in `folder`."""
    import torch
    from transformers import AutoModel

    class States(torch.nn.Module):
        """Last hidden states of token ids and their mask."""

        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    attention = "eager" if fused else "sdpa"
    model = States(AutoModel.from_pretrained(str(weights()), attn_implementation=attention)).eval()
    ids = torch.ones(2, 8, dtype=torch.long)
    names = ["input_ids", "attention_mask"]
    path = folder / f"{attention}.onnx"
    common = {"input_names": names, "output_names": ["states"], "verbose": False}
    if not fused:
        axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=MAX_LENGTH)}
        torch.onnx.export(
            model,
            (ids, torch.ones_like(ids)),
            path,
            dynamo=True,
            dynamic_shapes=dict.fromkeys(names, axes),
            **common,
        )
        return path
    from onnxruntime.transformers import optimizer

    torch.onnx.export(
        model,
        (ids, torch.ones_like(ids)),
        path,
        dynamo=False,
        opset_version=17,
        dynamic_axes={key: {0: "batch", 1: "length"} for key in [*names, "states"]},
        **common,
    )
    config = model.model.config
    found = optimizer.optimize_model(
        str(path),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
    )
    if not found.get_fused_operator_statistics()["Attention"]:
        raise RuntimeError("onnxruntime's optimizer found no attention to fuse")
    path = folder / "fused.onnx"
    found.save_model_to_file(str(path))
    return path


def runtime_session(path: Path, threads: int) -> Any:
    """A session with so many threads inside an operator, and one operator at a time."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_session(session: Any, size: int) -> Encode:
    """Texts through a session in batches of like lengths; pooling in numpy."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(weights()))

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        order = np.argsort([-len(text) for text in texts], kind="stable")
        rows = []
        for batch in batches([texts[i] for i in order], size):
            ready = tokenizer(
                batch, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="np"
            )
            mask = ready["attention_mask"].astype(np.int64)
            feed = {"input_ids": ready["input_ids"].astype(np.int64), "attention_mask": mask}
            (states,) = session.run(["states"], feed)
            weight = mask[:, :, None].astype(np.float32)
            pooled = (states * weight).sum(1) / weight.sum(1)
            rows.append(pooled / np.linalg.norm(pooled, axis=1, keepdims=True))
        features = np.empty((len(texts), rows[0].shape[1]), dtype=np.float32)
        features[order] = np.concatenate(rows)
        return features

    return encode


def product(precision: Precision, tokens: int, width: int, inner: int) -> Callable[[int], object]:
    """Work that does so many products `(tokens, width) x (width, inner)` as oneDNN packs them.

    The product is the one that bench's fused encoder calls: weights in the library's own
    layout, the bias added inside.
    """
    import torch

    from bench.measure.ceiling import torch_dtype

    ops, dtype = torch.ops.mkldnn, torch_dtype(precision)
    left = [torch.randn(tokens, width).to(dtype) for _ in range(2)]
    packed = [ops._reorder_linear_weight(torch.randn(inner, width).to(dtype)) for _ in range(2)]
    bias = torch.randn(inner).to(dtype)

    def work(calls: int) -> object:
        out = None
        with torch.inference_mode():
            for i in range(calls):
                out = ops._linear_pointwise(left[i % 2], packed[i % 2], bias, "none", [], "")
        return out

    return work


def batches(texts: Sequence[str], size: int) -> Iterator[list[str]]:
    """Texts in their order, so many at a time."""
    for start in range(0, len(texts), size):
        yield list(texts[start : start + size])


def cosines(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> dict[str, float]:
    """The least and the mean cosine of the rows of two `(n, d)`."""
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    if a.shape != b.shape:
        raise ValueError(f"features {a.shape} and {b.shape} are not of the same texts")
    found = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return {"least": float(found.min()), "mean": float(found.mean())}


def compared(
    contenders: Mapping[str, Encode], reference: str, texts: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Cosines of each contender's features with those of the reference."""
    expected = contenders[reference](texts)
    return {name: cosines(encode(texts), expected) for name, encode in contenders.items()}


def distinct(texts: Iterable[str]) -> list[str]:
    """Each text once, in the order they come in: a repeated one would flatter who notices it."""
    return list(dict.fromkeys(texts))
