"""Cells that build on other cells: which names mean which cells, and what cannot be wired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from bench import methods
from bench.core.cell import Cell, label_of
from bench.core.errors import Mistake, did_you_mean
from bench.core.method import Needs
from bench.core.suite import MethodEntry, Suite

BETWEEN = " / "
"""Between a backbone and a method in the name of a member."""
NO_BACKBONE = "none"

Name: TypeAlias = tuple[str, str]
"""Labels of a backbone (`none` where none takes part) and of a method."""
Row: TypeAlias = dict[tuple[int, int], Cell]
"""The cells of one row by draw and seed."""


def name_of(member: str) -> Name:
    """What `backbone / method`, or a method alone, means; brackets belong to a label."""
    at = member.find(BETWEEN)
    while at >= 0 and member.count("(", 0, at) != member.count(")", 0, at):
        at = member.find(BETWEEN, at + 1)
    if at < 0:
        return NO_BACKBONE, member.strip()
    return member[:at].strip(), member[at + len(BETWEEN) :].strip()


def mistakes(suite: Suite) -> list[Mistake]:
    """Backbones and members that the suite does not have, too many members, too few, circles."""
    labels = [label_of(backbone) for backbone in suite.backbones]
    found: list[Mistake] = [
        Mistake(
            f"method[{i}].backbones", f"no backbone here is {name!r}{did_you_mean(name, labels)}"
        )
        for i, entry in enumerate(suite.methods)
        for name in entry.backbones
        if name not in labels
    ]
    known = sorted(BETWEEN.join(name) for name in _names(suite))
    for i, entry in enumerate(suite.methods):
        where, spec = f"method[{i}].members", methods.registry()[entry.name].spec
        least, most = spec.members
        if not least <= len(entry.members) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            what = f"{entry.name!r} takes {wanted} members" if most else "takes no members"
            found.append(Mistake(where, f"{what}, not {len(entry.members)}"))
            continue
        for member in entry.members:
            full = BETWEEN.join(name_of(member))
            if full not in known:
                near = did_you_mean(full, known)
                found.append(Mistake(where, f"no cell of this suite is {member!r}{near}"))
        if len(set(map(name_of, entry.members))) < len(entry.members):
            found.append(Mistake(where, "a member is named twice"))
    return found or _circles(suite)


def _names(suite: Suite) -> set[Name]:
    """Every row that the suite may have."""
    found: set[Name] = set()
    for entry in suite.methods:
        spec = methods.registry()[entry.name].spec
        if spec.needs in {Needs.INPUTS, Needs.MEMBERS}:
            found.add((NO_BACKBONE, label_of(entry)))
        else:
            labels = entry.backbones or [label_of(backbone) for backbone in suite.backbones]
            found |= {(label, label_of(entry)) for label in labels}
    return found


def _circles(suite: Suite) -> list[Mistake]:
    """Methods that would have to be done before themselves."""
    left = {label_of(e): {name_of(m)[1] for m in e.members} for e in suite.methods}
    while ready := [label for label, waits in left.items() if not waits & set(left)]:
        for label in ready:
            del left[label]
    return [
        Mistake(f"method[{i}].members", "builds on itself, by way of its members")
        for i, entry in enumerate(suite.methods)
        if label_of(entry) in left
    ]


def in_turn(entries: Sequence[MethodEntry]) -> list[MethodEntry]:
    """Entries such that each comes after those it builds on."""
    labels = {label_of(entry) for entry in entries}
    done: list[MethodEntry] = []
    left = list(entries)
    while left:
        said = {label_of(entry) for entry in done}
        ready = [
            e for e in left if all(name_of(m)[1] in said or name_of(m)[1] not in labels
                                   for m in e.members)
        ]  # fmt: skip
        done += ready or left
        left = [entry for entry in left if entry not in done]
    return done


def members_of(
    entry: MethodEntry, rows: Mapping[Name, Row], draw: int, seed: int
) -> tuple[Cell, ...] | str:
    """The members' cells at a draw, of that seed where they depend on it; or who is missing."""
    found = []
    for member in entry.members:
        row = rows.get(name_of(member), {})
        cell = row.get((draw, seed)) or row.get((draw, 0))
        if cell is None:
            return f"its member {member!r} has no cell on this task"
        found.append(cell)
    return tuple(found)
