"""Which names of static functions the check finds."""
import tempfile
import unittest
from pathlib import Path

import names

PARSE = "static int parse(const char *text,\n                 int (*each)(void *ctx))\n{\n    return 0;\n}\n"


class Names(unittest.TestCase):
    def found(self, *texts):
        with tempfile.TemporaryDirectory() as folder:
            for number, text in enumerate(texts):
                path = Path(folder, f"lib/base/file{number}.c")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return list(names.check(Path(folder)))

    def test_a_name_in_a_third_file_is_found_with_its_files(self):
        self.assertEqual(self.found(PARSE, PARSE, PARSE),
                         ["parse is a static function of 3 files: lib/base/file0.c lib/base/file1.c lib/base/file2.c"])

    def test_two_files_may_share_a_name(self):
        self.assertEqual(self.found(PARSE, PARSE, "int parse_all(void)\n{\n    return 0;\n}\n"), [])

    def test_declarations_objects_and_calls_do_not_count(self):
        other = "static int parse(const char *text);\nstatic struct walk walk = {parse};\nint use(void)\n{\n    return parse(0);\n}\n"
        self.assertEqual(self.found(PARSE, PARSE, other), [])


if __name__ == "__main__":
    unittest.main()
