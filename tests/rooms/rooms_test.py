"""What the check of the rooms finds, in a small house of its own."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import rooms

TABLE = """
| room | what it is for | knows |
|---|---|---|
| `lib/base` | slices, buffers | nothing of ours |
| `lib/http` | libcurl on the loop | base |
| `lib/source/kafka` | a consumer in a group | http (its limits), base |
| `agent` | the table of subcommands | lib |
| `agent/run`, `agent/check` | two subcommands | agent, lib |
| `agent/demo` | runs a daemon of its own | agent, agent/run, lib |
"""
HOUSE = {
    "docs/architecture.md": TABLE,
    "lib/base/slice.h": "int slice_length(void);\n",
    "lib/base/slice.c": '#include "base/slice.h"\n\nint slice_length(void)\n{\n    return 1;\n}\n',
    "lib/http/url.h": '#include "base/slice.h"\nint url_read(void);\n',
    "lib/http/url.c": '#include "http/url.h"\n\nint url_read(void)\n{\n    return slice_length();\n}\n',
    "lib/http/call.h": '#include "http/url.h"\nint call_send(void);\n',
    "lib/http/call.c": '#include "http/call.h"\n\nint call_send(void)\n{\n    return url_read();\n}\n',
    "lib/source/kafka/kafka.c": '#include "http/call.h"\n',
    "agent/main.c": '#include "http/call.h"\n',
    "agent/demo/demo.c": '#include "agent/run/run.h"\n#include "source/kafka/kafka.h"\n',
}


class Rooms(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for path, text in HOUSE.items():
            self.put(path, text)

    def put(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def add(self, path, text):
        self.put(path, HOUSE[path] + text)

    def found(self):
        return rooms.problems(self.root)

    def test_a_house_without_circles_is_clean(self):
        self.assertEqual(self.found(), [])

    def test_the_table_is_read_without_what_stands_in_brackets(self):
        known = rooms.arrows(TABLE)
        library = {"base", "http", "source/kafka"}
        self.assertEqual(known, {"base": set(), "http": {"base"}, "source/kafka": {"http", "base"}, "agent": library,
                                 "agent/run": library | {"agent"}, "agent/check": library | {"agent"},
                                 "agent/demo": library | {"agent", "agent/run"}})

    def test_an_include_without_an_arrow_is_found(self):
        self.add("lib/base/slice.c", '#include "http/url.h"\n')
        self.assertEqual(self.found(), ["lib/base/slice.c includes http/url.h: no arrow leads from base to http"])

    def test_the_library_knows_nothing_of_the_program(self):
        self.add("lib/http/url.c", '#include "agent/options.h"\n#include "options.h"\n')
        self.assertEqual(self.found(), ["lib/http/url.c includes agent/options.h: no arrow leads from http to agent",
                                        "lib/http/url.c includes options.h: say of which room"])

    def test_a_header_of_the_same_folder_needs_no_room(self):
        self.add("lib/http/url.c", '#include "url.h"\n')
        self.assertEqual(self.found(), [])

    def test_a_subcommand_knows_others_only_if_the_table_says_so(self):
        self.put("agent/check/check.c", '#include "agent/run/run.h"\n')
        self.assertEqual(self.found(), ["agent/check/check.c includes agent/run/run.h: no arrow leads from agent/check to agent/run"])

    def test_a_room_that_the_table_does_not_have_is_found(self):
        self.put("lib/news/news.c", "")
        self.assertEqual(self.found(), ["lib/news/news.c: docs/architecture.md's table has no row for lib/news"])

    def test_a_circle_of_rooms_is_found(self):
        self.put("docs/architecture.md", TABLE.replace("nothing of ours", "source/kafka"))
        self.assertEqual(self.found(), ["docs/architecture.md: a circle of rooms: base http source/kafka"])

    def test_a_circle_of_headers_is_found(self):
        self.add("lib/http/url.h", '#include "http/call.h"\n')
        self.assertEqual(self.found(), ["lib/http: a circle of headers: call.h url.h"])

    def test_a_circle_of_calls_is_found(self):
        self.add("lib/http/url.c", "static int again(void)\n{\n    return call_send();\n}\n")
        self.assertEqual(self.found(), ["lib/http: a circle of files: call.c url.c", "    call.c -> url.c: url_read",
                                        "    url.c -> call.c: call_send"])

    def test_a_circle_through_a_third_file_is_found(self):
        self.put("lib/http/retry.c", "void\nretry(int n,\n      int m)\n{\n    call_send();\n}\nint retry_all(struct url *url, "
                 "int (*each)(void *ctx))\n{\n    return call_send();\n}\n")
        self.add("lib/http/url.c", "int url_again(void)\n{\n    return retry_all(0, 0);\n}\n")
        self.assertEqual(self.found()[0], "lib/http: a circle of files: call.c retry.c url.c")

    def test_a_function_that_is_handed_on_and_an_object_count_as_used(self):
        self.add("lib/http/call.c", "const struct kind call_kinds[2] = {{0}};\n")
        self.add("lib/http/url.c", "static const struct kind *kinds = call_kinds;\n")
        self.assertEqual(self.found()[0], "lib/http: a circle of files: call.c url.c")

    def test_comments_literals_members_and_tags_are_no_use(self):
        self.add("lib/http/url.c", "/* call_send() */\n// call_send()\nstatic int seen(struct call_send *c)\n{\n"
                 '    log("call_send(");\n    return c->call_send + (*c).call_send;\n}\n')
        self.assertEqual(self.found(), [])

    def test_static_functions_are_nobody_elses(self):
        self.add("lib/http/call.c", "static int parse(void)\n{\n    return 0;\n}\n")
        self.add("lib/http/url.c", "static int parse(void)\n{\n    return 0;\n}\nint url_parse(void)\n{\n    return parse();\n}\n")
        self.assertEqual(self.found(), [])

    def test_a_file_of_more_than_600_lines_is_found(self):
        self.put("agent/main.c", "\n" * 600)
        self.assertEqual(self.found(), [])
        self.put("agent/main.c", "\n" * 601)
        self.assertEqual(self.found(), ["agent/main.c has 601 lines, more than 600"])

    def test_what_is_wrong_is_printed_and_is_the_exit_code(self):
        check = [sys.executable, rooms.__file__, str(self.root)]
        clean = subprocess.run(check, capture_output=True, text=True, timeout=30)
        self.assertEqual((clean.returncode, clean.stdout), (0, ""))
        self.put("lib/news/news.c", "")
        wrong = subprocess.run(check, capture_output=True, text=True, timeout=30)
        self.assertEqual((wrong.returncode, wrong.stdout.count("\n")), (1, 1))


if __name__ == "__main__":
    unittest.main()
