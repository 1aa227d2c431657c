"""Documents say what is: of the binary, of each other, and of the files at the root."""
import hashlib
import os
import pathlib
import re
import subprocess

import pytest

from harness import BINARY, ROOT, VERSION


@pytest.mark.host
def test_every_setting_is_listed_as_the_binary_knows_it():
    table = subprocess.run([BINARY, "settings"], check=True, capture_output=True, text=True).stdout
    assert table in (ROOT / "docs/settings.md").read_text(), "docs/settings.md: put the output of 'port-agent settings' in place of its table"


def test_a_default_that_is_written_again_is_the_tables():
    """In documents, in the contract's table of today's settings, and nowhere in comments."""
    table = subprocess.run([BINARY, "settings"], check=True, capture_output=True, text=True).stdout
    defaults = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.M))
    again = [found for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
             for found in re.findall(r"`([A-Z][A-Z_]+)`\s+\(default\s+`?([^`),;]+)", path.read_text())]
    contract = (ROOT / "docs/contract.md").read_text()
    for settings, values in re.findall(r"^\| (`[A-Z_`, ]+`) \| (`[^`]*`(?:, `[^`]*`)*)(?:;.*|, or .*)? \|$", contract, re.M):
        names, values = re.findall("`(.*?)`", settings), re.findall("`(.*?)`", values)
        assert len(names) == len(values), names
        again += zip(names, values)
    assert len(again) > 15
    assert [(name, value) for name, value in again if defaults[name] != value] == []
    comments = [f"{path.relative_to(ROOT)}: {found}" for room in ("lib", "agent") for path in (ROOT / room).rglob("*.[ch]")
                for found in re.findall(r"\bdefault:? (?:\d\S*|on(?! a)|true)\b.*", path.read_text())]
    assert comments == []


def test_what_runs_with_the_hosts_build_too_is_listed():
    wholly, single = set(), set()
    for path in (ROOT / "tests/e2e").glob("test_*.py"):
        text = path.read_text()
        if re.search(r"^pytestmark = .*pytest\.mark\.host\b", text, re.M):
            wholly.add(path.name)
        single |= set(re.findall(r"^@pytest\.mark\.host(?:_only\(.*\))?\n(?:@.*\n)*def (test_\w+)", text, re.M))
    listed = (ROOT / "docs/testing.md").read_text()
    assert not [name for name in wholly | single if f"`{name}`" not in listed]
    table = re.search(r"^These run with the host's build too.*?^## ", listed, re.M | re.S).group()
    assert set(re.findall(r"`(test_\w+)`", table)) == single


def test_each_row_about_migrating_names_what_is_there():
    """Tests by their names, messages as the sources have them, settings as the binary knows them."""
    text = (ROOT / "docs/migrating.md").read_text()
    tests = "".join(path.read_text() for pattern in ("unit/*/*.c", "component/*/*.c", "e2e/*.py") for path in (ROOT / "tests").glob(pattern))
    sources = "".join(path.read_text() for room in ("lib", "agent") for path in (ROOT / room).rglob("*.[ch]"))
    for name, words in re.findall(r'^#define (\w+) ("[^"\n]*")$', sources, re.M):
        sources = re.sub(rf'\b{name}(?=\s*")', lambda _: words, sources)
    sources = re.sub(r'"\s*\n?\s*"', "", sources)
    settings = subprocess.run([BINARY, "settings"], check=True, capture_output=True, text=True).stdout
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    header, shown = None, []
    for row in rows:
        if row[-1] in ("test", "look at"):
            header = row
            continue
        assert len(row) == len(header), row
        if header[-1] == "test":
            assert row[-1], row
            for name in re.findall(r"`([^`]+)`", row[-1]):
                assert (ROOT / name).exists() if "/" in name else re.search(rf"\b{name}\(", tests), name
            shown += re.findall(r"`([A-Z][A-Z_]{5,})`", row[-2]) if header[-2] == "setting" else []
        else:
            for message in re.findall(r"`([^`]+)`", row[2]):
                assert f'"{message}' in sources, message
    assert shown and [name for name in shown if f"`{name}`" not in settings and name != "DRAIN_TIMEOUT_SECONDS"] == []


# What people look for at the root


