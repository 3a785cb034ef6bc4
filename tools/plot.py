#!/usr/bin/env python3
"""Draws the project's figures as SVG, with matplotlib (Debian: python3-matplotlib).

  tools/plot.py docs [DIR]       the charts of the documents, from docs/data/, into docs/figures/ or DIR
  tools/plot.py ablation DIR     DIR/ablation.svg, of what `ablate --out DIR` of either program wrote
  tools/plot.py losses DIR       prints the training losses of an ablation's first seeds, 100 steps a line, as CSV
  tools/plot.py bench FILE.json  FILE.svg, of `gmlp-bench kernels --json FILE.json` or `ladder FILE.json`
  tools/plot.py bench FILE.csv   FILE.svg, of bars in a file such as docs/data/steps.csv
"""
import csv
import json
import re
import sys
from pathlib import Path

try:
    import matplotlib
    from matplotlib import pyplot, ticker
except ImportError as error:
    sys.exit(f"plot.py: {error}; install it, for example with apt-get install python3-matplotlib")

DATA = Path(__file__).resolve().parent.parent / "docs" / "data"
GREY = "#747d88"  # legible on white and on black: the background is transparent
COLORS = ["#d6604d", "#4a84c4", "#e0a03c", "#8a9a5b", "#9a78b8", "#3fa8a0", "#b07850", "#c8609f",
          "#7f8fa0", "#4a9f4a", "#b08fd8"]
STYLE = {
    "axes.edgecolor": GREY, "axes.labelcolor": GREY, "axes.prop_cycle": matplotlib.cycler(color=COLORS),
    "axes.spines.right": False, "axes.spines.top": False, "axes.titlelocation": "left",
    "axes.titleweight": "bold", "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"], "grid.alpha": 0.3,
    "grid.color": GREY, "legend.frameon": False, "savefig.bbox": "tight", "savefig.transparent": True,
    "svg.fonttype": "none", "svg.hashsalt": "gmlp", "text.color": GREY, "xtick.color": GREY,
    "ytick.color": GREY,
}


def save(figure, path):
    """Writes the figure: the same bytes for the same numbers, and no more digits than can be seen."""
    figure.savefig(path, metadata={"Creator": None, "Date": None})
    pyplot.close(figure)
    svg = Path(path).read_text(encoding="utf-8")
    svg = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*"|^ +', "", svg, flags=re.MULTILINE)
    Path(path).write_text(svg, encoding="utf-8")
    print(f"written: {path}")


