"""What the check of comments finds, and what it leaves alone."""
import tempfile
import unittest
from pathlib import Path

import comments


class Comments(unittest.TestCase):
    def found(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "lib/base/slice.h")
            path.parent.mkdir(parents=True)
            path.write_text(text)
            return list(comments.check(Path(folder)))

    def test_a_file_without_a_head_comment_is_named(self):
        self.assertEqual(self.found("#pragma once\n"), ["lib/base/slice.h: begins with no comment that says what it is for"])

    def test_comments_behind_members_are_named_by_their_lines(self):
        text = "/* Bytes. */\nstruct slice {\n    char *ptr; /* borrowed */\n    struct {\n        int a; /* torn\n                  over two */\n    } in;\n};\nenum kind {\n    ONE, /* the first */\n    TWO /* the last */\n};\n"
        self.assertEqual([line.split(":")[1] for line in self.found(text)], ["3", "5", "10", "11"])

    def test_comments_above_members_and_elsewhere_are_left_alone(self):
        text = "/* Bytes. */\nstruct slice {\n    /** Borrowed; of\n     * anybody. */\n    char *ptr;\n    int a /* and */, b;\n};\nenum { MAX = 3 /* seconds */ };\nint use(void); /* both */\n"
        self.assertEqual(self.found(text), [])


if __name__ == "__main__":
    unittest.main()
