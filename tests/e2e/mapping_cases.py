"""Generated mapping files, events, and the request and report that docs/contract.md wants for each: nothing here asks the program."""
import json
import random
import urllib.parse

import jq_oracle as jq

ENVIRONMENT = {"REGION_NAME": "eu-west-1", "BASE_PATH": "hooks/ünï", "LEVEL": "7"}
STRINGS = ["", "a", "eu-west-1", "Zoë 東京", "x y&z=1", "100%", "slash/ed", "q\"uote", "back\\slash", "tab\tnew\nline", "🚀", "42", "-7", "0", "~.-_"]
SECRETS = ["pl4in-s3cret-one", "pl4in \"s3cret\" two/é", "pl4in-s3cret-three"]  # what the encrypted properties hold


def value(rng, depth=0):
    kind = rng.choice(["string", "string", "integer", "number", "bool", "null", "list", "object"] if depth < 2 else ["string", "integer", "bool", "null"])
    if kind == "string":
        return rng.choice(STRINGS)
    if kind == "integer":
        return rng.choice([0, 1, -1, 7, 42, 65536, 2**40 + 1, rng.randrange(-1000, 1000)])
    if kind == "number":
        return rng.choice([0.5, -1.25, 3.75, rng.randrange(-999, 999) + 0.5])
    if kind == "list":
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == "object":
        return {rng.choice(["id", "label", "a", "odd key", "ü"]): value(rng, depth + 1) for _ in range(rng.randrange(4))}
    return rng.random() < 0.5 if kind == "bool" else None


def event(rng, run_id, base, sealed, number):
    """One run event; `number` tells which mapping file it is for."""
    properties = {"name": rng.choice(STRINGS[1:]), "region": rng.choice(["eu-west-1", "us-east-1"]), "count": rng.randrange(-5, 100), "flag": rng.random() < 0.5}
    for key in ("any", "other", "odd key", "ü"):
        if rng.random() < 0.8:
            properties[key] = value(rng)
    properties["tags"] = [rng.choice(STRINGS) for _ in range(rng.randrange(4))]
    properties["items"] = [{"id": rng.randrange(9), "label": rng.choice(STRINGS), "size": value(rng, 2)} for _ in range(rng.randrange(3))]
    properties["nested"] = {"a": {"b": value(rng, 1)}, "c": value(rng, 1)}
    properties["sealed"] = [{"value": sealed[s]} for s in rng.sample(SECRETS, 2)]
    properties["sealed"].append({"value": rng.choice(["not sealed", 5, None])})
    method = {"type": "WEBHOOK", "agent": True, "synchronized": rng.random() < 0.5, "url": f"{base}/default/{number}"}
    if rng.random() < 0.7:
        method["method"] = rng.choice(["POST", "PUT", "PATCH", "DELETE"])
    return {"action": rng.choice(["create_vm", "delete_vm", "scale"]), "resourceType": "run", "status": "TRIGGERED",
            "trigger": {"by": {"user": {"email": "a@b.c"}}, "origin": "UI"}, "context": {"entity": None, "blueprint": "vm", "runId": run_id, "file": number, "base": base},
            "payload": {"entity": rng.choice([None, {"identifier": "e_1", "properties": {"slug": rng.choice(STRINGS)}}]),
                        "action": {"invocationMethod": method, "trigger": "CREATE"}, "properties": properties, "censoredProperties": []}}


