"""Mappings were written for jq 1.5: each of its builtins, with an example and the value that jq 1.5 itself gave for it (tests/vectors/jq-1.5.jsonl)."""
import json
import os
import pathlib
import subprocess

import pytest

from harness import BINARY, run_event

pytestmark = pytest.mark.host  # one libjq of each version
EXAMPLES = [json.loads(line) for line in (pathlib.Path(__file__).parent.parent / "vectors" / "jq-1.5.jsonl").read_text().splitlines()]
# All that jq 1.5 defines itself, with the number of arguments. Those with an underscore were never documented, but were there.
BUILTINS = """
_assign/2 _divide/2 _equal/2 _flatten/1 _greater/2 _greatereq/2 _group_by_impl/1 _input/0 _less/2 _lesseq/2 _match_impl/3 _max_by_impl/1
_min_by_impl/1 _minus/2 _mod/2 _modify/2 _multiply/2 _negate/0 _notequal/2 _nwise/1 _nwise/2 _plus/2 _sort_by_impl/1 _strindices/1 acos/0 acosh/0
add/0 all/0 all/1 all/2 any/0 any/1 any/2 arrays/0 ascii_downcase/0 ascii_upcase/0 asin/0 asinh/0 atan/0 atan2/2 atanh/0 booleans/0 bsearch/1
capture/1 capture/2 cbrt/0 combinations/0 combinations/1 contains/1 cos/0 cosh/0 debug/0 del/1 delpaths/1 empty/0 endswith/1 env/0 error/0 error/1
exp/0 exp2/0 explode/0 finites/0 first/0 first/1 flatten/0 flatten/1 floor/0 format/1 from_entries/0 fromdate/0 fromdateiso8601/0 fromjson/0
fromstream/1 get_jq_origin/0 get_prog_origin/0 get_search_list/0 getpath/1 gmtime/0 group_by/1 gsub/2 gsub/3 has/1 hypot/2 implode/0 in/1 index/1
indices/1 infinite/0 input/0 input_filename/0 input_line_number/0 inputs/0 inside/1 isfinite/0 isinfinite/0 isnan/0 isnormal/0 iterables/0 j0/0 j1/0
join/1 keys/0 keys_unsorted/0 last/0 last/1 leaf_paths/0 length/0 limit/2 log/0 log10/0 log2/0 ltrimstr/1 map/1 map_values/1 match/1 match/2 max/0
max_by/1 min/0 min_by/1 mktime/0 modulemeta/0 nan/0 normals/0 not/0 now/0 nth/1 nth/2 nulls/0 numbers/0 objects/0 path/1 paths/0 paths/1 pow/2
range/1 range/2 range/3 recurse/0 recurse/1 recurse/2 recurse_down/0 remainder/2 repeat/1 reverse/0 rindex/1 rtrimstr/1 scalars/0 scalars_or_empty/0
scan/1 select/1 setpath/2 sin/0 sinh/0 sort/0 sort_by/1 split/1 split/2 splits/1 splits/2 sqrt/0 startswith/1 stderr/0 strftime/1 strings/0
strptime/1 sub/2 sub/3 tan/0 tanh/0 test/1 test/2 tgamma/0 to_entries/0 todate/0 todateiso8601/0 tojson/0 tonumber/0 tostream/0 tostring/0
transpose/0 truncate_stream/1 type/0 unique/0 unique_by/1 until/2 values/0 while/2 with_entries/1 y0/0 y1/0
""".split()


def values(tmp_path, inputs, programs):
    """What port-agent map shows that each program makes of its input: (value, problem)."""
    expressions = {str(i): f".payload.properties.inputs[{i}] | {program}" for i, program in enumerate(programs)}
    event = run_event("r_1", "http://x", properties={"inputs": "@"}).replace('"@"', "[" + ",".join(inputs) + "]")
    (tmp_path / "event.json").write_text(event)
    (tmp_path / "mapping.json").write_text(json.dumps([{"body": expressions}]))
    done = subprocess.run([BINARY, "map", "--event", "event.json", "--mapping", "mapping.json", "--output", "json"], cwd=tmp_path,
                          env={"PATH": os.environ["PATH"], "MAPPING_TIMEOUT": "20"}, capture_output=True, text=True, timeout=120)
    assert done.stderr == "" and done.returncode == 0, (done.returncode, done.stderr, done.stdout[:500])
    found = {e["where"].removeprefix("mapping 1, body."): (e["result"], e["problem"]) for e in json.loads(done.stdout)["expressions"]}
    return [found[str(i)] for i in range(len(programs))]


def test_there_is_an_example_of_every_builtin():
    assert len(BUILTINS) == len(set(BUILTINS)) and set(BUILTINS) <= {example["of"] for example in EXAMPLES}


def test_every_builtin_gives_the_value_that_jq_1_5_gave(tmp_path):
    got = values(tmp_path, [example["input"] for example in EXAMPLES], [example["program"] for example in EXAMPLES])
    wrong = [(example, found) for example, found in zip(EXAMPLES, got) if found != (example["value"], None)]
    assert not wrong, "\n".join(f"{example['input']} | {example['program']}: {example['value']!r} became {found!r}" for example, found in wrong)


def test_what_later_versions_added_works_too(tmp_path):
    later = {"walk(if type == \"number\" then . + 1 else . end)": [2, ["a"]], ". as [[$a]] ?// [$a] | $a": 1, "first(.. | strings)": "a", "$ENV.PATH | type": "string",
             "[.[] | tojson] | @base64 | @base64d": "[\"1\",\"[\\\"a\\\"]\"]", "[limit(2; repeat(1))]": [1, 1], "isempty(empty)": True}
    assert [value for value, _ in values(tmp_path, ["[1,[\"a\"]]"] * len(later), list(later))] == list(later.values())
