"""Figures as Markdown tables and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.cost import Series

OURS = "ours"


@dataclass
class Table:
    """A table, what is to be said below it, and every single figure behind it."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def markdown(self) -> str:
        """As Markdown, with the title as a heading of the third level."""
        lines = [f"### {self.title}", "", _row(self.columns)]
        lines.append("|---|" + "---:|" * (len(self.columns) - 1))
        lines += [_row(row) for row in self.rows]
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def beside(title: str, found: Mapping[str, Series]) -> Table:
    """Ours and the peers: least (and median) seconds, peak memory, requests; below it ours as ratios of the peers' least."""
    table = Table(title, ("", "CPU s", "wall s", "peak MiB", "requests"))
    for name, series in found.items():
        table.rows.append(
            (
                name,
                f"{series.least('cpu'):.2f} ({series.median('cpu'):.2f})",
                f"{series.least('wall'):.2f} ({series.median('wall'):.2f})",
                f"{series.memory / 2**20:.0f}" if series.memory else "",
                "" if series.requests is None else counted(series.requests),
            )
        )
        table.data[name] = asdict(series)
    said = [
        f"{found[OURS].least('cpu') / series.least('cpu'):.2f}x the CPU and "
        f"{found[OURS].least('wall') / series.least('wall'):.2f}x the wall time of {name}"
        for name, series in found.items()
        if OURS in found and not name.startswith(OURS)
    ]
    if said:
        table.notes.append(f"Ours: {', '.join(said)}.")
    return table


def counted(requests: Mapping[str, int]) -> str:
    """Requests by kind, the most frequent first; the few that are made once or twice as one number."""
    ranked = sorted(requests.items(), key=lambda each: -each[1])
    told = [f"{count:,} {name}" for name, count in ranked if count >= 10]
    rest = sum(count for _, count in ranked if count < 10)
    if rest and len(told) == 0 and len(ranked) <= 3:
        return ", ".join(f"{count} {name}" for name, count in ranked)
    return ", ".join(told + [f"{rest} others"] * bool(rest)) or "0"


def machine() -> str:
    """What everything runs on, and how busy it is, in one line."""
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, load {load}"
    )


def quantile(values: Sequence[float], part: float) -> float:
    """The least value that `part` of all do not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(part * len(ranked)))]
