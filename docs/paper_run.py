"""Draws docs/paper_run.png: one run with the paper's numbers, its control, and the authors' run.

    python docs/paper_run.py [RUN CONTROL]

RUN and CONTROL are analysed run directories of seed 1001 with λ = 0.1 and λ = 0; what is drawn is
also written to docs/paper_run.csv. Without them that file is drawn again. The authors' run is
docs/authors_seed1001.csv, printed by their own code; its measures are of training batches, ours of
held-out sequences.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from midiff_fast.plots.data import load
from midiff_fast.plots.style import BLACK, CONTROL, GREEN, new_figure, render, styled, zero_line

HERE = Path(__file__).parent
PANELS = (
    ("accuracy", "accuracy (share of steps)"),
    ("mi", "mutual information in training (nats)"),
    ("Q_cor", r"functional modularity $Q_\mathrm{cor}$"),
    ("Q_str", r"structural modularity $Q_\mathrm{str}$"),
    ("D_cor", r"functional separation $D_\mathrm{cor}$"),
    ("D_in", r"separation of input weights $D_\mathrm{in}$"),
    ("D_out", r"separation of output weights $D_\mathrm{out}$"),
)


def curves(directory: str, name: str) -> pd.DataFrame:
    """Measures of the snapshots, and MI as its mean over the 25 epochs up to each of them."""
    run = load(directory)
    member = run.members[0]
    table = pd.DataFrame({"run": name, "epoch": run.analysis["epochs"]})
    for column in ("accuracy", "Q_cor", "Q_str", "D_cor", "D_out", "D_in"):
        table[column] = member["curves"][column]
    training = run.metrics.set_index("epoch")["mi_critic"].rolling(25, min_periods=1).mean()
    table["mi"] = [training.get(epoch) for epoch in table["epoch"]]
    return table


def authors() -> pd.DataFrame:
    """The authors' run, with our names of the columns."""
    table = pd.read_csv(HERE / "authors_seed1001.csv")
    return table.rename(columns={"mi_after_critic_steps": "mi"}).assign(run="authors")


def main() -> None:
    stored = HERE / "paper_run.csv"
    if len(sys.argv) == 3:
        measured = pd.concat([curves(sys.argv[1], "λ = 0.1"), curves(sys.argv[2], "λ = 0")])
        measured.to_csv(stored, index=False, float_format="%.6g")
    ours = pd.read_csv(stored)
    drawn = (
        ("authors' code, λ = 0.1", authors(), {"color": BLACK, "linestyle": "--"}),
        ("this package, λ = 0 (control)", ours[ours["run"] == "λ = 0"], {"color": CONTROL}),
        ("this package, λ = 0.1", ours[ours["run"] == "λ = 0.1"], {"color": GREEN}),
    )
    with styled():
        figure = new_figure(11.2, 5.2)
        *panels, last = figure.subplots(2, 4, sharex=True).ravel()
        last.axis("off")
        for axes, (column, label) in zip(panels, PANELS, strict=True):
            for name, table, look in drawn:
                axes.plot(table["epoch"], table[column], label=name, **look)
            axes.set_title(label, fontsize=8.5)
            if column != "accuracy":
                zero_line(axes)
        for axes in panels[3:]:
            axes.set_xlabel("epoch")
            axes.tick_params(labelbottom=True)
        handles, labels = panels[0].get_legend_handles_labels()
        last.legend(handles, labels, loc="center")
        (HERE / "paper_run.png").write_bytes(render(figure, "png"))


if __name__ == "__main__":
    main()