class Expressions:
    """Random expressions; each has one output at most, unless `several` is asked for."""

    def __init__(self, rng):
        self.rng = rng

    def path(self):
        rng = self.rng
        base = ("payload", "properties")
        return jq.path(*rng.choice([
            ("action",), ("context", "blueprint"), ("payload", "entity", "properties", "slug"), ("payload", "entity"), ("nothing", "here"), ("action", "x"),
            (*base, "name"), (*base, "region"), (*base, "count"), (*base, "flag"), (*base, "any"), (*base, "other"), (*base, "odd key"), (*base, "ü"),
            (*base, "tags"), (*base, "tags", 0), (*base, "tags", -1), (*base, "items"), (*base, "items", 0, "label"), (*base, "items", 1, "size"),
            (*base, "nested"), (*base, "nested", "a", "b"), (*base, "nested", "c", "x"), (*base, "missing"), (*base, "tags", "x")]))

    def scalar(self):
        rng = self.rng
        return rng.choice([lambda: jq.literal(rng.choice(STRINGS)), lambda: jq.literal(rng.randrange(100)), lambda: jq.literal(0.5), lambda: jq.literal(rng.random() < 0.5),
                           lambda: jq.literal(None), lambda: jq.environment(rng.choice([*ENVIRONMENT, "NOT_SET"]), ENVIRONMENT)])()

    def any(self, depth=2):
        rng = self.rng
        if depth == 0:
            return self.path() if rng.random() < 0.7 else self.scalar()
        sub = lambda: self.any(depth - 1)
        return rng.choice([
            self.path, self.path, self.scalar, lambda: jq.alternative(sub(), sub()), lambda: jq.condition(self.boolean(depth - 1), sub(), sub()),
            lambda: self.string(depth - 1), lambda: self.boolean(depth - 1), lambda: jq.apply(sub(), rng.choice(list(jq.FUNCTIONS))),
            lambda: jq.array(*[self.several(depth - 1) for _ in range(rng.randrange(3))]), lambda: self.object(depth - 1),
            lambda: jq.mapped(self.path(), jq.apply(jq.identity(), rng.choice(["tostring", "type", "@json"]))),
            lambda: jq.mapped(jq.path("payload", "properties", "items"), jq.path("label")),
            lambda: jq.array(jq.select(jq.iterate(self.path()), jq.binary("!=", jq.identity(), jq.literal(None)))),
            lambda: jq.binary("+", sub(), sub()), lambda: jq.binary("-", jq.apply(sub(), "length"), jq.literal(3)),
            lambda: jq.binary("*", jq.apply(sub(), "length"), jq.literal(2)), lambda: jq.bind("v", sub(), jq.array(jq.variable("v"), self.path())),
            lambda: jq.pipe(self.path(), jq.apply(jq.identity(), rng.choice(list(jq.FUNCTIONS)))), lambda: jq.attempt(sub(), jq.literal("caught")),
            lambda: jq.attempt(self.path()), lambda: jq.first(self.several(depth - 1)), lambda: jq.reduce_sum(jq.apply(self.path(), "length")),
            lambda: jq.replaced(self.path(), "added", sub()), lambda: jq.without(self.path(), "a"), lambda: jq.join(self.path(), ", "),
            lambda: jq.split(self.string(depth - 1), rng.choice(["-", "/", " "]))])()

    def several(self, depth):
        rng = self.rng
        return rng.choice([lambda: self.any(depth), lambda: jq.comma(self.any(depth), self.any(depth)), lambda: jq.iterate(self.path()), jq.empty,
                           lambda: jq.comma(jq.empty(), self.any(depth)), lambda: jq.comma(self.any(depth), jq.error("too late"))])()

    def string(self, depth=1):
        rng = self.rng
        return rng.choice([lambda: jq.interpolation(rng.choice(STRINGS), self.any(depth), rng.choice(STRINGS)), lambda: jq.apply(self.any(depth), "tostring"),
                           lambda: jq.apply(self.path(), "@uri"), lambda: jq.literal(rng.choice(STRINGS)), lambda: jq.apply(self.path(), "ascii_upcase")])()

    def boolean(self, depth=1):
        rng = self.rng
        sub = lambda: self.any(max(depth - 1, 0))
        return rng.choice([
            lambda: jq.binary(rng.choice(["==", "!=", "<", ">="]), sub(), sub()), lambda: jq.logic(rng.choice(["and", "or"]), sub(), sub()),
            lambda: jq.apply(sub(), "not"), lambda: jq.starts_with(self.path(), rng.choice(["e", "Zo", "x "])), lambda: jq.matches(self.path(), rng.choice(["a", "west", "1"])),
            lambda: jq.has(self.path(), rng.choice(["a", "label", "odd key"])), lambda: jq.binary("==", jq.path("payload", "properties", "region"), jq.literal("eu-west-1"))])()

    def object(self, depth=1):
        rng = self.rng
        names = rng.sample(["id", "label", "a", "odd key", "ü", "X"], rng.randrange(4))
        members = [(name, self.any(depth)) for name in names]
        if rng.random() < 0.3:
            members.append((self.string(0), self.any(depth)))
        return jq.object_of(*members)

    def top(self):
        """A whole field: now and then with more outputs than the first, none, or an error."""
        rng = self.rng
        chance = rng.random()
        if chance < 0.05:
            return jq.comma(self.any(), jq.error("never reached"))
        if chance < 0.08:
            return rng.choice([jq.empty(), jq.error("as asked")])
        return self.any(rng.choice([1, 2, 3]))


