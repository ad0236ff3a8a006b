"""metrics.csv: a row per epoch and member."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from .config import Member


def column_names(outputs: int) -> list[str]:
    """The columns, for a task with so many outputs."""
    return [
        "epoch",
        "member",
        "seed",
        "mi_weight",
        "accuracy",
        *(f"accuracy_{output + 1}" for output in range(outputs)),
        "task_loss",
        "decay_loss",
        "mi_critic",  # nats, in the last critic step before each model pass
        "mi_model",  # nats, in the model step
        "seconds",  # wall-clock time of the epoch, of the whole ensemble
    ]


@dataclass(frozen=True)
class EpochMetrics:
    """What one epoch says about one member; MI is nan where no critic was trained."""

    epoch: int
    member: Member
    accuracy: float
    accuracies: tuple[float, ...]
    task_loss: float
    decay_loss: float
    mi_critic: float
    mi_model: float
    seconds: float

    def row(self) -> list[str]:
        """The row of the file; shortest digits that read back to the same number."""
        values = [self.task_loss, self.decay_loss, self.mi_critic, self.mi_model]
        return [
            str(self.epoch),
            str(self.member.index),
            str(self.member.seed),
            repr(self.member.mi_weight),
            f"{self.accuracy:.6g}",
            *(f"{accuracy:.6g}" for accuracy in self.accuracies),
            *("" if math.isnan(value) else f"{value:.8g}" for value in values),
            f"{self.seconds:.3f}",
        ]


def mean_metrics(epoch: int, steps: Sequence[EpochMetrics]) -> EpochMetrics:
    """One member's metrics of an epoch: the mean over its model steps."""

    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    return EpochMetrics(
        epoch=epoch,
        member=steps[0].member,
        accuracy=mean([m.accuracy for m in steps]),
        accuracies=tuple(map(mean, zip(*(m.accuracies for m in steps), strict=True))),
        task_loss=mean([m.task_loss for m in steps]),
        decay_loss=mean([m.decay_loss for m in steps]),
        mi_critic=mean([m.mi_critic for m in steps]),
        mi_model=mean([m.mi_model for m in steps]),
        seconds=sum(m.seconds for m in steps),
    )


class MetricsTable:
    """The rows so far, in memory; written whole."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = list(columns)
        self._rows: list[list[str]] = []

    def add(self, metrics: EpochMetrics) -> None:
        """Append a row."""
        self._rows.append(metrics.row())

    def to_csv(self) -> str:
        """The file's content."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self._rows)
        return out.getvalue()

    @classmethod
    def from_csv(
        cls, text: str, columns: Sequence[str], *, members: int, last_epoch: int
    ) -> MetricsTable:
        """Read a file back, without the rows after ``last_epoch``.

        Raises:
            ValueError: the columns are others, or the rows up to ``last_epoch`` are not those of
                every epoch and member.
        """
        table = cls(columns)
        if not text:
            raise ValueError("it is empty")
        header, *rows = csv.reader(io.StringIO(text))
        if header != table.columns:
            raise ValueError(f"expected the columns {', '.join(columns)}, got {', '.join(header)}")
        table._rows = rows[: members * last_epoch]
        for index in range(members * last_epoch):
            epoch, member = index // members + 1, index % members
            row = rows[index] if index < len(rows) else []
            if len(row) != len(columns) or row[:2] != [str(epoch), str(member)]:
                raise ValueError(f"row {index + 1} is not that of epoch {epoch}, member {member}")
        return table
