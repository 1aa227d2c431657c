"""The small mistakes that can be made in a C file: one at a time, in code, never in comments, literals, directives or assertions."""
import re
from typing import NamedTuple

LEFT_OUT = re.compile(r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | ^\#(?:[^\n]*\\\n)*[^\n]*""",
                      re.DOTALL | re.VERBOSE | re.MULTILINE)
TURNED = {"<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"], "==": ["!="], "!=": ["=="]}
SWAPPED = {"&&": "||", "||": "&&", "+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "<<": ">>", ">>": "<<", "&": "|", "|": "&",
           "+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=", "true": "false", "false": "true"}
NUMBER = re.compile(r"(?<![\w.])(0x[0-9a-fA-F]+|\d+)([uUlL]*)(?![\w.])")
# From here on numbers are durations and sizes, of which one more or less is no mistake.
LARGE = 1000
# Nor is one more element of an array, which nobody uses.
ARRAY = re.compile(r"^ *(?:static )?(?:const )?(?:unsigned |struct )?\w+ (?:\*?\w+(?: = [^,;]*)?, )*\*?\w+\[$")
# An assignment or a call that is a statement of its own. A declaration has two words in a row.
STATEMENT = re.compile(r"^ +(?=[*(]*[a-z_]\w*(?:(?:->|\.)\w+|\[[^\]\n]*\])*(?:\(|\+\+;|--;| [-+*/%|&^]?= | <<= | >>= )|break;|continue;)",
                       re.MULTILINE)
KEYWORDS = re.compile(r"(?:if|while|for|switch|return|sizeof|case|else|do|goto)\b")


class Mutation(NamedTuple):
    start: int
    end: int
    new: str
    kind: str

    def apply(self, text):
        return text[:self.start] + self.new + text[self.end:]

    def line(self, text):
        """The number of the line in which it is."""
        return text.count("\n", 0, self.start) + 1

    def change(self, text):
        """Its line, or lines, before and after."""
        begin, end = text.rfind("\n", 0, self.start) + 1, text.find("\n", self.end)
        before, after = text[begin:end], text[begin:self.start] + self.new + text[self.end:end]
        return " ".join(before.split()), " ".join(after.split())


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def closing(code, at):
    """Where the bracket at `at` is closed."""
    depth = 0
    for i in range(at, len(code)):
        depth += {"(": 1, ")": -1}.get(code[i], 0)
        if depth == 0:
            return i
    return len(code)


def masked(text):
    """The text with blanks for what is not to be changed."""
    code = LEFT_OUT.sub(blank, text)
    for match in reversed(list(re.finditer(r"\b(?:static_)?assert\(", code, re.IGNORECASE))):
        end = closing(code, match.end() - 1)
        code = code[:match.start()] + re.sub(r"[^\n]", " ", code[match.start():end]) + code[end:]
    return code


def mutations(text):
    code = masked(text)
    found = []

    def add(start, end, new, kind):
        found.append(Mutation(start, end, new, kind))

    for match in re.finditer(r" (<=|>=|==|!=|<|>)(?=[ \n])", code):
        for new in TURNED[match[1]]:
            add(*match.span(1), new, "relation turned")
    for match in re.finditer(r" (&&|\|\||<<|>>|[-+*/%&|]|[-+|&]=)(?=[ \n])|\b(true|false)\b", code):
        group = 1 if match[1] else 2
        add(*match.span(group), SWAPPED[match[group]], "operator swapped" if match[1] else "truth swapped")
    for match in NUMBER.finditer(code):
        octal = match[1].startswith("0") and match[1].isdigit()
        value = int(match[1], 8 if octal else 0)
        if value >= LARGE or (code[match.start() - 1] == "{" and value == 0):
            continue  # {0} is how a struct begins
        in_array = ARRAY.match(code, code.rfind("\n", 0, match.start()) + 1, match.start())
        for new in (value + 1, value - 1):
            if new >= 0 and not (in_array and new > value):
                add(*match.span(), f"{new}{match[2]}", "constant off by one")
    for match in re.finditer(r"\+\+|--", code):
        add(*match.span(), "", "step dropped")
    for match in re.finditer(r"!(?!=)", code):
        add(*match.span(), "", "negation dropped")
    for match in re.finditer(r"\b(?:if|while) (\()", code):
        end = closing(code, match.start(1))
        add(match.start(1), end + 1, f"(!{text[match.start(1):end + 1]})", "condition negated")
    for match in re.finditer(r"\breturn ((?!true\b|false\b|NULL\b|\d+;)[^;{]+);", code):
        add(*match.span(1), f"!({text[match.start(1):match.end(1)]})", "return negated")
    for match in STATEMENT.finditer(code):
        end = code.find(";", match.end())
        if not KEYWORDS.match(code, match.end()) and "{" not in code[match.end():end]:
            add(match.end(), end + 1, "(void)0;", "statement dropped")
    return sorted(set(found))