class Mapping:
    """One mapping: its JSON, and where an expression stands in place of its text."""

    def __init__(self, rng, expressions, last):
        e = expressions
        self.fields = {}
        if last:
            self.fields["enabled"] = True
        elif rng.random() < 0.9:
            self.fields["enabled"] = rng.choice([False, e.boolean(2), e.boolean(1), jq.binary("==", jq.path("action"), jq.literal("scale")), e.any(1)])
        base = jq.path("context", "base")
        if rng.random() < 0.7:
            self.fields["url"] = rng.choice([
                jq.binary("+", base, jq.literal("/fixed")), jq.binary("+", jq.binary("+", base, jq.literal("/")), jq.apply(e.any(1), "@uri")),
                jq.interpolation("", base, "/x/", jq.apply(jq.environment("BASE_PATH", ENVIRONMENT), "@uri"), "?a=1"), jq.path("payload", "action", "invocationMethod", "url"),
                jq.condition(e.boolean(1), jq.binary("+", base, jq.literal("/then")), e.any(1))])
        if rng.random() < 0.4:
            self.fields["method"] = rng.choice([jq.literal("PUT"), jq.literal("delete"), jq.condition(e.boolean(1), jq.literal("PATCH"), jq.literal("POST")),
                                                jq.alternative(jq.path("payload", "action", "invocationMethod", "method"), jq.literal("POST")), e.any(0)])
        if rng.random() < 0.6:
            self.fields["headers"] = rng.choice([self.headers(rng, e), self.headers(rng, e), jq.object_of(("X-One", jq.apply(e.any(1), "@uri")), ("X-Null", jq.literal(None))),
                                                 jq.literal(None), e.any(0)])
        if rng.random() < 0.6:
            self.fields["query"] = rng.choice([{n: e.any(1) for n in rng.sample(["a", "b c", "ü", "d&e"], rng.randrange(1, 4))}, e.object(1), jq.literal(None), jq.literal(rng.choice(["x=1&y=2", "?a=b c", "é=#1", ""])),
                                               jq.array(*[jq.array(jq.literal(rng.choice(["x", "b c"])), e.any(0)) for _ in range(rng.randrange(1, 3))])])
        if rng.random() < 0.7:
            self.fields["body"] = rng.choice([self.body(rng, e, 0), self.body(rng, e, 0), e.top(), e.top(), jq.identity(), None, rng.randrange(9), True,
                                              jq.without(jq.identity(), "trigger"), jq.path("payload", "properties")])
        if rng.random() < 0.5:
            self.fields["report"] = self.report(rng, e)
        if rng.random() < 0.3:
            paths = ["payload.properties.sealed.0.value", ".payload.properties.sealed.1.value", "payload.properties.sealed.2.value", "payload.properties.absent"]
            self.fields["fieldsToDecryptPaths"] = rng.sample(paths, rng.randrange(1, 4))

    @staticmethod
    def headers(rng, e):
        return {name: rng.choice([jq.apply(e.any(1), "@uri"), jq.path("payload", "properties", "count"), jq.path("payload", "properties", "flag"),
                                  jq.path("payload", "properties", "missing"), jq.literal("fixed")]) for name in rng.sample(["X-A", "x-b", "X-Cee", "Accept", "Host", "connection"], rng.randrange(1, 4))}

    def body(self, rng, e, depth):
        kind = rng.random()
        if depth > 0 and kind < 0.4 or depth > 2:
            return e.top()
        if depth > 0 and kind < 0.55:
            return rng.choice([None, True, False, 0, 7, -1.5])
        if kind < 0.8:
            return {name: self.body(rng, e, depth + 1) for name in rng.sample(["id", "deep", "list", "odd key", "ü", "text"], rng.randrange(1, 4))}
        return [self.body(rng, e, depth + 1) for _ in range(rng.randrange(3))]

    @staticmethod
    def report(rng, e):
        request, response = jq.path("request", "method"), jq.path("response", "statusCode")
        fields = {
            "status": rng.choice([jq.literal("SUCCESS"), jq.condition(jq.binary("<", response, jq.literal(300)), jq.literal("SUCCESS"), jq.literal("FAILURE")), jq.literal(None)]),
            "link": rng.choice([jq.path("response", "json", "url"), jq.array(jq.path("response", "json", "url"), jq.path("request", "url")), jq.literal("https://l/é")]),
            "summary": rng.choice([jq.interpolation("", request, " ", response, " é"), jq.path("response", "json", "none"), jq.error("no summary")]),
            "externalRunId": rng.choice([jq.apply(jq.path("response", "json", "id"), "tostring"), jq.path("response", "json", "id"), jq.path("body", "context", "runId")])}
        return {name: fields[name] for name in rng.sample(list(fields), rng.randrange(1, 5))}

    def json(self, restrict=None):
        """As it stands in a file; `restrict`: an expression that must hold as well."""
        fields = unwrapped(self.fields)
        if restrict:
            enabled = fields.get("enabled", True)
            fields["enabled"] = f"{restrict} and ({enabled if isinstance(enabled, str) else json.dumps(enabled)} == true)"
        return fields