def test_every_file_that_names_the_version_has_that_of_the_file_version():
    """What can read VERSION does (CMake, and so --version and the User-Agent); what cannot is compared here."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert subprocess.run([BINARY, "--version"], check=True, capture_output=True, text=True).stdout.startswith(f"port-agent {VERSION} (")
    for path, pattern in (("deploy/helm/port-agent/Chart.yaml", r'^(?:version|appVersion): "?([^"\n]+)'),
                          ("deploy/kubernetes/deployment.yaml", r"image: port-agent:(\S+)"),
                          ("deploy/README.md", r"(?:port-agent[:_]|image\.tag=)(\d+\.\d+\.\d+)"),
                          ("docs/demo.md", r"port-agent/(\d\S*)"),
                          ("docker/Dockerfile", r"^ARG VERSION=(\S+)"),
                          ("lib/base/version.h", r'"(?:port-agent/)?(\d[^"]*)"')):
        found = re.findall(pattern, (ROOT / path).read_text(), re.M)
        assert found and set(found) == {VERSION}, path


def test_the_licence_is_apache_2_whole_and_as_it_is():
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_the_changelog_begins_with_this_version_and_keeps_its_form():
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (\S+) - (.+)$", text, re.M)
    assert versions[0][0] == VERSION and all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for _, date in versions[1:])
    assert len(versions) == len(re.findall("^## ", text, re.M))
    assert set(re.findall(r"^### (.+)$", text, re.M)) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    settings = subprocess.run([BINARY, "settings"], check=True, capture_output=True, text=True).stdout
    assert [name for name in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", text) if f"`{name}`" not in settings] == []


def test_contributing_names_commands_and_files_that_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    told = subprocess.run([ROOT / "dev", "help"], check=True, capture_output=True, text=True).stdout
    for name in re.findall(r"^    \./dev (\w+)", text, re.M):
        assert re.search(rf"^  {name}\b", told, re.M), name
    assert {"Priorities", "Build, test, lint", "Habits", "Commits"} <= set(re.findall(r"^## (.+)$", text, re.M))


def threats():
    """Of docs/security.md: each row of its tables of threats, as (line, the names in the column of tests)."""
    column = None
    for number, line in enumerate((ROOT / "docs/security.md").read_text().splitlines(), 1):
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("|") else None
        if cells is None:
            column = None
        elif column is None:
            column = len(cells) - 1 if cells[-1].startswith("test") else -1
        elif column > 0 and not line.startswith("|-"):
            assert len(cells) == column + 1, f"docs/security.md:{number} has {len(cells)} cells"
            yield number, re.findall(r"`([^`]+)`", cells[-1])


def test_each_threat_names_tests_that_are_there():
    sources = [path for pattern in ("*.py", "*.c", "*.h") for path in (ROOT / "tests").rglob(pattern)]
    functions = {name for path in sources
                 for name in re.findall(r"^(?:def|static void) (\w+)\(", path.read_text(), re.M)}
    files = {path.name for path in sources}
    missing, rows = [], list(threats())
    assert len(rows) > 60
    for number, names in rows:
        for name in names:
            if name.startswith("./dev "):
                there = True
            elif "/" in name:
                there = (ROOT / name).exists()
            elif name.endswith((".py", ".c")):
                there = name in files
            elif name.startswith("…"):
                there = any(function.endswith(name[1:]) for function in functions)
            else:
                there = name in functions
            if not there:
                missing.append(f"docs/security.md:{number}: {name}")
    assert missing == []


def test_security_md_points_to_private_advisories_and_invents_no_address():
    text = (ROOT / "SECURITY.md").read_text()
    assert "security advisories" in text and "(docs/security.md)" in text and "@" not in text


def test_links_between_documents_lead_to_files_and_headings():
    for path in markdown():
        text = path.read_text()
        for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`|^```.*?^```", "", text, flags=re.M | re.S)):
            if "://" in link:
                continue
            file, _, heading = link.partition("#")
            target = path.parent / file if file else path
            assert target.exists(), (path.name, link)
            assert not heading or heading in headings(target.read_text()), (path.name, link)


def markdown():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    return [path for path in map(ROOT.joinpath, listed.split()) if path.exists()]


def headings(text):
    """As GitHub makes fragments of them."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)}


