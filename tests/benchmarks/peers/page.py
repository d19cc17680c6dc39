"""results/peers/README.md and ratios.svg, derived from the parts' files alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.stats.ratios import Ratio
from tests.benchmarks.peers import words
from tests.benchmarks.peers.facts import FOLDER
from tests.benchmarks.peers.pairs import (
    heads_pairs,
    mteb_pairs,
    score_gap,
    share,
    share_of_torch,
    text_pairs,
    training_gap,
    training_pair,
    tuned_pairs,
)
from tests.benchmarks.peers.plot import Bar, svg
from tests.benchmarks.peers.words import flowed

PARTS = (
    *("text", "text-amx", "text-avx2", "text-cuda"),
    *("mteb", "mteb-amx", "mteb-avx2"),
    *("heads", "heads-amx", "heads-avx2", "heads-cuda", "training"),
)
"""Names with an ending are of another kind of machine (`--as`)."""
WHERE = {"": "", "-amx": "AMX, ", "-avx2": "AVX2, ", "-cuda": "GPU, "}
KINDS = {
    "amx": ("on a processor with AMX", words.TEXT_AMX),
    "avx2": ("on a processor with AVX2", words.TEXT_AVX2),
}
"""Of another processor: what stands in its titles, and over its texts."""
CONVERGED = "converged"
FEW = 15
"""Pairs below which the interval is too short, and the page says so."""


def bars(parts: Mapping[str, Mapping[str, Any]]) -> Iterator[Bar]:
    """Every ratio of the page, for the plot."""
    for ending, where in WHERE.items():
        for row in _rows(parts, f"text{ending}"):
            for versus in text_pairs(row):
                label = f"{where}{row['corpus']}: {versus.of} / {versus.against}"
                yield Bar(label, versus.ratio, "text")
    for ending, where in WHERE.items():
        if (part := parts.get(f"mteb{ending}")) is not None:
            yield from mteb_bars(part, where)
    for ending, where in WHERE.items():
        for row in _rows(parts, f"heads{ending}"):
            for versus in (pair for pair in heads_pairs(row) if pair.of == "bench"):
                yield Bar(f"{where}{row['problems']}: {versus.against}", versus.ratio, "heads")
    for row in _rows(parts, "training"):
        yield Bar(f"{row['method']}: {row['rival']}", training_pair(row).ratio, "training")


def mteb_bars(part: Mapping[str, Any], where: str) -> Iterator[Bar]:
    """With start-up and without, in each precision."""
    for precision, clocks in mteb_pairs(part).items():
        for clock, versus in clocks.items():
            start = "with" if clock == "wall" else "without"
            label = f"{where}Banking77, {precision}, {start} start-up: MTEB"
            yield Bar(label, versus.ratio, "mteb")


def _rows(parts: Mapping[str, Mapping[str, Any]], part: str) -> Sequence[Mapping[str, Any]]:
    return parts[part]["rows"] if part in parts else ()


def page(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """The page in Markdown."""
    lines = [
        "# bench and its peers",
        "",
        flowed(words.INTRO, few=FEW),
        "",
        "![ratios](ratios.svg)",
        "",
    ]
    makers = {
        "text": text_section,
        "text-cuda": text_cuda_section,
        "mteb": mteb_section,
        "heads": heads_section,
        "heads-cuda": partial(heads_section, title="Heads, on a GPU", prose=words.HEADS_CUDA),
        "training": training_section,
    }
    for kind, (where, texts) in KINDS.items():
        makers |= {
            f"text-{kind}": partial(text_section, title=f"Texts to features, {where}", prose=texts),
            f"mteb-{kind}": partial(
                mteb_section, title=f"The protocol {where}", prose=words.AS_ABOVE
            ),
            f"heads-{kind}": partial(heads_section, title=f"Heads, {where}"),
        }
    for name in PARTS:
        if name in parts:
            lines += [*makers[name](parts[name]), *machine(parts[name]), ""]
    return "\n".join(lines).rstrip() + "\n"


def text_rows(part: Mapping[str, Any]) -> list[str]:
    """The table of ratios, and the sweeps."""
    rows = [
        [
            f"{row['corpus']} ({row['texts']} texts a round)",
            versus.of,
            described(row, versus.against),
            cell(versus.ratio),
            str(versus.ratio.pairs),
            least_cosines(row, versus.of),
            least_cosines(row, versus.against),
            part["device"],
        ]
        for row in part["rows"]
        for versus in text_pairs(row)
    ]
    head = ["texts", "bench", "against", "times as fast", "pairs", "bench's cosine"]
    return [
        *table([*head, "the other's", "device"], rows, right=(3, 4, 5, 6)),
        "",
        *(note for row in part["rows"] for note in sweep_notes(row)),
        "",
    ]


def text_cuda_section(part: Mapping[str, Any]) -> list[str]:
    """Features on a GPU."""
    told = flowed(words.TEXT_CUDA, compiler=part["compiler"])
    return ["## Texts to features, on a GPU", "", told, "", *text_rows(part)]


def text_section(
    part: Mapping[str, Any], title: str = "Texts to features", prose: str = words.TEXT
) -> list[str]:
    """Features, and the share of the ceiling."""
    device, ceiling = part["device"], []
    for row in part["rows"]:
        for precision in (p for p in ("fp32", "bf16") if p in row["ceiling"]["before"]):
            of = f"bench {precision}"
            packed = share(row, of, f"product {precision}")
            ceiling.append(
                [
                    row["corpus"],
                    of,
                    interval(packed, "%"),
                    f"{100 * share_of_torch(row, of, precision):.0f} %",
                    str(packed.pairs),
                    device,
                ]
            )
    return [
        f"## {title}",
        "",
        flowed(prose, compiler=part["compiler"]),
        "",
        *text_rows(part),
        flowed(words.CEILING),
        "",
        *table(
            [
                "texts",
                "bench",
                "of the packed product",
                "of torch's product",
                "pairs",
                "device",
            ],
            ceiling,
            right=(2, 3, 4),
        ),
        "",
    ]


def least_cosines(row: Mapping[str, Any], name: str) -> str:
    """Before and after the timing."""
    cosine = row["cosine"][name]
    return " / ".join(f"{cosine[when]['least']:.6f}" for when in ("before", "after"))


def sweep_notes(row: Mapping[str, Any]) -> list[str]:
    """What was tried, in seconds over the fastest's, and whether it was worth it in the rounds."""
    lines = []
    for name, tried in sorted(row["sweep_seconds"].items()):
        best = min(tried.values())
        told = "; ".join(f"{key} {tried[key] / best:.2f}" for key in sorted(tried, key=tried.get))
        lines.append(f"- {row['corpus']}, sweep of {name}: {told}.")
    lines += [
        f"- {row['corpus']}: in the rounds {versus.of} was {cell(versus.ratio)} times as fast as"
        f" {versus.against}."
        for versus in tuned_pairs(row)
    ]
    return lines