def unwrapped(node):
    if isinstance(node, jq.Expr):
        return node.text
    if isinstance(node, dict):
        return {k: unwrapped(v) for k, v in node.items()}
    return [unwrapped(v) for v in node] if isinstance(node, list) else node


# docs/contract.md#mapping-files, docs/contract.md#results

class Failure(Exception):
    pass


class Outcome:
    """What one event comes to: `mapping` from 1, or None; `failed`; else the request's parts. `warned`: the fields that warn."""

    def __init__(self):
        self.mapping, self.failed, self.warned, self.secrets = None, False, [], []
        self.method = self.url = self.target = self.body = None  # `target`: the URL without the query
        self.headers, self.query, self.reports = {}, {}, None
        self.plain = None


def scalar_text(given):
    if isinstance(given, (dict, list)):
        raise Failure()
    return jq.text_of(given)


def filled(node, event, where, warned):
    """The value of a field: expressions evaluated, the rest as it is."""
    if isinstance(node, jq.Expr):
        found, problem = jq.evaluate(node, event)
        if problem is not None:
            warned.append(where)
        return found
    if isinstance(node, dict):
        return {k: filled(v, event, f"{where}.{k}", warned) for k, v in node.items()}
    return [filled(v, event, f"{where}[{i}]", warned) for i, v in enumerate(node)] if isinstance(node, list) else node


def decrypt(event, paths, unsealed, outcome):
    event = json.loads(json.dumps(event))
    for path in paths:
        *way, last = [int(p) if p.isdigit() else p for p in path.lstrip(".").split(".")]
        at = event
        for step in way:
            at = at.get(step) if isinstance(at, dict) else at[step]
        found = at.get(last)
        if isinstance(found, str) and found in unsealed:
            at[last] = unsealed[found]
            outcome.secrets.append(unsealed[found])
        elif found is not None:
            outcome.warned.append("fieldsToDecryptPaths")
    return event


def text_field(fields, name, event, default, warned):
    if name not in fields:
        return default
    found = filled(fields[name], event, name, warned)
    if not isinstance(found, str):
        raise Failure()
    return found


