"""What ./dev mutate changes, which tests it chooses, and what it says."""
import unittest

import mutate
from mutations import mutations


def changed(text, kind=None):
    return [m.apply(text) for m in mutations(text) if kind in (None, m.kind)]


class Mutations(unittest.TestCase):
    def test_relations_are_turned(self):
        self.assertEqual(changed("x = a < b;", "relation turned"), ["x = a <= b;", "x = a >= b;"])
        self.assertEqual(changed("x = a == b;", "relation turned"), ["x = a != b;"])

    def test_operators_and_truths_are_swapped(self):
        self.assertEqual(changed("x = a && b;", "operator swapped"), ["x = a || b;"])
        self.assertEqual(changed("x += p->n - *q;", "operator swapped"), ["x -= p->n - *q;", "x += p->n + *q;"])
        self.assertEqual(changed("bool truer = true;", "truth swapped"), ["bool truer = false;"])

    def test_constants_are_off_by_one(self):
        self.assertEqual(changed("x = 16u;", "constant off by one"), ["x = 15u;", "x = 17u;"])
        self.assertEqual(changed("x = 0x1f;", "constant off by one"), ["x = 30;", "x = 32;"])
        self.assertEqual(changed("struct a b = {0}; int32_t c1 = 1000;", "constant off by one"), [])

    def test_an_array_is_made_smaller_but_not_larger(self):
        for array, smaller in (("    char a[24];\n", "    char a[23];\n"), ("    unsigned char *a[8];\n", "    unsigned char *a[7];\n")):
            self.assertEqual(changed(array, "constant off by one"), [smaller])
        self.assertEqual(changed("    b = a[2];\n", "constant off by one"), ["    b = a[1];\n", "    b = a[3];\n"])

    def test_conditions_and_returns_are_negated(self):
        self.assertEqual(changed("if (a(b) && c)\n", "condition negated"), ["if (!(a(b) && c))\n"])
        self.assertEqual(changed("return a ? b : c;", "return negated"), ["return !(a ? b : c);"])
        self.assertEqual(changed("return !a;", "negation dropped"), ["return a;"])
        self.assertEqual(changed("return NULL;"), [])

    def test_statements_are_dropped_and_declarations_are_not(self):
        for statement in ("free(a);", "a->b[1].c = d;", "*a = b;", "a++;", "a(b,\n      c);", "break;"):
            self.assertEqual(changed(f"    {statement}\n", "statement dropped"), ["    (void)0;\n"], statement)
        for other in ("struct a b = c;", "int a;", "size_t a = b();", "return a(b);", "if (a)", "a = (struct b){c};"):
            self.assertEqual(changed(f"    {other}\n", "statement dropped"), [], other)

    def test_steps_are_dropped(self):
        self.assertEqual(changed("out[n++] = *--p;", "step dropped"), ["out[n] = *--p;", "out[n++] = *p;"])

    def test_comments_literals_directives_and_assertions_stay(self):
        for text in ("/* a < 1 */", "// a < 1", 'f("a < 1 \\" && 2");', "c = '<';", "#define A \\\n    1 + 2\n", "assert(f(a) < 1);",
                     "#include <a>\n"):
            self.assertEqual(changed(text), [], text)

    def test_a_mutation_knows_its_line_and_its_change(self):
        text = "a\n    if (b <\n        c)\n"
        text = text.replace("b <", "b < 1 &&")
        [mutation] = [m for m in mutations(text) if m.new == "||"]
        self.assertEqual(mutation.line(text), 2)
        self.assertEqual(mutation.change(text), ("if (b < 1 &&", "if (b < 1 ||"))


class Coverage(unittest.TestCase):
    """Of one file: lines 11 and 12 are code, of which only the first is run; 13 goes on from 12; 30 is outside of functions."""

    def setUp(self):
        self.coverage = mutate.Coverage()
        for test, count in (("unit.a", 1), ("component.b", 0)):
            self.coverage.add(test, {"lines": [{"line_number": 11, "count": count}, {"line_number": 12, "count": 0}],
                                     "functions": [{"start_line": 10, "end_line": 20, "execution_count": count}]}, "lib/x.c")

    def test_a_line_is_tried_with_the_tests_that_run_it(self):
        self.assertEqual(self.coverage.tests("lib/x.c", 11), {"unit.a"})

    def test_code_that_no_test_runs_is_tried_with_none(self):
        self.assertEqual(self.coverage.tests("lib/x.c", 12), set())
        self.assertEqual(self.coverage.tests("lib/other.c", 1), set())

    def test_other_lines_of_a_function_are_tried_with_the_tests_that_run_it(self):
        self.assertEqual(self.coverage.tests("lib/x.c", 13), {"unit.a"})

    def test_what_is_outside_of_functions_is_tried_with_all_that_link_the_file(self):
        self.assertEqual(self.coverage.tests("lib/x.c", 30), {"unit.a", "component.b"})

    def test_it_is_kept_as_json(self):
        kept = mutate.Coverage(self.coverage.as_json())
        self.assertEqual(kept.tests("lib/x.c", 11), {"unit.a"})


class Sum(unittest.TestCase):
    def test_the_sum_says_how_many_were_noticed(self):
        counts = {"noticed": 17, "survived": 3, "refused": 2, "same": 1}
        self.assertEqual(mutate.summed_up(counts, 7), "17 of 20 mutants noticed, 85.0 % (seed 7); beside them 2 that the compiler refused, "
                                                     "and 1 that is no change to it")

    def test_at_least_so_many_must_be_noticed(self):
        self.assertTrue(mutate.enough({"noticed": 17, "survived": 3}, 85))
        self.assertFalse(mutate.enough({"noticed": 16, "survived": 3}, 85))
        self.assertFalse(mutate.enough({"noticed": 0, "survived": 0}, 85))


if __name__ == "__main__":
    unittest.main()
