"""A small part of jq, written down from its manual and independent of any jq: every expression is its text and a Python generator of its outputs.
Only the forms below are made, so that a text and its meaning are always made together."""
import base64
import json
import math
import urllib.parse


class JqError(Exception):
    pass


class Expr:
    def __init__(self, text, outputs):
        self.text = text
        self.outputs = outputs  # (input, variables) -> generator; raises JqError


def normal(value):
    """Numbers are doubles: 2.0 is 2."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def dump(value):
    if isinstance(value, dict):
        return "{" + ",".join(f"{dump(k)}:{dump(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(normal(value), ensure_ascii=False)


def text_of(value):
    return value if isinstance(value, str) else dump(value)


def truthy(value):
    return value is not None and value is not False


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def kind(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if is_number(value):
        return "number"
    return {str: "string", list: "array", dict: "object"}[type(value)]


def order(value):
    """The manual's order: null, false, true, numbers, strings, arrays, objects."""
    name = kind(value)
    rank = {"null": 0, "boolean": 1 + bool(value), "number": 3, "string": 4, "array": 5, "object": 6}[name]
    if name == "array":
        return rank, [order(v) for v in value]
    if name == "object":
        return rank, sorted(value), [order(value[k]) for k in sorted(value)]
    return (rank, value) if name in ("number", "string") else (rank,)


def equal(a, b):
    return order(a) == order(b)


def index(value, key):
    if value is None and isinstance(key, (str, int)):
        return None
    if isinstance(value, dict) and isinstance(key, str):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int):
        key = key + len(value) if key < 0 else key
        return value[key] if 0 <= key < len(value) else None
    raise JqError(f"cannot index {kind(value)}")


def each(value):
    if isinstance(value, list):
        return list(value)
    if isinstance(value, dict):
        return list(value.values())
    raise JqError(f"cannot iterate over {kind(value)}")


def add(a, b):
    if a is None:
        return b
    if b is None:
        return a
    if is_number(a) and is_number(b):
        return normal(a + b)
    if isinstance(a, str) and isinstance(b, str) or isinstance(a, list) and isinstance(b, list):
        return a + b
    if isinstance(a, dict) and isinstance(b, dict):
        return {**a, **b}
    raise JqError("cannot be added")


def need(condition, why):
    if not condition:
        raise JqError(why)


# Leaves

def literal(value):
    return Expr(json.dumps(value, ensure_ascii=False), lambda i, v: iter([value]))


def identity():
    return Expr(".", lambda i, v: iter([i]))


def path(*keys):
    """.a.b[0]."odd key": null where nothing is."""
    text = ""
    for key in keys:
        plain = isinstance(key, str) and key.isascii() and key.replace("_", "a").isalnum() and not key[0].isdigit()
        text += f".{key}" if plain else ("." if not text else "") + f"[{json.dumps(key, ensure_ascii=False)}]"

    def outputs(value, variables):
        for key in keys:
            value = index(value, key)
        yield value

    return Expr(text or ".", outputs)


def environment(name, values):
    return Expr(f"env.{name}", lambda i, v: iter([values.get(name)])) if len(name) % 2 else Expr(f"$ENV.{name}", lambda i, v: iter([values.get(name)]))


def empty():
    return Expr("empty", lambda i, v: iter([]))


def error(message):
    def outputs(value, variables):
        raise JqError(message)
        yield

    return Expr(f"error({json.dumps(message)})", outputs)


# Combinations

def pipe(left, right):
    return Expr(f"({left.text} | {right.text})", lambda i, v: (out for mid in left.outputs(i, v) for out in right.outputs(mid, v)))


def comma(left, right):
    def outputs(value, variables):
        yield from left.outputs(value, variables)
        yield from right.outputs(value, variables)

    return Expr(f"({left.text}, {right.text})", outputs)


def alternative(left, right):
    def outputs(value, variables):
        found = False
        try:
            for out in left.outputs(value, variables):
                if truthy(out):
                    found = True
                    yield out
        except JqError:
            pass
        if not found:
            yield from right.outputs(value, variables)

    return Expr(f"({left.text} // {right.text})", outputs)


def attempt(body, fallback=None):
    def outputs(value, variables):
        try:
            yield from body.outputs(value, variables)
        except JqError:
            if fallback:
                yield from fallback.outputs(value, variables)

    return Expr(f"(try {body.text} catch {fallback.text})" if fallback else f"(({body.text})?)", outputs)


