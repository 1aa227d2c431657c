"""Which messages are found in the sources, and what is complained of in their page."""
import tempfile
import unittest
from pathlib import Path

import messages

CALLS = '''
void f(bool over)
{
    log_info("it begins", F_INT("count", 1));
    log_warning(over ? "it is over: "
                       "at last"
                     : "it goes on",
                F_STR("error.message", "no message"));
    log_write(LOG_INFO, "summary", fields, 2);
}
'''
ROW = "| `it begins` | INFO | it begins | nothing |"


class Messages(unittest.TestCase):
    def found(self, text, name="lib/base/file.c"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            return messages.messages(Path(folder))

    def test_both_sides_of_a_question_and_texts_in_pieces_are_found_and_fields_are_not(self):
        self.assertEqual(self.found(CALLS), {"it begins": "INFO", "it is over: at last": "WARNING", "it goes on": "WARNING", "summary": "INFO"})

    def test_a_standing_condition_has_a_beginning_and_an_end(self):
        words = 'static const struct condition_words words[] = {[A] = {.begun = "it is "\n "wrong", .ended = "it is right"}};'
        self.assertEqual(self.found(words, "lib/observe/conditions.c"), {"it is wrong": "WARNING", "it is right": "INFO"})

    def test_levels_of_the_same_message_are_joined(self):
        self.assertEqual(self.found('log_error("it", F_NONE); log_debug("it", F_NONE);'), {"it": "DEBUG or ERROR"})

    def test_a_page_that_is_whole_and_true_is_not_complained_of(self):
        self.assertEqual(list(messages.complaints({"it begins": "INFO"}, ROW)), [])

    def test_what_is_missing_said_by_nobody_of_another_level_or_without_words_is_complained_of(self):
        for found, page, word in (({"it begins": "INFO", "it ends": "INFO"}, ROW, "no row for 'it ends'"),
                                  ({}, ROW, "no source says"),
                                  ({"it begins": "ERROR"}, ROW, "is ERROR"),
                                  ({"it begins": "INFO"}, "| `it begins` | INFO | it begins |  |", "what to do"),
                                  ({"it begins": "INFO"}, "| `it begins` | INFO |  |  |", "what to do")):
            [complaint] = messages.complaints(found, page)
            self.assertIn(word, complaint)

    def test_a_field_of_two_types_or_in_milliseconds_is_complained_of(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "lib").mkdir()
            Path(folder, "lib/a.c").write_text('F_STR("from", x), F_SLICE("from", y), F_INT("wait_ms", 1)')
            Path(folder, "lib/b.c").write_text('F_INT(\n    "from", x), F_SECONDS("wait", 1)')
            several, milliseconds = messages.field_complaints(Path(folder))
        self.assertEqual(several, "the field from has several types: INT in lib/b.c, STR in lib/a.c")
        self.assertIn("wait_ms is in milliseconds in lib/a.c", milliseconds)

    def test_words_stay_when_the_page_is_written_anew(self):
        page = messages.page_of({"it begins": "WARNING", "it ends": "INFO"}, messages.rows(ROW), "# Head")
        self.assertIn("| `it begins` | WARNING | it begins | nothing |\n", page)
        self.assertIn("| `it ends` | INFO |  |  |\n", page)


if __name__ == "__main__":
    unittest.main()