@pytest.mark.host_only(reason="it installs what CMake built here")
def test_what_is_installed_is_where_the_unit_and_the_documents_say(tmp_path):
    build = pathlib.Path(BINARY).resolve().parent
    subprocess.run(["cmake", "--install", build], check=True, capture_output=True, env={**os.environ, "DESTDIR": str(tmp_path)})
    unit, = tmp_path.rglob("lib/systemd/system/port-agent.service")
    binary = re.search(r"^ExecStart=(\S+)$", unit.read_text(), re.M)[1]
    assert subprocess.run([f"{tmp_path}{binary}", "--version"], check=True, capture_output=True, text=True).stdout.startswith(f"port-agent {VERSION} (")
    pages = {path.name for path in tmp_path.rglob("share/man/man1/*")}
    names = subprocess.run([f"{tmp_path}{binary}", "man", "--list"], check=True, capture_output=True, text=True).stdout.split()
    assert pages == {"port-agent.1", *(f"port-agent-{name}.1" for name in names)} and "map" in names
    for completed in ("bash-completion/completions/port-agent", "zsh/site-functions/_port-agent", "fish/vendor_completions.d/port-agent.fish"):
        path, = tmp_path.rglob("share/" + completed)
        assert "dead-letters" in path.read_text()
    documents, = tmp_path.rglob("share/doc/port-agent")
    assert (documents / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    for link in re.findall(r"\]\(([^)#\s:]+)[)#]", (ROOT / "README.md").read_text()):
        assert (documents / link).exists(), link


def test_comments_cite_sections_of_the_contract_that_are_there():
    there = headings((ROOT / "docs/contract.md").read_text())
    cited = []
    for pattern in ("lib/**/*.[ch]", "agent/**/*.[ch]", "tests/**/*.[ch]", "tests/**/*.py"):
        for path in ROOT.glob(pattern):
            text = path.read_text()
            assert not re.search(r"contract,? " + "section", text), path
            cited += [(path.name, name) for name in re.findall(r"docs/contract\.md#([\w-]+)", text)]
    assert cited and [(path, name) for path, name in cited if name not in there] == []


def test_what_the_page_about_adding_names_is_there():
    """Files and names; NAME stands for what is new, so its folder's folder must be there."""
    text = (ROOT / "docs/adding.md").read_text()
    sources = "".join(path.read_text() for room in ("lib", "agent") for path in (ROOT / room).rglob("*.[ch]"))
    names = set(re.findall(r"`([^`]+)`", text))
    files = {name for name in names if re.fullmatch(r"[\w/.-]+\.(?:[ch]|md|py)", name)}
    assert len(files) > 25
    for name in sorted(files):
        path = ROOT / name
        assert (path.parent if "NAME" not in path.parent.name else path.parent.parent).is_dir() if "NAME" in name else path.is_file(), name
    for name in sorted(names - files):
        for word in re.findall(r"\b[a-z]\w*_\w+\b|\b[A-Z]+_[A-Z_]+\b", name):
            assert re.search(rf"\b{word}\b", sources) or "NAME" in word, word
    for link in re.findall(r"\]\(([^)#\s:]+)", text):
        assert (ROOT / "docs" / link).exists(), link


def test_a_plain_setting_is_a_row_a_member_and_its_use():
    """Nothing else of the room that loads settings knows a number, a duration or a switch by its name."""
    table = (ROOT / "lib/config/table.c").read_text()
    plain = re.findall(r"\.kind = SETTING_(?:INTEGER|BYTES|SECONDS|NUMBER),(?:[^{}]*?)AT\(([\w.]+)\)", table)
    assert len(plain) > 25
    rest = "".join(path.read_text() for path in (ROOT / "lib/config").glob("*.[ch]") if path.name not in ("table.c", "config.h"))
    assert [member for member in plain if re.search(rf"\b{member.split('.')[-1]}\b", rest)] == []


def test_the_contract_names_settings_that_are_there():
    settings = subprocess.run([BINARY, "settings"], check=True, capture_output=True, text=True).stdout
    text = (ROOT / "docs/contract.md").read_text()
    rows = re.findall(r"^\| (`[A-Z][A-Z_]+`.*?) \|", text, re.M)
    named = [name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)]
    assert len(named) > 20 and [name for name in named if f"`{name}`" not in settings and name != "GITLAB_URL"] == []