def binary(operator, left, right):
    compute = {"==": equal, "!=": lambda a, b: not equal(a, b), "<": lambda a, b: order(a) < order(b), ">=": lambda a, b: order(a) >= order(b),
               "+": add, "-": subtract, "*": multiply}[operator]
    return Expr(f"({left.text} {operator} {right.text})",
                lambda i, v: (compute(a, b) for b in right.outputs(i, v) for a in left.outputs(i, v)))


def subtract(a, b):
    need(is_number(a) and is_number(b) or isinstance(a, list) and isinstance(b, list), "cannot be subtracted")
    return [x for x in a if not any(equal(x, y) for y in b)] if isinstance(a, list) else normal(a - b)


def multiply(a, b):
    need(is_number(a) and is_number(b), "cannot be multiplied")
    return normal(a * b)


def logic(operator, left, right):
    def outputs(value, variables):
        for a in left.outputs(value, variables):
            if truthy(a) == (operator == "or"):
                yield operator == "or"
            else:
                yield from (truthy(b) for b in right.outputs(value, variables))

    return Expr(f"({left.text} {operator} {right.text})", outputs)


def condition(test, then, otherwise):
    return Expr(f"(if {test.text} then {then.text} else {otherwise.text} end)",
                lambda i, v: (out for t in test.outputs(i, v) for out in (then if truthy(t) else otherwise).outputs(i, v)))


def interpolation(*parts):
    """Texts and expressions, in turn; an expression has one output at most."""
    text = "".join(json.dumps(p, ensure_ascii=False)[1:-1] if isinstance(p, str) else f"\\({p.text})" for p in parts)

    def outputs(value, variables):
        whole = ""
        for part in parts:
            if isinstance(part, str):
                whole += part
                continue
            outs = list(part.outputs(value, variables))
            if not outs:
                return
            whole += text_of(outs[0])
        yield whole

    return Expr(f'"{text}"', outputs)


def array(*items):
    inside = ", ".join(i.text for i in items)
    return Expr(f"[{inside}]", lambda i, v: iter([[out for item in items for out in item.outputs(i, v)]]))


def object_of(*members):
    """(key text or expression, value); each has one output at most."""
    texts = [f"{json.dumps(k, ensure_ascii=False)}: ({e.text})" if isinstance(k, str) else f"({k.text}): ({e.text})" for k, e in members]

    def outputs(value, variables):
        made = {}
        for key, member in members:
            names = [key] if isinstance(key, str) else list(key.outputs(value, variables))
            need(all(isinstance(n, str) for n in names), "a key is no string")
            outs = list(member.outputs(value, variables))
            if not names or not outs:
                return
            made[names[0]] = outs[0]
        yield made

    return Expr("{" + ", ".join(texts) + "}", outputs)


def bind(name, source, body):
    return Expr(f"({source.text} as ${name} | {body.text})",
                lambda i, v: (out for value in source.outputs(i, v) for out in body.outputs(i, {**v, name: value})))


def variable(name):
    return Expr(f"${name}", lambda i, v: iter([v[name]]))


def iterate(source):
    return Expr(f"({source.text} | .[])", lambda i, v: (out for s in source.outputs(i, v) for out in each(s)))


def mapped(source, body):
    return Expr(f"({source.text} | map({body.text}))",
                lambda i, v: ([out for item in each(s) for out in body.outputs(item, v)] for s in source.outputs(i, v)))


def select(source, test):
    return Expr(f"({source.text} | select({test.text}))",
                lambda i, v: (s for s in source.outputs(i, v) for t in test.outputs(s, v) if truthy(t)))


def first(body):
    def outputs(value, variables):
        for out in body.outputs(value, variables):
            yield out
            return

    return Expr(f"first({body.text})", outputs)


def reduce_sum(source):
    def outputs(value, variables):
        total = 0
        for s in source.outputs(value, variables):
            total = add(total, s)
        yield total

    return Expr(f"(reduce {source.text} as $item (0; . + $item))", outputs)


# Functions of one value: name as jq has it, and what it does

def length(value):
    need(not isinstance(value, bool), "has no length")
    return 0 if value is None else abs(value) if is_number(value) else len(value)


def keys(value):
    need(isinstance(value, (dict, list)), "has no keys")
    return sorted(value) if isinstance(value, dict) else list(range(len(value)))


def to_number(value):
    need(is_number(value) or isinstance(value, str), "cannot be parsed as a number")
    if is_number(value):
        return value
    try:
        need(value.lstrip("-").isdecimal() and value.isascii(), "cannot be parsed as a number")
        return int(value)
    except ValueError:
        raise JqError("cannot be parsed as a number") from None