def described(row: Mapping[str, Any], name: str) -> str:
    """A contender with the setting that its sweep chose."""
    sweep = row["sweep_seconds"].get(name)
    return f"{name} ({min(sweep, key=lambda key: sweep[key])})" if sweep else name


def mteb_section(
    part: Mapping[str, Any],
    title: str = "MTEB's Banking77 protocol, end to end",
    prose: str = words.MTEB,
) -> list[str]:
    """The protocol end to end."""
    rows = []
    for precision, clocks in mteb_pairs(part).items():
        gap = score_gap(part, precision)
        rows.append(
            [
                precision,
                cell(clocks["wall"].ratio),
                cell(clocks["inside"].ratio),
                str(clocks["wall"].ratio.pairs),
                f"{100 * gap['each']:.3f}",
                f"{100 * gap['mean']:.3f}",
                f"{100 * gap['published']:.3f}",
                part["device"],
            ]
        )
    return [
        f"## {title}",
        "",
        flowed(prose),
        "",
        *table(
            [
                "precision",
                "times as fast, with start-up",
                "without",
                "pairs",
                "largest difference",
                "of means",
                "to the publication",
                "device",
            ],
            rows,
            right=(1, 2, 3, 4, 5, 6),
        ),
        "",
    ]


def heads_section(
    part: Mapping[str, Any], title: str = "Heads", prose: str = words.HEADS
) -> list[str]:
    """Heads at an equal gradient norm."""
    rows = []
    for row in part["rows"]:
        for versus in heads_pairs(row):
            gradient = " / ".join(
                f"{row['gradient'][name]:.1e}" for name in (versus.of, versus.against)
            )
            rows.append(
                [
                    row["problems"],
                    versus.of,
                    versus.against,
                    cell(versus.ratio),
                    str(versus.ratio.pairs),
                    f"{row['tolerance']:g}",
                    gradient,
                    f"{100 * row['agree'][versus.of][versus.against]:.2f} %",
                    " / ".join(
                        f"{100 * row['agree'][name][CONVERGED]:.2f} %"
                        for name in (versus.of, versus.against)
                    ),
                    part["device"],
                ]
            )
    first = part["rows"][0]
    n, dims, classes = first["shape"]
    return [
        f"## {title}",
        "",
        flowed(
            prose,
            n=n,
            dims=dims,
            classes=classes,
            exact=part["tolerance_converged"],
            items=first["test_items"],
            least=min(part["strengths"]),
            most=max(part["strengths"]),
        ),
        "",
        *table(
            [
                "problems",
                "bench",
                "against",
                "times as fast",
                "pairs",
                "tolerance",
                "gradient, bench / other",
                "same predictions",
                "as converged, bench / other",
                "device",
            ],
            rows,
            right=(3, 4, 5, 6, 7, 8),
        ),
        "",
    ]


