"""Figures without and with somebody else's trouble, in turns: the ratio within a round says more than either on a machine that has moods."""
import argparse
import os
import pathlib
import statistics

from tables import print_table, say, shown

ROOT = pathlib.Path(__file__).resolve().parents[1]

WITHOUT, WITH = "without", "with"


def both(run):
    return {form: run(form) for form in (WITHOUT, WITH)}


def by_form(pairs):
    return {form: [pair[form] for pair in pairs] for form in (WITHOUT, WITH)}


def judge(figures, allowed, names, only=""):
    """Prints the table of figures, name -> ({form: values}, whether more is better), under the names of the two forms; returns what is
    worse by more than `allowed`, of those whose name has `only` in it."""
    rows, wrong = [], []
    for name, (values, more_is_better) in figures.items():
        ratios = [there / alone for there, alone in zip(values[WITH], values[WITHOUT])]
        ratio = statistics.median(ratios)
        if only in name and (1 - ratio if more_is_better else ratio - 1) > allowed:
            wrong.append(f"{name}: {ratio:.2f} of what it is {names[0]}")
        form = ",.0f" if more_is_better else ",.2f"
        rows.append((name, shown(values[WITHOUT], form), shown(values[WITH], form), shown(ratios, ".2f")))
    print_table(("figure", *names, "with / alone"), rows)
    return wrong


def parser_of(command, text, per_second, seconds, what):
    """The options of a command that writes `what` at a steady rate."""
    parser = argparse.ArgumentParser(prog=f"./dev bench {command}", description=text.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default: %(default)s)")
    parser.add_argument("--per-second", type=int, default=per_second, help=f"{what} a second (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=seconds, help="how long they come (default: %(default)s)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/bench", help="where the programs are")
    return parser


def latency_figures(pairs, options, what):
    """For `judge`: of each pair {form: the sink's latencies in µs}, p50 and p99."""
    return {f"{options.per_second} {what}/s for {options.seconds} s: {key}, ms":
            (by_form([{form: latency[key] / 1000 for form, latency in pair.items()} for pair in pairs]), False) for key in ("p50", "p99")}


def verdict(wrong, allowed):
    """Says whether a p99 was worse by more than `allowed`; returns the exit code."""
    print(*wrong or [f"the p99 differs by no more than {allowed:.0%}"], sep="\n")
    return 1 if wrong else 0


def compare_latencies(world, run, options, what, allowed, names):
    """Rounds of run(world, form, number, options), whose value is the sink's latencies in µs; closes the world. Returns the exit code: 1
    when the p99 is worse by more than `allowed`."""
    rounds = []
    try:
        run(world, WITHOUT, "first", options)  # the broker's own first requests are slow: they are nobody's figures
        for number in range(options.rounds):
            say(f"round {number + 1}")
            rounds.append(both(lambda form: run(world, form, number, options)))
    finally:
        world.close()
    print(f"{os.cpu_count()} cores, {options.rounds} rounds, median (lowest – highest)")
    return verdict(judge(latency_figures(rounds, options, what), allowed, names, only="p99"), allowed)
