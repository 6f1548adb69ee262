"""Template expressions: what they give and with which type, what they refuse, and what they may cost."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import expressions
from assay.expressions import Reference, TemplateError, TemplateLimitError, TemplateSyntaxError

SCOPE: dict[str, Any] = {
    "input": {"doc": {"$fileId": "file_1"}, "limit": 500, "for": "you", "note": None, "flag": False, "empty": ""},
    "steps": {
        "parse": {"output": {"text": "hello world", "pages": [{"n": 1}, {"n": 2}], "confidence": 0.5}},
        "extract-fields": {"output": {"x": 7, "total": 100.0, "amount": "250.00", "odd key": "o", "2nd": "s"}},
        "2-step": {"output": {"ok": True}},
    },
    "list": [3, 1, 2],
    "items": [
        {"name": "a", "price": 10, "kind": "x", "in": {"depth": 3}},
        {"name": "b", "price": 20, "kind": "y", "in": {"depth": 1}},
        {"name": "c", "kind": "x"},
    ],
    "size": {"size": 9},
    "index": 1,
    "key": "text",
    "zero": 0,
}

EXPRESSIONS: list[tuple[str, Any]] = [
    # paths
    ("steps.parse.output.text", "hello world"),
    ("steps.extract-fields.output.x", 7),
    ("steps.extract-fields.output.total", 100.0),
    ('steps.extract-fields.output["odd key"]', "o"),
    ("steps.extract-fields.output.2nd", "s"),
    ("steps.2-step.output.ok", True),
    ("steps['2-step'].output.ok", True),
    ('["input"].limit', 500),
    ("input.limit", 500),
    ("input.for", "you"),
    ("steps.parse.output[key]", "hello world"),
    ("steps.parse.output.pages[0].n", 1),
    ("steps.parse.output.pages[-1].n", 2),
    ("steps.parse.output.pages.0.n", 1),
    ("steps.parse.output.pages[index].n", 2),
    ("steps.parse.output.pages.size", 2),
    ("steps.parse.output.pages.first.n", 1),
    ("steps.parse.output.pages.last.n", 2),
    ("steps.parse.output.text.size", 11),
    ("input.size", 6),
    ("input.first", ["doc", {"$fileId": "file_1"}]),
    ("size.size", 9),
    ("input.note", None),
    ("env", {}),
    # literals
    ("1", 1),
    ("-1.5", -1.5),
    ("true", True),
    ("nil", None),
    ("empty", ""),
    (r'"a\nb\t\"c\" \u00e9"', 'a\nb\t"c" é'),
    (r"'it\'s'", "it's"),
    ("(1..3)", [1, 2, 3]),
    ("(zero..index)", [0, 1]),
    # comparisons and logic
    ('input.for == "you"', True),
    ("input.note == null", True),
    ("input.note == nil", True),
    ("missing == null", True),
    ("null != steps.parse.output.txet", False),
    ("input.empty == empty", True),
    ("input.note == blank", True),
    ("input.flag == false", True),
    ("1 == true", False),
    ("1 == 1.0", True),
    ('1 == "1"', False),
    ("list == list", True),
    ("input.limit >= 500", True),
    ('steps.extract-fields.output.amount > 100 and "b" > "a"', True),
    ("input.note > 3", False),
    ("input.limit <> 1", True),
    ("true or false and false", True),
    ("false and false or true", False),
    ("(true or false) and false", False),
    ('(key == "..") or (index == 1)', True),
    ("not input.flag and zero", True),
    ("list contains 3", True),
    ('key contains "ex"', True),
    ('input contains "doc"', True),
    # guards
    ("missing | default: 0", 0),
    ('steps.later.output.x | default: "none"', "none"),
    ("input.note | default: list", [3, 1, 2]),
    ('input.empty | default: "e"', "e"),
    ("input.flag | default: true", True),
    ("input.flag | default: true, allow_false: true", False),
    ("zero | default: 5", 0),
    # numbers
    ("5 | plus: 2", 7),
    ('"3" | plus: 1', 4),
    ("input.note | plus: 1", 1),
    ("0.1 | plus: 0.2", 0.3),
    ("10 | minus: 2.5", 7.5),
    ("3 | times: 4 | minus: 2", 10),
    ("19.99 | times: 3", 59.97),
    ("10 | divided_by: 4", 2.5),
    ("20 | divided_by: 4", 5),
    ("10 | divided_by: 4, true", 2),
    ("-7 | modulo: 3", 2),
    ("7.5 | modulo: 2", 1.5),
    ("2.5 | round", 3),
    ("-2.5 | round", -3),
    ("1.005 | round: 2", 1.01),
    ("1234 | round: 2", 1234),
    ("1.2 | ceil", 2),
    ("1.8 | floor", 1),
    ("-3 | abs", 3),
    ("3 | at_least: 5", 5),
    ("3 | at_most: 2", 2),
    ('"12.7" | to_integer', 12),
    # text
    ('"a" | append: 1.0', "a1"),
    ('true | append: "x"', "truex"),
    ('"b" | prepend: "a"', "ab"),
    ('"hELLO wORLD" | capitalize', "Hello world"),
    ('"aB" | upcase | downcase', "ab"),
    ('"  a " | strip', "a"),
    ('"xxaxx" | lstrip: "x" | rstrip: "x"', "a"),
    (r'"a\nb" | split: "\n"', ["a", "b"]),
    ('"a,b,,c,," | split: ","', ["a", "b", "", "c"]),
    ('"abc" | split: ""', ["a", "b", "c"]),
    ('"aaa" | replace: "a", "b"', "bbb"),
    ('"aaa" | replace_first: "a", "b"', "baa"),
    ('"aaa" | replace_last: "a", "b"', "aab"),
    ('"a-b-c" | remove: "-"', "abc"),
    ('"a-b-c" | remove_first: "-"', "ab-c"),
    ('"a-b-c" | remove_last: "-"', "a-bc"),
    ('"hello world" | truncate: 11', "hello world"),
    ('"hello world" | truncate: 8', "hello..."),
    ('"hello world" | truncate: 8, "…"', "hello w…"),
    ('"one two three" | truncatewords: 2', "one two..."),
    ('"hello" | slice: -3, 2', "ll"),
    (r'" a \n b " | squish', "a b"),
    (r'"a \n b" | normalize_whitespace', "a b"),
    ('"你好hello world" | number_of_words: "cjk"', 4),
    (r'"a\r\nb" | strip_newlines', "ab"),
    (r'"a\nb" | newline_to_br', "a<br />\nb"),
    ("\"<a href='x'>&\" | escape", "&lt;a href=&#39;x&#39;&gt;&amp;"),
    ('"&lt;&" | escape_once', "&lt;&amp;"),
    ('"<p>a</p><script>b</script><!-- c -->d" | strip_html', "ad"),
    ('"a b&c" | url_encode', "a+b%26c"),
    ('"a+b%26c" | url_decode', "a b&c"),
    ('"foo, bar; baz?" | cgi_escape', "foo%2C+bar%3B+baz%3F"),
    ('"http://a.com/?q=f o" | uri_escape', "http://a.com/?q=f%20o"),
    ('"The _cönfig.yml" | slugify', "the-cönfig-yml"),
    ('"The cönfig.yml" | slugify: "latin", true', "The-config-yml"),
    ('"abc" | base64_encode', "YWJj"),
    ('"YWJj" | base64_decode', "abc"),
    ('"abc" | sha256 | slice: 0, 6', "ba7816"),
    # lists
    ("list | sort", [1, 2, 3]),
    ("list | join", "3 1 2"),
    ('list | join: "-"', "3-1-2"),
    ("list | first", 3),
    ("list | last", 2),
    ("list | size", 3),
    ("list | reverse", [2, 1, 3]),
    ("list | sum", 6),
    ("list | push: 4 | unshift: 0", [0, 3, 1, 2, 4]),
    ("list | pop | shift", [1]),
    ("list | slice: 1, 2", [1, 2]),
    ("list | concat: list | uniq", [3, 1, 2]),
    ('list | array_to_sentence_string: "or"', "3, 1, or 2"),
    ('items | map: "price"', [10, 20, None]),
    ('items | map: "in.depth" | compact', [3, 1]),
    ('items | sum: "price"', 30),
    ('items | sort: "in.depth" | map: "name"', ["b", "a", "c"]),
    ('"b,A,c" | split: "," | sort_natural', ["A", "b", "c"]),
    ('items | where: "price" | map: "name"', ["a", "b"]),
    ('items | where: "kind", "x" | map: "name"', ["a", "c"]),
    ('items | where: "price", nil | map: "name"', ["c"]),
    ('items | reject: "kind", "x" | map: "name"', ["b"]),
    ('items | find: "name", "zz"', None),
    ('items | find_index: "name", "b"', 1),
    ('items | has: "name", "b"', True),
    ('items | group_by: "kind" | map: "name"', ["x", "y"]),
    ('items | where_exp: "i", "i.price > index" | map: "name"', ["a", "b"]),
    ('items | reject_exp: "i", "i.price > 10" | map: "name"', ["a", "c"]),
    ("items | find_exp: 'i', 'i.kind == \"y\"' | size", 4),
    ('items | find_index_exp: "i", "i.price == 20"', 1),
    ('items | has_exp: "i", "i.price > 100"', False),
    ('items | group_by_exp: "i", "i.price > 10" | map: "items" | map: "size"', [2, 1]),
    # JSON and dates
    ("input.doc | json", '{"$fileId":"file_1"}'),
    ("input.doc | jsonify: 2", '{\n  "$fileId": "file_1"\n}'),
    ("list == list | json", "true"),
    ('"2024-03-05T10:00:00+02:00" | date: "%d.%m.%Y %H:%M %:z %s %%"', "05.03.2024 10:00 +02:00 1709625600 %"),
    ('"March 14, 2016" | date: "%Y-%m-%d"', "2016-03-14"),
    ('0 | date: "%Y-%m-%d %H:%M"', "1970-01-01 00:00"),
    ('"2024-03-05" | date_to_xmlschema', "2024-03-05T00:00:00+00:00"),
    ('"2024-03-22" | date_to_string: "ordinal", "US"', "Mar 22nd, 2024"),
    ('"2024-03-05" | date_to_long_string', "05 March 2024"),
    ('"nonsense" | date: "%Y"', "nonsense"),
]

TEXTS: list[tuple[str, str]] = [
    ("No. {{ index }}", "No. 1"),
    ("{{ index }}{{ zero }}", "10"),
    ("total {{ steps.extract-fields.output.total }}", "total 100"),
    ("{{ 0.00001 }} {{ 1.50 }} {{ true }} {{ nil }}|", "0.00001 1.5 true |"),
    ("{{ list }}:{{ input.doc }}", '312:{"$fileId":"file_1"}'),
    ("a {{- ' b ' -}} c", "a b c"),
    ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ("{% comment %}{{ a.b.c {% endcomment %}x{% # not shown %}", "x"),
    ("{% if input.note %}Note{% elsif missing.deeply %}?{% else %}none{% endif %}", "none"),
    ("{% unless input.flag %}off{% endunless %}", "off"),
    ("{% case key %}{% when 'a', 'text' %}t{% else %}?{% endcase %}", "t"),
    ("{% for i in items %}{{ forloop.index }}{{ i.name }}{% unless forloop.last %},{% endunless %}{% endfor %}",
     "1a,2b,3c"),
    ("{% for i in (1..9) %}{% if i == 2 %}{% continue %}{% elsif i > 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
     "13"),
    ("{% for p in input.doc %}{{ p[0] }}={{ p[1] }}{% endfor %}", "$fileId=file_1"),
    ("{% for i in list limit: 2 offset: 1 %}{{ i }}{% else %}none{% endfor %}", "12"),
    ("{% assign x = index == 1 %}{% capture y %}<{{ x }}>{% endcapture %}{% echo y | upcase %}", "<TRUE>"),
    ("{% increment n %}{% increment n %}{% cycle 'a', 'b' %}{% cycle 'a', 'b' %}", "01ab"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), EXPRESSIONS, ids=[source for source, _ in EXPRESSIONS])
def test_one_expression_keeps_its_type(source: str, expected: Any) -> None:
    found = expressions.resolve(f" {{{{ {source} }}}}\n", SCOPE)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("source", "expected"), TEXTS)
def test_other_templates_become_text(source: str, expected: str) -> None:
    assert expressions.resolve(source, SCOPE) == expected


def test_an_expression_with_data_around_it_is_text() -> None:
    assert expressions.resolve("{{ input.doc }}.", SCOPE) == '{"$fileId":"file_1"}.'


def test_templates_are_resolved_however_deep_they_stand_and_keys_are_not() -> None:
    tree: Any = {"a": [{"{{ b }}": "{{ list }}"}, 1, None], "c": {"d": "n={{ index }}"}}

    assert expressions.resolve(tree, SCOPE) == {"a": [{"{{ b }}": [3, 1, 2]}, 1, None], "c": {"d": "n=1"}}


def test_a_scope_may_bring_its_own_env() -> None:
    assert expressions.resolve("{{ env.REGION }}", {"env": {"REGION": "eu"}}) == "eu"
    assert expressions.resolve('{{ env.REGION | default: "none" }}', {}) == "none"


def test_nothing_in_the_scope_is_changed() -> None:
    before = json.dumps(SCOPE)
    for source, _ in EXPRESSIONS:
        expressions.resolve(f"{{{{ {source} }}}}", SCOPE)

    assert json.dumps(SCOPE) == before


# --- what is missing


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("{{ stpes.parse.output.text }}", "stpes"),
        ("{{ steps.later.output.text }}", "steps.later"),
        ("{{ steps.parse.outptu.text }}", "steps.parse.outptu"),
        ("{{ steps.parse.output.txet }}", "steps.parse.output.txet"),
        ("{{ steps.parse.output.pages[5].n }}", "steps.parse.output.pages[5]"),
        ("{{ steps.parse.output['a b'] }}", 'steps.parse.output["a b"]'),
        ("{{ input.note.deeper }}", "input.note.deeper"),
        ("{{ steps.parse.output.text.length }}", "steps.parse.output.text.length"),
        ("{{ missing | upcase }}", "missing"),
        ("{{ 'a' | append: missing }}", "missing"),
        ("{{ missing | upcase | default: 'x' }}", "missing"),
        ("{{ missing == 'x' }}", "missing"),
        ("{{ 3 < missing }}", "missing"),
        ("{{ missing contains 'x' }}", "missing"),
        ("{{ missing and true }}", "missing"),
        ("{{ list[missing] }}", "missing"),
        ("Dear {{ input.name }},", "input.name"),
        ("{% for i in input.rows %}{{ i }}{% endfor %}", "input.rows"),
        ("{% assign x = input.rows %}", "input.rows"),
        ("{% case input.rows %}{% when 1 %}{% endcase %}", "input.rows"),
        ("{% if true %}{{ input.name }}{% endif %}", "input.name"),
        ("{{ now }}", "now"),
        ("{{ today }}", "today"),
    ],
)
def test_what_is_missing_is_named(source: str, missing: str) -> None:
    with pytest.raises(TemplateError, match="undefined") as caught:
        expressions.resolve({"with": [source]}, SCOPE)

    error = caught.value
    assert error.code == "template_resolution_failed"
    assert error.message.startswith(f"{missing} is undefined in ")
    assert error.expression in source
    assert (error.path, error.field) == ("with[0]", "with[0]")
    assert error.hint is not None


def test_only_the_expression_that_failed_is_named() -> None:
    with pytest.raises(TemplateError) as caught:
        expressions.resolve("{{ index }} and {{ input.nmae | upcase }} and {{ zero }}", SCOPE)

    assert caught.value.expression == "{{ input.nmae | upcase }}"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('{{ "abc" | plus: 1 }}', '"abc" is not a number'),
        ("{{ list | plus: 1 }}", "a list is not a number"),
        ("{{ 1 | divided_by: 0 }}", "division by zero"),
        ('{{ "x" > 3 }}', "is not a number"),
        ('{{ "now" | date: "%Y" }}', "the present time is not available"),
        ('{{ "a" | base64_decode }}', "base64"),
        ("{{ 5 contains 1 }}", "contains"),
        ("{% break %}", "outside of a loop"),
    ],
)
def test_a_filter_says_what_it_cannot_take(source: str, reason: str) -> None:
    with pytest.raises(TemplateError) as caught:
        expressions.resolve(source, SCOPE)

    assert caught.value.code == "template_resolution_failed"
    assert reason in caught.value.message


def test_a_lone_surrogate_in_data_is_a_clear_error() -> None:
    with pytest.raises(TemplateError, match="surrogates"):
        expressions.resolve("{{ x | url_encode }}", {"x": "\ud800"})


def test_templates_see_keys_of_data_and_nothing_of_python() -> None:
    for name in ("__class__", "keys", "items", "__len__", "append"):
        with pytest.raises(TemplateError):
            expressions.resolve(f"{{{{ input.{name} }}}}", SCOPE)


# --- conditions


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (True, True),
        (False, False),
        ("true", True),
        (" false ", False),
        ("{{ zero }}", True),
        ("{{ input.empty }}", True),
        ('{{ "false" }}', True),
        ("{{ input.note }}", False),
        ("{{ input.flag }}", False),
        ("{{ input.missing.deeply }}", False),
        ("{{ missing == 'x' }}", False),
        ("{{ missing > 3 or missing contains 'a' }}", False),
        ("{{ not missing }}", True),
        ("{{ missing and true }}", False),
        ("{{ input.limit > 100 and key == 'text' }}", True),
        ("{{ missing | default: true }}", True),
        ("{{ missing | size }}", True),
        ("{% if index == 1 %}true{% else %}false{% endif %}", True),
        ("{{ index }}{% if missing %}{% endif %}{% assign x = 1 %}", None),
        ("yes", None),
    ],
)
def test_conditions_follow_liquid(source: str | bool, expected: bool | None) -> None:
    if expected is None:
        with pytest.raises(TemplateError, match="condition"):
            expressions.is_true(source, SCOPE)
        return

    assert expressions.is_true(source, SCOPE) is expected


# --- grammar


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("{{ a", 1, 1),
        ("ok\n  {{ a b }}", 2, 8),
        ("{{ a | nosuch }}", 1, 8),
        ("{{ a | times }}", 1, 8),
        ("{{ a | upcase: 1, 2 }}", 1, 8),
        ("{{ a =~ b }}", 1, 7),
        ("{{ 'a }}", 1, 4),
        ("{{ a[ }}", 1, 6),
        ("{{ }}", 1, 3),
        ("{% nosuch %}", 1, 4),
        ("{% include 'x' %}", 1, 4),
        ("{% render 'x' %}", 1, 4),
        ("{% layout 'x' %}", 1, 4),
        ("{% tablerow x in y %}{% endtablerow %}", 1, 4),
        ("{% %}", 1, 1),
        ("{% if %}x{% endif %}", 1, 4),
        ("{% if a %}x", 1, 11),
        ("{% if a %}{% else %}{% else %}{% endif %}", 1, 24),
        ("{% raw %}x", 1, 1),
        ("{% comment %}x{% comment %}{% endcomment %}", 1, 1),
        ("{% for x of y %}{% endfor %}", 1, 10),
        ("{{ a | where_exp: 'x', b }}", 1, 8),
        ("{{ a | where_exp: 'x', 'x ==' }}", 1, 29),
        ("{{ a | where_exp: 'x', 'x | nosuch' }}", 1, 29),
        ("{{ a | sample }}", 1, 8),
    ],
)
def test_a_wrong_template_is_found_with_its_place(source: str, line: int, column: int) -> None:
    problems = expressions.check(source)

    assert [(problem.line, problem.column) for problem in problems][:1] == [(line, column)]
    assert problems[0].code == "template_syntax"
    with pytest.raises(TemplateSyntaxError) as caught:
        expressions.resolve(source, {"a": 1})
    assert (caught.value.line, caught.value.column) == (line, column)


def test_all_problems_are_found_in_one_pass() -> None:
    source = "{{ a | nosuch }}\n{{ b c }}\n{% bad %}\n{{ d | times }}{{ e | other | more }}"

    places = [(problem.line, problem.column) for problem in expressions.check(source)]

    assert places == [(1, 8), (2, 6), (3, 4), (4, 8), (4, 23), (4, 31)]


@pytest.mark.parametrize("source", ["", "plain", "{ } %} }}", "{{ a }}", "{% if a %}{{ b | upcase }}{% endif %}"])
def test_a_right_template_has_no_problems(source: str) -> None:
    assert expressions.check(source) == []


# --- references


def _read(source: str) -> list[tuple[tuple[str | int, ...], int, int, bool]]:
    return [(found.path, found.line, found.column, found.guarded) for found in expressions.references(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", []),
        ("{{ steps.parse.output.text }}", [(("steps", "parse", "output", "text"), 1, 4, False)]),
        ("{{ input.doc }}\n and {{ input['a b'][0] }}",
         [(("input", "doc"), 1, 4, False), (("input", "a b", 0), 2, 9, False)]),
        ("{{ a.b | default: c.d }}", [(("a", "b"), 1, 4, True), (("c", "d"), 1, 19, False)]),
        ("{{ a | upcase | default: 1 }}", [(("a",), 1, 4, False)]),
        ("{{ a == nil or b == c }}", [(("a",), 1, 4, True), (("b",), 1, 16, False), (("c",), 1, 21, False)]),
        ("{{ a[b.c].d }}", [(("a",), 1, 4, False), (("b", "c"), 1, 6, False)]),
        ("{{ a | append: b | join: c }}", [(("a",), 1, 4, False), (("b",), 1, 16, False), (("c",), 1, 26, False)]),
        ("{% if a %}{{ b }}{% elsif c %}{% endif %}",
         [(("a",), 1, 7, True), (("b",), 1, 14, False), (("c",), 1, 27, True)]),
        ("{% for i in a limit: n %}{{ i.x }}{{ forloop.index }}{% endfor %}{{ i }}",
         [(("a",), 1, 13, False), (("n",), 1, 22, False), (("i",), 1, 69, False)]),
        ("{{ x }}{% assign x = y %}{{ x }}", [(("x",), 1, 4, False), (("y",), 1, 22, False)]),
        ("{% capture x %}{{ y }}{% endcapture %}{{ x }}", [(("y",), 1, 19, False)]),
        ("{% case a %}{% when b %}{{ c }}{% endcase %}",
         [(("a",), 1, 9, False), (("b",), 1, 21, False), (("c",), 1, 28, False)]),
        ("{{ a | where_exp: 'i', 'i.x > b' }}", [(("a",), 1, 4, False), (("b",), 1, 31, True)]),
        ("{{ (1..n) }}{% raw %}{{ a }}{% endraw %}{% comment %}{{ b }}{% endcomment %}", [(("n",), 1, 8, False)]),
    ],
)  # fmt: skip
def test_references_are_what_a_template_reads(source: str, expected: list[Any]) -> None:
    assert _read(source) == expected


def test_references_are_values_and_a_broken_template_has_none() -> None:
    assert expressions.references("{{ a }}") == (Reference(("a",), 1, 4, guarded=False),)
    with pytest.raises(TemplateSyntaxError):
        expressions.references("{{ a")


# --- limits

BIG = "x" * 900_000
DATA: dict[str, Any] = {"big": BIG, "list": list(range(50_000)), "records": [{"a": "b" * 100}] * 3_000}
DATA["html"] = "<script" * 100_000
for _ in range(200):
    DATA["deep"] = [DATA.get("deep")]

BOMBS = {
    "a range": "{% for i in (1..1000000000) %}x{% endfor %}",
    "a range backwards": "{% for i in (1..1000000000) reversed %}x{% endfor %}",
    "a search in a range": "{{ (1..1000000000) contains 'a' }}",
    "a range as a list": "{{ (1..1000000000) | join }}",
    "loops within loops": "{% for i in (1..200) %}{% for j in (1..200) %}x{% endfor %}{% endfor %}",
    "loops after loops": "{% for i in (1..6000) %}{% endfor %}" * 2,
    "a loop over data": "{% for i in list %}x{% endfor %}",
    "a long body": "{% for i in (1..10000) %}" + "{% if true %}{% endif %}" * 2_500 + "{% endfor %}",
    "a body of comments": "{% for i in (1..10000) %}" + "{%comment%}{%endcomment%}" * 2_000 + "{% endfor %}",
    "doubling text": "{% assign x = 'abcdefgh' %}{% for i in (1..40) %}{% assign x = x | append: x %}{% endfor %}",
    "prepending": "{{ big | prepend: big }}",
    "lists that hold themselves": (
        "{% assign x = 'a' | split: ',' %}{% for i in (1..60) %}{% assign x = x | push: x %}{% endfor %}{{ x | json }}"
    ),
    "lists ever deeper": (
        "{% assign y = 'a' | split: ',' %}{% for i in (1..5000) %}{% assign y = y | shift | push: y %}{% endfor %}"
    ),
    "replacing": "{{ big | replace: 'x', big }}",
    "replacing nothing": "{{ big | replace: '', big }}",
    "joining": "{{ list | join: big }}",
    "adding lists": "{{ list" + " | concat: list" * 200 + " }}",
    "squaring": "{% assign x = 10 %}{% for i in (1..40) %}{% assign x = x | times: x %}{% endfor %}",
    "a huge number": "{{ " + "9" * 3_900 + " }}{{ " + "9" * 3_900 + " | plus: 1 }}",
    "capturing": "{% for i in (1..10000) %}{% capture x %}{{ big }}{% endcapture %}{% endfor %}",
    "many locals": "{% for i in (1..300) %}" + "".join(f"{{% assign a{n}=i %}}" for n in range(2_000)) + "{% endfor %}",
    "locals": "{% assign x = big %}{% assign y = big %}",
    "output": "{{ big }}{{ big }}",
    "comparing": "{% for i in (1..10000) %}{% if records == records %}{% endif %}{% endfor %}",
    "searching": "{% for i in (1..10000) %}{% if big contains 'y' %}{% endif %}{% endfor %}",
    "sorting": "{{ list" + " | sort" * 500 + " }}",
    "searching for each": "{{ list | where_exp: 'i', 'list contains i' }}",
    "deep data as text": "a{{ deep }}",
    "deep data as JSON": "{{ deep | json }}",
    "groups": "{{ " + "(" * 1_500 + "1" + ")" * 1_500 + " }}",
    "groups never closed": "{{ " + "(" * 60_000 + " }}",
    "and": "{{ " + " and ".join(["a"] * 500) + " }}",
    "not": "{{ " + "not " * 900 + "a }}",
    "equals": "{{ " + "==".join(["a"] * 900) + " }}",
    "brackets": "{{ a" + "[a" * 1_000 + "]" * 1_000 + " }}",
    "blocks": "{% if true %}" * 2_000 + "{% endif %}" * 2_000,
    "a long template": "x" * 64_000 + "{{ a }}",
    "a long expression": "{{ '" + "x" * 5_000 + "' }}",
}  # fmt: skip


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_defused(source: str) -> None:
    with pytest.raises(TemplateLimitError) as caught:
        expressions.resolve([source], DATA)

    assert caught.value.code == "template_limit"
    assert caught.value.path in {"[0]", ""}


@pytest.mark.parametrize("opening", ["{% a", "{% ", "{{", "{{ a", "{{-", "{% raw %}", "{% comment %}", "{% if a %}"])
@pytest.mark.parametrize("filling", [" ", "a", "{{", "{% ", "{% raw %}", "'", "("])
def test_an_unclosed_template_of_any_length_is_refused(opening: str, filling: str) -> None:
    source = opening + filling * (60_000 // len(filling))

    assert expressions.check(source)


def test_large_data_is_handed_through() -> None:
    data = {"big": BIG * 3, "deep": DATA["deep"], "html": DATA["html"]}

    assert expressions.resolve("{{ big }}", data) is data["big"]
    assert expressions.resolve("{{ deep }}", data) is data["deep"]
    assert expressions.resolve("{{ big | upcase | size }}", data) == 2_700_000
    assert expressions.resolve("{{ html | strip_html }}", data) == data["html"]


def test_a_value_nested_too_deeply_is_refused() -> None:
    value: Any = "{{ index }}"
    for _ in range(5_000):
        value = [value]

    with pytest.raises(TemplateLimitError):
        expressions.resolve(value, SCOPE)


# --- properties

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
markup = st.lists(
    st.sampled_from([
        "{{", "}}", "{%", "%}", "-", " ", "a", "a.b", "[0]", "['x']", "[", "]", "(", ")", "..", "1", "-2.5",
        "'", "\"q\"", "|", "upcase", "join:", "default:", "where_exp:", "'i','i'", ",", "==", "<", "=", "and",
        "not", "contains", "if", "endif", "else", "for i in", "endfor", "case", "when", "endcase", "assign x",
        "capture y", "endcapture", "raw", "endraw", "comment", "endcomment", "#", "cycle", "increment n",
        "break", "echo", "\n", "nil", "empty", "true", "é", "\\",
    ]),
    max_size=25,
).map("".join)  # fmt: skip


@given(json_values)
def test_data_without_markup_stays_as_it_is(value: Any) -> None:
    if "{{" in json.dumps(value) or "{%" in json.dumps(value):
        return

    assert expressions.resolve(value, SCOPE) == value


@given(json_values)
def test_one_expression_returns_the_very_value(value: Any) -> None:
    assert expressions.resolve("{{ steps.x.output.y }}", {"steps": {"x": {"output": {"y": value}}}}) is value


@given(json_values)
def test_the_json_filter_can_be_read_back(value: Any) -> None:
    assert json.loads(str(expressions.resolve("{{ v | json }}", {"v": value}))) == value


@given(markup)
def test_any_text_is_either_right_or_has_problems(source: str) -> None:
    problems = expressions.check(source)

    if problems:
        with pytest.raises((TemplateSyntaxError, TemplateLimitError)):
            expressions.resolve(source, {})
        return
    try:
        found = expressions.resolve(source, {"a": {"b": [1, "x"]}, "i": 1})
    except TemplateError:
        return
    json.dumps(found)
    expressions.references(source)


@given(st.sampled_from(EXPRESSIONS))
def test_the_same_template_gives_the_same_answer(case: tuple[str, Any]) -> None:
    source = f"{{{{ {case[0]} }}}}"

    assert expressions.resolve(source, SCOPE) == expressions.resolve(source, SCOPE)
