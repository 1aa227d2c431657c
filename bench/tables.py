"""How a benchmark tells its figures: medians with the lowest and the highest, ratios within a round, and a table."""
import statistics
import sys
import time


def shown(values, form):
    return f"{statistics.median(values):{form}} ({min(values):{form}} – {max(values):{form}})"


def print_table(head, rows):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    line = lambda cells: "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |"
    print(line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows), sep="\n", flush=True)


def say(text):
    print(f"[{time.monotonic() - say.start:4.0f}s] {text}", file=sys.stderr, flush=True)


say.start = time.monotonic()


class Table:
    """A row is a figure of one or more programs, by name; the ratios are the agent's to another one's, round by round."""

    def __init__(self, names):
        self.names, self.rows = names, []

    def add(self, figure, values, form=".1f", target="", against=("floor", "fasthttp"), bound=""):
        agent = values.get("agent", [])
        ratios = [f"{name} {shown([a / b for a, b in zip(agent, values[name])], '.2f')}" for name in against if values.get(name) and agent]
        cells = [shown(values[name], form) if values.get(name) else "" for name in self.names]
        self.rows.append((figure, *cells, "; ".join(ratios), target, bound))

    def print(self):
        print_table(("figure", *self.names, "agent divided by", "target", "bounded by"), self.rows)
