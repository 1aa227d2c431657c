"""What the check of results finds, and what it leaves alone."""
import tempfile
import unittest
from pathlib import Path

import must_use


class MustUse(unittest.TestCase):
    def found(self, name, text):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "lib" / "http" / name
            path.parent.mkdir(parents=True)
            path.write_text(text)
            return list(must_use.problems(Path(folder)))

    def test_a_prototype_that_tells_of_success_has_a_word(self):
        for prototype in ("int url_read(void);", "bool url_is(struct slice s);", "enum url_kind url_kind(void);", "struct url *url_new(int n,\n"
                          "                    int m);", "char *url_text(void);", "int url_say(const char *f, ...) __attribute__((format(printf, 1, 2)));"):
            name = "lib/http/url.h:2: url_"
            self.assertTrue(self.found("url.h", f"#pragma once\n{prototype}\n")[0].startswith(name), prototype)
            self.assertEqual(self.found("url.h", f"#pragma once\nPA_MUST_USE {prototype}\n"), [])
            self.assertEqual(self.found("url.h", f"#pragma once\nPA_MAY_IGNORE {prototype}\n"), [])

    def test_everything_else_in_a_header_needs_none(self):
        self.assertEqual(self.found("url.h", "/* int url_read(void); */\nvoid url_free(struct url *url);\nsize_t url_len(void);\n"
                                    "const char *url_name(void);\nstruct slice url_slice(void);\ntypedef int url_done(void *ctx);\n"
                                    "struct url {\n    int (*done)(void *ctx);\n};\nextern int url_count;\nstatic inline int url_one(void)\n"
                                    "{\n    return 1;\n}\n"), [])

    def test_a_static_functions_result_that_is_passed_over_is_found(self):
        call = "static int take(int n)\n{{\n    return n;\n}}\nvoid go(void)\n{{\n    {}\n}}\n"
        for statement in ("take(1);", "if (x)\n        take(1);", "if (x)\n        y();\n    else\n        take(1);", "for (;;)\n        take(\n            f(1));",
                          "/* why */\n    take(1);"):
            self.assertEqual(len(self.found("url.c", call.format(statement))), 1, statement)

    def test_a_result_that_is_used_or_ignored_aloud_is_not(self):
        call = "static struct url *take(int n)\n{{\n    return n;\n}}\nPA_MAY_IGNORE static bool fail(void)\n{{\n}}\nvoid go(void)\n{{\n    {}\n}}\n"
        for statement in ("x = take(1);", "take(1)->room = 2;", "PA_IGNORE(take(1));", "fail();", "if (a &&\n        take(1))\n        return;",
                          "f(x,\n      take(1));", 'log("\\n    take(1);");'):
            self.assertEqual(self.found("url.c", call.format(statement)), [], statement)


if __name__ == "__main__":
    unittest.main()
