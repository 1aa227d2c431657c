"""Figures without and with somebody else's trouble, in turns: the ratio within a round says more than either on a machine that has moods."""
import statistics

from tables import print_table, shown

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