def test_the_glossary_has_every_room_and_every_object_once():
    """Objects are the structs that a public header names without saying what is in them."""
    text = (ROOT / "docs/glossary.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if re.match(r"\| (?!word|-)", line)]
    words = [word for row in rows for word in row[0].split(", ")]
    assert sorted(words) == sorted(set(words)) and all(len(row) == 3 and row[1].endswith(".") for row in rows)
    rooms = re.findall(r"^\| `(lib/\w+)`", (ROOT / "docs/architecture.md").read_text(), re.M)
    assert rooms and [room for room in rooms if f"`{room}`" not in text] == []
    headers = {path: path.read_text() for path in sorted((ROOT / "lib").glob("**/*.h")) if "internal" not in path.name}
    foreign = {"Curl_URL", "sockaddr"}
    objects = {name for header in headers.values() for name in re.findall(r"^struct (\w+);", header, re.M)} - foreign
    assert sorted(name for name in objects if f"`struct {name}`" not in text) == []


def test_the_glossary_names_what_is_there():
    text = (ROOT / "docs/glossary.md").read_text()
    sources = "".join(path.read_text() for room in ("lib", "agent") for path in (ROOT / room).rglob("*.[ch]"))
    for name in re.findall(r"`([^`]+)`", text):
        if "/" in name:
            assert (ROOT / name).exists(), name
        elif name != "Content-Encoding" and name not in ("JSON.stringify", ".env", "url", "headers", "report"):
            assert re.search(rf"\b{name}\b", sources), name


# Their form


def test_prose_is_wrapped_at_100_columns():
    """Tables, code and words that have no blank may be longer."""
    long = []
    for path in markdown():
        name, code, before = str(path.relative_to(ROOT)), False, ""
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.lstrip().startswith("```"):
                code = not code
            elif not (code or line.startswith("|") or (line.startswith("    ") and (not before or before.startswith("    ")))):
                if len(line) > 100 and " " in re.sub(r"`[^`]*`", "", line.strip()):
                    long.append(f"{name}:{number}")
            before = line
    assert long == []


def test_each_row_belongs_to_a_table():
    """A row behind an empty line would be shown as text, and be in no table that a test reads."""
    alone = []
    for path in markdown():
        code, lines = False, ["", *path.read_text().splitlines(), ""]
        for number, (before, line, behind) in enumerate(zip(lines, lines[1:], lines[2:]), 1):
            if line.lstrip().startswith("```"):
                code = not code
            if not code and line.startswith("|") and not before.startswith("|") and not re.match(r"\|[-: ]+\|", behind):
                alone.append(f"{path.relative_to(ROOT)}:{number}")
    assert alone == []


def test_the_drawing_of_a_deliverys_life_is_the_table_of_its_states():
    """An arrow from a group (`state name { ... }`) leads from every state in it. DROPPED, to which all lead, is not drawn."""
    code = (ROOT / "lib/deliver/life.c").read_text()
    over = set(re.findall(r"TO\((\w+)\)", re.search(r"#define OVER (.*)", code)[1]))
    table = {(state, to) for state, row in re.findall(r"\[LIFE_(\w+)\] = ((?:TO|OVER)[^,]*),", code)
             for to in [*re.findall(r"TO\((\w+)\)", row), *(over if "OVER" in row else ())]}
    drawing = re.search(r"```mermaid\nstateDiagram-v2\n(.*?)```", (ROOT / "docs/architecture.md").read_text(), re.S)[1]
    groups = {name: set(re.findall(r"\w+", re.sub(r":.*", "", inside))) for name, inside in re.findall(r"state (\w+) \{(.*?)\}", drawing, re.S)}
    arrows = re.findall(r"^ *(\w+) --> (\w+)", drawing, re.M)
    drawn = {(state, to) for source, to in arrows for state in groups.get(source, {source})}
    assert len(table) > 30
    assert drawn == table
    header = (ROOT / "lib/deliver/life.h").read_text()
    assert {state for move in drawn for state in move} == set(re.findall(r"^    LIFE_(\w+)", header, re.M)) - {"DROPPED"}