def read_csv(path):
    """The two comment lines at the top, the header and the rows of a CSV file."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    comments = [line[2:] for line in lines if line.startswith("# ")]
    header, *rows = csv.reader(line for line in lines if not line.startswith("# "))
    return comments, header, rows


def write_headline(axes, title, subtitle, above):
    """The title, and below it the subtitle, `above` points above the axes."""
    axes.set_title(title, pad=above + 16, fontsize=13)
    axes.annotate(subtitle, (0, 1), (0, above), xycoords="axes fraction", textcoords="offset points")


def draw_bars(title, subtitle, unit, bars):
    """Horizontal bars from zero: `bars` are (group, series, value), the bars of a group in sequence."""
    series = list(dict.fromkeys(bar[1] for bar in bars))
    places, ticks = [], {}  # of the bars, and of each group's bars
    for i, (group, _, _) in enumerate(bars):
        step = 1 if group in ticks else 1.6
        places.append(places[-1] + step if places else 0)
        ticks.setdefault(group, []).append(places[-1])
    figure, axes = pyplot.subplots(figsize=(7, 0.17 * places[-1] + 0.3))
    for name in series:
        chosen = [i for i, bar in enumerate(bars) if bar[1] == name]
        values = [bars[i][2] for i in chosen]
        drawn = axes.barh([places[i] for i in chosen], values, 0.85, label=name)
        digits = [2 if value < 1 else 1 if value < 10 else 0 for value in values]
        axes.bar_label(drawn, [f"{v:.{d}f}" for v, d in zip(values, digits)], padding=4)
    axes.set_yticks([sum(p) / len(p) for p in ticks.values()], list(ticks))
    axes.set_ylim(places[-1] + 0.7, -0.7)
    axes.set_xlim(0, max(100 if "%" in unit else 0, *(bar[2] for bar in bars)))
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=6)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.spines["bottom"].set_visible(False)
    axes.set_xlabel(unit)
    if len(series) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncol=len(series), borderaxespad=0.3,
                    borderpad=0, handlelength=1, columnspacing=1.5)
    write_headline(axes, title, subtitle, 24 if len(series) > 1 else 6)
    return figure


def bars_of_csv(path):
    """The columns are the group, one or more that name the series, and the value."""
    (title, subtitle), header, rows = read_csv(path)
    bars = [(row[0], " ".join(row[1:-1]), float(row[-1])) for row in rows]
    return draw_bars(title, subtitle, header[-1], bars)


def bars_of_bench(path):
    result = json.loads(Path(path).read_text(encoding="utf-8"))
    bars = []
    for row in result.get("rows", []):
        share = row.get("share_of_peak_percent")
        if "kernel" in row:
            triad = " of triad" if row.get("unit") == "GB/s" else ""
            name = f"{row['kernel']} {row['shape']} {row['precision']}{triad}"
            bars.append((name, row["by"], share))
        elif "rung" in row:
            name = f"{row['rung']} {row['name']}"
            if "product_share_of_peak_percent" in row:
                bars.append((name, "product alone", row["product_share_of_peak_percent"]))
            bars.append((name, "with norm and GELU", share))
    if not bars:
        sys.exit(f"plot.py: {path}: has no kernels and no rungs; name the file of gmlp-bench kernels "
                 "--json or of the example ladder")
    machine = "{cpu}, {isa} kernels, threads: {threads}".format(**result["machine"])
    return draw_bars("Share of the machine's peak", machine, "% of the peak", bars)


def draw_accuracy(rows):
    """Accuracy over parameters, as in the paper's Figure 2: a line per architecture."""
    figure, axes = pyplot.subplots(figsize=(6, 4))
    titles = list(dict.fromkeys(row["title"] for row in rows if row["series"] == "sizes"))
    for title, marker in zip(titles, "osD"):
        chosen = [row for row in rows if row["title"] == title and row["top1"]["mean"] is not None]
        axes.errorbar([row["parameters"] / 1e6 for row in chosen],
                      [row["top1"]["mean"] for row in chosen],
                      [row["top1"]["deviation"] or 0 for row in chosen], capsize=3, marker=marker,
                      label=title)
    axes.set(xscale="log", xlabel="parameters (millions)", ylabel="validation top-1 (%)")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.grid(axis="y")
    axes.legend(loc="best")
    write_headline(axes, "Accuracy by parameters", "mean ± deviation over the seeds", 6)
    return figure


