"""What ./dev coverage prints of gcovr's report."""
import tempfile
import unittest
from pathlib import Path

import report


def line(number, count, *branches):
    return {"line_number": number, "count": count, "branches": [{"count": taken} for taken in branches]}


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for name, text in {"lib/base/slice.c": "one\n    if (two)\n    assert(three);\nfour\n", "agent/main.c": "five\n"}.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)
        self.report = {"files": [{"file": "lib/base/slice.c", "lines": [line(1, 7), line(2, 7, 7, 0), line(3, 1, 1, 0), line(4, 0)]},
                                 {"file": "agent/main.c", "lines": [line(1, 1)]}]}

    def test_lines_and_branches_are_summed_by_room_without_the_branches_of_assertions(self):
        self.assertEqual(report.summary(self.report, self.root, []), [
            "            lines      of branches      of",
            "agent     100.0 %       1        –       0",
            "lib/base   75.0 %       4   50.0 %       2",
            "all        80.0 %       5   50.0 %       2"])

    def test_what_is_missed_is_shown_of_the_paths_that_are_named(self):
        missed = ["lib/base/slice.c:2: 1 of 2 branches not taken: if (two)", "lib/base/slice.c:4: not run: four", ""]
        for path in ("lib/base/slice.c", "lib/base", "lib/"):
            self.assertEqual(report.summary(self.report, self.root, [path])[:3], missed)
        self.assertEqual(len(report.summary(self.report, self.root, ["lib/bas", "agent"])), 4)

    def test_lines_without_code_do_not_count(self):
        self.report["files"][0]["lines"][3]["gcovr/noncode"] = True
        self.assertIn("lib/base  100.0 %       3   50.0 %       2", report.summary(self.report, self.root, []))


if __name__ == "__main__":
    unittest.main()