def training_section(part: Mapping[str, Any]) -> list[str]:
    """Methods that train weights."""
    rows = []
    for row in part["rows"]:
        gap = training_gap(row)
        over_both = (100 * value for value in (gap.paired.low, gap.paired.high))
        rows.append(
            [
                row["method"],
                row["rival"],
                cell(training_pair(row).ratio),
                cell(training_pair(row, "processor_seconds").ratio),
                str(len(gap.ours)),
                " / ".join(f"{100 * value:.1f}" for value in gap.ours),
                " / ".join(f"{100 * value:.1f}" for value in gap.theirs),
                points(gap.difference, gap.half),
                "[{:+.1f}, {:+.1f}]".format(*over_both),
                part["device"],
            ]
        )
    return [
        "## Training",
        "",
        flowed(
            words.TRAINING,
            backbone=part["backbone"],
            task=part["task"],
            per_class=part["per_class"],
            test=part["rows"][0]["test_items"],
        ),
        "",
        *table(
            [
                "method",
                "against",
                "times as fast",
                "in processor time",
                "pairs",
                "bench's accuracy by draw",
                "the other's",
                "difference over draws",
                "over draws and items",
                "device",
            ],
            rows,
            right=(2, 3, 4, 5, 6, 7, 8),
        ),
        "",
    ]


def points(middle: float, half: float | None) -> str:
    """A difference of shares in points, with its interval where there is one."""
    shown = f"{100 * middle:+.1f}"
    if half is None:
        return shown
    return f"{shown} [{100 * (middle - half):+.1f}, {100 * (middle + half):+.1f}]"


def machine(part: Mapping[str, Any]) -> list[str]:
    """Where and with what a part was measured."""
    threads, load = part["threads"], part["load"]
    pools = ", ".join(f"{name} {count}" for name, count in sorted(threads["pools"].items()))
    versions = ", ".join(f"{name} {version}" for name, version in part["packages"].items())
    runtime = part["settings"].get("onnxruntime")
    return [
        flowed(
            words.MACHINE,
            device=part["device"],
            cores=part["cores"],
            date=part["date"][:10],
            torch=threads["torch"],
            tokenizers=threads["tokenizers"],
            pools=pools,
            runtime=f", onnxruntime {runtime['intra_op_threads']}" if runtime else "",
            before=load["before"],
            after=load["after"],
            python=part["python"],
            versions=versions,
        )
    ]


def interval(ratio: Ratio, unit: str = "") -> str:
    """A ratio with its interval, `1.42 [1.38, 1.45]`; in percent with unit "%"."""
    values = [ratio.ratio, ratio.low, ratio.high]
    if unit == "%":
        middle, low, high = (f"{100 * value:.0f}" for value in values)
        return f"{middle} % [{low}, {high}]"
    middle, low, high = (significant(value) for value in values)
    return f"{middle} [{low}, {high}]"


def cell(ratio: Ratio) -> str:
    """A ratio for a table, marked where there are few pairs."""
    return f"{interval(ratio)}{' *' if ratio.pairs < FEW else ''}"


def significant(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int]) -> list[str]:
    """A Markdown table; columns `right` are aligned to the right."""
    marks = ["---:" if i in right else "---" for i in range(len(head))]
    return [f"| {' | '.join(cells)} |" for cells in ([*head], marks, *rows)]


def read(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """The parts that have been measured."""
    files = {name: folder / f"{name}.json" for name in PARTS}
    return {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in files.items()
        if path.exists()
    }


def rebuild(folder: Path = FOLDER) -> None:
    """Write the page and the plot."""
    parts = read(folder)
    (folder / "README.md").write_text(page(parts), encoding="utf-8")
    (folder / "ratios.svg").write_text(svg(list(bars(parts))), encoding="utf-8")