def draw_ablation(path):
    """Perplexity over parameters, as in the paper's Figure 5, from ablation.json."""
    result = json.loads(Path(path).read_text(encoding="utf-8"))
    if "vision" in result:
        return draw_accuracy(result["vision"])
    figure, axes = pyplot.subplots(figsize=(6, 4.5))
    lines = {}
    for row in result.get("depths", []):
        lines.setdefault(row["title"], []).append((row["parameters"] / 1e6, row["perplexity"]["mean"]))
    for title, points in lines.items():
        points = sorted(point for point in points if point[1] is not None)
        axes.plot(*zip(*points), marker=".", label=f"{title}, by depth")
    for i, (row, marker) in enumerate(zip(result.get("table3", []), "sD^vo" * 9), len(lines)):
        perplexity = row["perplexity"]
        if perplexity["mean"] is None:
            continue  # a run that diverged
        x, y, color = row["parameters"] / 1e6, perplexity["mean"], COLORS[i % len(COLORS)]
        axes.errorbar(x, y, perplexity["deviation"], capsize=3, color=color)
        axes.plot(x, y, marker, markersize=7, markeredgewidth=1.5, color=color,
                  markerfacecolor="none", label=row["title"])
    if not axes.get_legend_handles_labels()[0]:
        sys.exit(f"plot.py: {path}: has no perplexity; run gmlp-language ablate first")
    axes.set(xscale="log", yscale="log", xlabel="parameters (millions)", ylabel="validation perplexity")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(ticker.LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(ticker.NullLocator())
    axes.grid(axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
    write_headline(axes, "Perplexity by parameters",
                   "points: mean ± deviation over the seeds; lines: one seed, by depth", 6)
    return figure


def running_means(values, reach=12):
    """The mean of each value and up to `reach` neighbors on both sides, fewer near the ends."""
    parts = [values[i - min(reach, i):i + min(reach, i) + 1] for i in range(len(values))]
    return [sum(part) / len(part) for part in parts]


def print_losses(folder):
    """The CSV of draw_losses, without its headline, from the steps.jsonl of a language ablation."""
    losses = {}
    for row in json.loads((folder / "ablation.json").read_text(encoding="utf-8"))["table3"]:
        run = folder / row["row"] / f"seed-{row['runs'][0]['seed']}"
        steps = [json.loads(line)["loss"] for line in (run / "steps.jsonl").read_text(encoding="utf-8").splitlines()]
        losses[row["title"]] = [sum(steps[i:i + 10]) / 10 for i in range(0, len(steps) - 9, 10)]
    print(",".join(["step", *(title.replace(",", ":") for title in losses)]))
    for i, means in enumerate(zip(*losses.values()), 1):
        print(",".join([str(100 * i), *(f"{mean:.3f}" for mean in means)]))


def draw_losses(path):
    """The columns after the step: each loss, faint, and the running mean."""
    (title, subtitle), header, rows = read_csv(path)
    figure, axes = pyplot.subplots(figsize=(8, 3.6))
    steps = [float(row[0]) for row in rows]
    for column, name in enumerate(header[1:], 1):
        losses = [float(row[column]) for row in rows]
        color = COLORS[column - 1]
        axes.plot(steps, losses, color=color, alpha=0.3, linewidth=0.8)
        axes.plot(steps, running_means(losses), color=color, linewidth=1.8, label=name.replace(":", ","))
    axes.set(xlabel="step", ylabel="training loss", xlim=(0, steps[-1]))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(axis="y")
    axes.legend(loc="upper right")
    write_headline(axes, title, subtitle, 6)
    return figure


def main(command="", path=None, *more):
    if command == "docs" and not more:
        out = Path(path or DATA.parent / "figures")
        save(bars_of_csv(DATA / "steps.csv"), out / "steps.svg")
        save(bars_of_csv(DATA / "ladder.csv"), out / "ladder.svg")
        save(draw_losses(DATA / "losses.csv"), out / "losses.svg")
        save(draw_losses(DATA / "text_losses.csv"), out / "text_losses.svg")
        save(draw_ablation(DATA / "vision_ablation.json"), out / "vision_ablation.svg")
        save(draw_ablation(DATA / "ablation.json"), out / "text_ablation.svg")
    elif command == "ablation" and path and not more:
        save(draw_ablation(Path(path) / "ablation.json"), Path(path) / "ablation.svg")
    elif command == "losses" and path and not more:
        print_losses(Path(path))
    elif command == "bench" and path and not more:
        draw = bars_of_csv if path.endswith(".csv") else bars_of_bench
        save(draw(path), Path(path).with_suffix(".svg"))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    with pyplot.rc_context({"backend": "svg", **STYLE}):
        try:
            main(*sys.argv[1:])
        except (AttributeError, LookupError, OSError, TypeError, ValueError) as error:
            sys.exit(f"plot.py {' '.join(sys.argv[1:])}: {error}; name a file of the form that the "
                     "programs write")