def query_text(query):
    encode = lambda text: urllib.parse.quote(text, safe="-._~")
    if isinstance(query, str):
        return urllib.parse.quote(query.removeprefix("?"), safe="-._~!$&'()*+,;=:@/?[]")
    parts = []
    for name, given in query.items() if isinstance(query, dict) else query:
        for one in given if isinstance(given, list) else [given]:
            if one is not None:
                parts.append(f"{encode(name)}={encode(scalar_text(one))}")
    return "&".join(parts)


def apply_mapping(fields, event, raw, unsealed, outcome):
    warned = outcome.warned
    method = event["payload"]["action"]["invocationMethod"]
    outcome.plain = event = decrypt(event, fields.get("fieldsToDecryptPaths", []), unsealed, outcome)
    outcome.target = url = text_field(fields, "url", event, method["url"], warned)
    outcome.method = text_field(fields, "method", event, method.get("method", "POST"), warned).upper()
    if not all(c.isascii() and (c.isalnum() or c in "!#$%&'*+-.^_`|~") for c in outcome.method) or not outcome.method:
        raise Failure()
    for name in ("headers", "query"):
        found = filled(fields.get(name), event, name, warned)
        if found is not None and not isinstance(found, dict if name == "headers" else (dict, str, list)):
            raise Failure()
        if isinstance(found, list) and not all(isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], (str, int, float)) for pair in found):
            raise Failure()
        setattr(outcome, name, found or {})
        if name == "headers":
            warned += [f"headers.{k}" for k, v in outcome.headers.items() if v is not None and k == "connection"]
            outcome.headers = {k: scalar_text(v) for k, v in outcome.headers.items() if v is not None and k != "connection"}
            for key, text in outcome.headers.items():
                if not key or not all(c.isascii() and (c.isalnum() or c in "!#$%&'*+-.^_`|~") for c in key) or any(ord(c) < 32 and c != "\t" or ord(c) == 127 for c in text):
                    raise Failure()
    query = query_text(outcome.query)
    outcome.url = url + ("&" if query and "?" in url else "?" if query else "") + query
    if not url.startswith(("http://", "https://")):
        raise Failure()
    if "body" not in fields or isinstance(fields["body"], jq.Expr) and fields["body"].text == ".":
        outcome.body = jq.dump(event) if outcome.secrets else raw
    else:
        found = filled(fields["body"], event, "body", warned)
        outcome.body = None if found is None else jq.dump(found)


def expected(mappings, event, raw, unsealed):
    """`event`: as jq sees it; `raw`: its own text."""
    outcome = Outcome()
    for number, mapping in enumerate(mappings, 1):
        enabled = mapping.fields.get("enabled", True)
        if isinstance(enabled, jq.Expr):
            enabled, problem = jq.evaluate(enabled, event)
            if problem is not None:
                outcome.warned.append("enabled")
        if enabled is not True:
            continue
        outcome.mapping = number
        outcome.reports = mapping.fields.get("report")
        try:
            apply_mapping(mapping.fields, event, raw, unsealed, outcome)
        except Failure:
            outcome.failed = True
        break
    return outcome


def expected_report(outcome, status, answer):
    """What a mapping says of the fields that its report has; None: they are left out. `answer`: the endpoint's JSON."""
    context = {"body": outcome.plain, "request": {"method": outcome.method, "url": outcome.target}, "response": {"statusCode": status, "json": answer}}
    made = {}
    for name, node in (outcome.reports or {}).items():
        found = filled(node, context, f"report.{name}", outcome.warned)
        made[name] = found if name == "link" or found is None else jq.text_of(found)
    return made


class File:
    """One mapping file with its events."""

    def __init__(self, number, events, base, sealed):
        rng = self.rng = random.Random(1000 + number)
        self.number = number
        makers = Expressions(rng)
        count = rng.randrange(1, 5)
        self.mappings = [Mapping(rng, makers, last=i == count - 1 and rng.random() < 0.6) for i in range(count)]
        self.events = [event(rng, f"r_{number}_{i}", base, sealed, number) for i in range(events)]

    def json(self, restrict=None):
        return [m.json(restrict) for m in self.mappings]
