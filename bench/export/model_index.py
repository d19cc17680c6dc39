"""The `model-index` block of a hub model card: results of one backbone and method over its tasks.

The format: https://github.com/huggingface/hub-docs/blob/main/modelcard.md. huggingface_hub's own
classes write it. A YAML document an entrant: a card takes one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.core.inert import clean
from bench.core.metrics import TRANSCRIPTION
from bench.core.task import Modality
from bench.stats import Estimate
from bench.tables import Board
from bench.tables.cells import metric_words
from bench.tables.problem import Problem
from bench.tables.rows import Row

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

DIGITS = 10  # sums differ in the last digits between machines
_HUB_METRICS: dict[str, tuple[str, dict[str, Any]]] = {"macro_f1": ("f1", {"average": "macro"})}
"""Ids that the hub has another name for, with the arguments that make them ours."""
_HUB_TASKS: dict[str, str] = {
    Modality.TEXT: "text-classification",
    Modality.IMAGE: "image-classification",
    Modality.AUDIO: "audio-classification",
    Modality.TABLE: "tabular-classification",
    Modality.SEVERAL: "other",  # the hub has no classification of several parts, and wants a type
}
"""The hub's names (https://github.com/huggingface/huggingface.js, tasks/src/pipelines.ts)."""


def model_index(board: Board, rows: Sequence[Row]) -> str:
    """One YAML document for each backbone and method of `rows`, in their order.

    Rows that are not complete, or are controls, are in none: a card has no place to say so.
    """
    from huggingface_hub import ModelCardData

    by_entrant: dict[str, list[Row]] = {}
    for row in rows:
        if row.complete and row.control is None:
            by_entrant.setdefault(f"{row.backbone} / {row.method}", []).append(row)
    documents = [
        ModelCardData(
            model_name=clean(name),
            eval_results=[result for row in of for result in _results(board, row)],
        ).to_yaml()
        for name, of in by_entrant.items()
    ]
    return "".join(f"---\n{document.rstrip()}\n" for document in documents)


def _results(board: Board, row: Row) -> list[EvalResult]:
    metrics: dict[str, Estimate | None] = {row.problem.metric: row.value}
    metrics.setdefault("macro_f1", row.macro_f1)
    return [
        _result(board, row, metric, found) for metric, found in metrics.items() if found is not None
    ]


def _result(board: Board, row: Row, metric: str, found: Estimate) -> EvalResult:
    from huggingface_hub import EvalResult

    known, arguments = _HUB_METRICS.get(metric, (metric, {}))
    problem = row.problem
    return EvalResult(
        task_type=_task_type(problem),
        dataset_type=clean(problem.task),
        dataset_name=clean(problem.title),
        dataset_config=clean(problem.train),
        dataset_split="test",
        dataset_args={
            "suite": clean(f"{board.suite}, version {board.version}"),
            "labels": row.labels,
            "records": list(row.run_ids),
        },
        metric_type=known,
        metric_name=metric_words(metric),
        metric_value=round(found.mean, DIGITS),
        metric_args={
            **arguments,
            "interval_95": [round(found.low, DIGITS), round(found.high, DIGITS)],
            "interval_covers": found.covers.value,
            "draws": found.draws,
            "test_items": found.items,
        },
    )


def _task_type(problem: Problem) -> str:
    """The hub's name for this kind of task; its metric tells transcripts from classes."""
    if problem.metric in TRANSCRIPTION:
        return "automatic-speech-recognition"
    return _HUB_TASKS[problem.modality]