def ascii_case(change):
    def apply(value):
        need(isinstance(value, str), "input must be a string")
        return "".join(change(c) if c.isascii() else c for c in value)

    return apply


def ordered(value):
    need(isinstance(value, list), "cannot be sorted")
    return sorted(value, key=order)


def unique(value):
    made = []
    for item in ordered(value):
        if not made or not equal(made[-1], item):
            made.append(item)
    return made


def added(value):
    total = None
    for item in each(value):
        total = add(total, item)
    return total


def strings_of_values(value):
    need(isinstance(value, dict), "has no keys")
    return {k: text_of(v) for k, v in value.items()}


def entries(value):
    need(isinstance(value, dict), "has no keys")
    return [{"key": k, "value": v} for k, v in value.items()]


def only(name, inside):
    """For functions that do more than one kind of thing: of the one kind only."""
    return f'if type == "{name}" then {inside} else error("another kind") end'


def uri(value):
    return urllib.parse.quote(text_of(value), safe="-._~")


def first_of(value):
    return index(value, 0)


FUNCTIONS = {
    "length": length, "keys": keys, "tostring": text_of, "tonumber": to_number, "type": kind, "not": lambda v: not truthy(v),
    "ascii_downcase": ascii_case(str.lower), "ascii_upcase": ascii_case(str.upper), "sort": ordered, "unique": unique, "add": added,
    only("object", "to_entries"): entries, only("object", "with_entries(.value |= tostring)"): strings_of_values,
    only("object", "to_entries | from_entries"): lambda v: {e["key"]: e["value"] for e in entries(v)},
    only("array", "reverse"): lambda v: v[::-1] if isinstance(v, list) else need(False, "another kind"), "@uri": uri,
    "@base64": lambda v: base64.b64encode(text_of(v).encode()).decode(), "@json": dump, "tojson": dump, "tojson | fromjson": lambda v: v,
    "first": first_of, "last": lambda v: index(v, -1), "floor": lambda v: (need(is_number(v), "number required"), math.floor(v))[1],
}


def apply(source, name):
    return Expr(f"({source.text} | {name})", lambda i, v: (FUNCTIONS[name](s) for s in source.outputs(i, v)))


def starts_with(source, prefix):
    def outputs(value, variables):
        for s in source.outputs(value, variables):
            need(isinstance(s, str), "requires string inputs")
            yield s.startswith(prefix)

    return Expr(f"({source.text} | startswith({json.dumps(prefix, ensure_ascii=False)}))", outputs)


def matches(source, letters):
    """test() of a regular expression without anything special in it: a text somewhere inside."""
    def outputs(value, variables):
        for s in source.outputs(value, variables):
            need(isinstance(s, str), "cannot be matched")
            yield letters in s

    return Expr(f"({source.text} | test({json.dumps(letters)}))", outputs)


def split(source, separator):
    def outputs(value, variables):
        for s in source.outputs(value, variables):
            need(isinstance(s, str), "split input must be a string")
            yield s.split(separator) if s else []

    return Expr(f"({source.text} | split({json.dumps(separator)}))", outputs)


def join(source, separator):
    def outputs(value, variables):
        for s in source.outputs(value, variables):
            items = each(s)
            need(all(not isinstance(x, (list, dict)) for x in items), "cannot be joined")
            yield separator.join("" if x is None else text_of(x) for x in items)

    return Expr(f"({source.text} | join({json.dumps(separator)}))", outputs)


def has(source, key):
    def outputs(value, variables):
        for s in source.outputs(value, variables):
            need(s is None or isinstance(s, dict), "cannot check whether it has a key")
            yield s is not None and key in s

    return Expr(f"({source.text} | has({json.dumps(key, ensure_ascii=False)}))", outputs)


def replaced(source, key, value):
    def outputs(given, variables):
        for s in source.outputs(given, variables):
            need(s is None or isinstance(s, dict), "cannot be indexed")
            for new in value.outputs(s, variables):
                yield {**(s or {}), key: new}

    return Expr(f"({source.text} | .{key} = {value.text})", outputs)


def without(source, key):
    def outputs(given, variables):
        for s in source.outputs(given, variables):
            need(s is None or isinstance(s, dict), "cannot be deleted")
            yield None if s is None else {k: v for k, v in s.items() if k != key}

    return Expr(f"({source.text} | del(.{key}))", outputs)


def evaluate(expression, value):
    """The first output: (value, None), or (None, why it is null)."""
    try:
        for out in expression.outputs(value, {}):
            return out, None
        return None, "no output"
    except JqError as problem:
        return None, str(problem)
