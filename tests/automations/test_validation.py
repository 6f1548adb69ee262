"""A workflow file is checked in one pass, and every issue says what, where and what to do."""

import json
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import automations, steps
from assay.automations import parse_workflow

HEAD = "name: flow\nversion: 1.0.0\n"
STEP = "steps: [{name: s, type: transform.set, with: {fields: {a: 1}}}]\n"


def found(text: str) -> list[tuple[str, str, int | None]]:
    parsed = parse_workflow(text)
    assert (parsed.definition is None) == any(issue.severity == "error" for issue in parsed.issues)
    return [(issue.code, issue.field, issue.line) for issue in parsed.issues]


def definition_of(text: str) -> automations.WorkflowDefinition:
    parsed = parse_workflow(text)
    assert parsed.definition is not None, parsed.issues
    return parsed.definition


BROKEN = {
    "nothing": ("", "yaml_syntax", "<root>", 1),
    "a list": ("- a\n", "invalid_value", "<root>", 1),
    "no steps": (HEAD, "missing_key", "steps", 1),
    "empty steps": (HEAD + "steps: []\n", "invalid_value", "steps", 3),
    "steps no list": (HEAD + "steps: {}\n", "invalid_value", "steps", 3),
    "step no mapping": (HEAD + "steps: [a]\n", "invalid_value", "steps.0", 3),
    "no name": ("version: 1.0.0\n" + STEP, "missing_key", "name", 1),
    "bad name": ("name: My Flow\n" + STEP, "invalid_name", "name", 1),
    "name like an id": ("name: wf_0123456789abcdefghijk\n" + STEP, "invalid_name", "name", 1),
    "name a number": ("name: 5\n" + STEP, "invalid_value", "name", 1),
    "bad version": ("name: a\nversion: v1.0\n" + STEP, "invalid_version", "version", 2),
    "version a number": ("name: a\nversion: 1.0\n" + STEP, "invalid_value", "version", 2),
    "leading zero": ("name: a\nversion: 1.02.0\n" + STEP, "invalid_version", "version", 2),
    "unknown key": (HEAD + STEP + "outputs: {}\n", "unknown_key", "outputs", 4),
    "duplicate key": (HEAD + STEP + "name: other\n", "duplicate_key", "name", 4),
    "kind": (HEAD + STEP + "kind: block\n", "invalid_value", "kind", 4),
    "enabled": (HEAD + STEP + "enabled: 'yes'\n", "invalid_value", "enabled", 4),
    "trigger": (HEAD + STEP + "triggerMethods:\n  - manual\n  - apy\n", "invalid_value", "triggerMethods.1", 6),
    "trigger key": (
        HEAD + STEP + "triggerMethods: [{type: api, enabeld: true}]\n",
        "unknown_key",
        "triggerMethods.0.enabeld",
        4,
    ),
    "trigger twice": (HEAD + STEP + "triggerMethods: [api, {type: api}]\n", "duplicate_trigger", "triggerMethods.1", 4),
    "settings": (HEAD + STEP + "settings: {timeuot: 5}\n", "unknown_key", "settings.timeuot", 4),
    "settings timeout": (HEAD + STEP + "settings: {timeout: 0}\n", "invalid_value", "settings.timeout", 4),
    "settings retry": (HEAD + STEP + "settings: {retry: inherit}\n", "invalid_value", "settings.retry", 4),
    "retry attempts": (
        HEAD + STEP + "settings: {retry: {mode: automatic, maxAttempts: 11}}\n",
        "invalid_value",
        "settings.retry.maxAttempts",
        4,
    ),
    "inputs no list": (HEAD + STEP + "inputs: {}\n", "invalid_value", "inputs", 4),
    "input without type": (HEAD + STEP + "inputs:\n  - name: a\n", "missing_key", "inputs.0.type", 5),
    "input twice": (
        HEAD + STEP + "inputs:\n  - {name: a, type: string}\n  - {name: a, type: file}\n",
        "duplicate_input_name",
        "inputs.1.name",
        6,
    ),
    "enum without values": (HEAD + STEP + "inputs: [{name: a, type: enum}]\n", "missing_key", "inputs.0.values", 4),
    "bad default": (
        HEAD + STEP + "inputs:\n  - {name: a, type: enum, values: [x], default: y}\n",
        "invalid_default",
        "inputs.0.default",
        5,
    ),
    "items of a string": (
        HEAD + STEP + "inputs: [{name: a, type: string, items: {type: file}}]\n",
        "invalid_value",
        "inputs.0.items",
        4,
    ),
    "nested type": (
        HEAD + STEP + "inputs: [{name: a, type: object, properties: {b: {}}}]\n",
        "missing_key",
        "inputs.0.properties.b.type",
        4,
    ),
    "step type": (HEAD + "steps: [{name: s, type: ai.pars}]\n", "step_type_unknown", "steps.0.type", 3),
    "step without type": (HEAD + "steps: [{name: s}]\n", "missing_key", "steps.0.type", 3),
    "step key": (
        HEAD + "steps: [{name: s, type: transform.set, wiht: 1, with: {fields: {a: 1}}}]\n",
        "unknown_key",
        "steps.0.wiht",
        3,
    ),
    "config beside": (
        HEAD + "steps: [{name: s, type: transform.set, input: {}, with: {fields: {a: 1}}}]\n",
        "unknown_key",
        "steps.0.input",
        3,
    ),
    "config key": (
        HEAD + "steps: [{name: s, type: transform.set, with: {fields: {a: 1}, inptu: {}}}]\n",
        "unknown_key",
        "steps.0.with.inptu",
        3,
    ),
    "config missing": (HEAD + "steps: [{name: s, type: transform.set}]\n", "missing_key", "steps.0.with.fields", 3),
    "with no mapping": (
        HEAD + "steps: [{name: s, type: transform.set, with: 5}]\n",
        "invalid_value",
        "steps.0.with",
        3,
    ),
    "step name": (
        HEAD + "steps: [{name: a b, type: transform.set, with: {fields: {a: 1}}}]\n",
        "invalid_name",
        "steps.0.name",
        3,
    ),
    "step timeout": (
        HEAD + "steps: [{name: s, type: transform.set, timeout: 5s, with: {fields: {a: 1}}}]\n",
        "invalid_value",
        "steps.0.timeout",
        3,
    ),
    "condition": (
        HEAD + "steps: [{name: s, type: transform.set, if: input.x, with: {fields: {a: 1}}}]\n",
        "invalid_value",
        "steps.0.if",
        3,
    ),
    "control step with": (
        HEAD + "steps: [{name: s, type: control.fail, message: m, with: {}}]\n",
        "unknown_key",
        "steps.0.with",
        3,
    ),
    "control step retry": (
        HEAD + "steps: [{name: s, type: control.fail, message: m, retry: never}]\n",
        "unknown_key",
        "steps.0.retry",
        3,
    ),
    "inner step": (
        HEAD
        + "steps:\n  - name: s\n    type: control.if\n    condition: true\n    then:\n      - {name: t, type: nope}\n",
        "step_type_unknown",
        "steps.0.then.0.type",
        8,
    ),
    "inner step no list": (
        HEAD + "steps: [{name: s, type: control.if, condition: true, then: 5}]\n",
        "invalid_value",
        "steps.0.then",
        3,
    ),
    "same name inside": (
        HEAD + "steps:\n  - name: s\n    type: control.if\n    condition: true\n    then:\n"
        "      - {name: s, type: transform.set, with: {fields: {a: 1}}}\n",
        "duplicate_step_name",
        "steps.0.then.0.name",
        8,
    ),
    "pattern": (
        HEAD + "steps: [{name: s, type: transform.regex-extract, with: {input: '{{ input }}', fields: {\n"
        "  a: {pattern: '(b'}}}}]\n",
        "pattern_invalid",
        "steps.0.with.fields.a.pattern",
        4,
    ),
    "deep config": (
        HEAD + "steps: [{name: s, type: transform.regex-extract, with: {input: x, fields: {\n"
        "  a: {pattern: '(b)', slect: last}}}}]\n",
        "unknown_key",
        "steps.0.with.fields.a.slect",
        4,
    ),
    "template": (
        HEAD + "steps: [{name: s, type: transform.set, with: {fields: {a: '{{ input.'}}}]\n",
        "template_syntax",
        "steps.0.with.fields.a",
        3,
    ),
    "filter": (HEAD + STEP + "output: {a: '{{ 1 | nope }}'}\n", "template_syntax", "output.a", 4),
    "template line": (
        HEAD + "steps:\n  - name: s\n    type: transform.set\n    with:\n      fields:\n        a: |\n          one\n"
        "          {{ input.x | nope }}\n",
        "template_syntax",
        "steps.0.with.fields.a",
        10,
    ),
    "undeclared input": (HEAD + STEP + "output: '{{ input.nope }}'\n", "unknown_reference", "output", 4),
    "missing step": (HEAD + STEP + "output: {a: '{{ steps.t.output.a }}'}\n", "unknown_reference", "output.a", 4),
    "without output": (HEAD + STEP + "output: {a: '{{ steps.s.a }}'}\n", "unknown_reference", "output.a", 4),
    "bare step": (HEAD + STEP + "output: {a: '{{ s.output.a }}'}\n", "unknown_reference", "output.a", 4),
    "own output": (
        HEAD + "steps: [{name: s, type: transform.set, with: {fields: {a: '{{ steps.s.output }}'}}}]\n",
        "unknown_reference",
        "steps.0.with.fields.a",
        3,
    ),
    "guarded step": (
        HEAD + STEP + "output: {a: '{{ steps.t.output.a | default: 1 }}'}\n",
        "unknown_reference",
        "output.a",
        4,
    ),
    "known output": (
        HEAD + "steps: [{name: s, type: control.if, condition: true, then: "
        "[{name: t, type: transform.set, with: {fields: {a: 1}}}]}]\noutput: '{{ steps.s.output.brunch }}'\n",
        "unknown_reference",
        "output",
        4,
    ),
}


@pytest.mark.parametrize(("text", "code", "path", "line"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_named_with_its_line(text: str, code: str, path: str, line: int) -> None:
    assert found(text) == [(code, path, line)]


def test_everything_is_found_in_one_pass() -> None:
    text = dedent("""\
        name: My Flow
        version: one
        triggers: [api]
        inputs:
          - {name: doc, type: file, requird: false}
        steps:
          - name: parse
            type: ai.pars
            with: {input: '{{ input.doc }}'}
          - name: parse
            type: transform.set
            with: {field: {a: '{{ steps.later.output.x }}'}}
          - name: later
            type: transform.set
            with: {fields: {a: '{{ unknown }} {{ input.other | nope }}'}}
        output: {a: '{{ steps.none.output.x }}'}
        """)
    assert found(text) == [
        ("invalid_name", "name", 1),
        ("invalid_version", "version", 2),
        ("unknown_key", "triggers", 3),
        ("unknown_key", "inputs.0.requird", 5),
        ("step_type_unknown", "steps.0.type", 8),
        ("duplicate_step_name", "steps.1.name", 10),
        ("missing_key", "steps.1.with.fields", 12),
        ("unknown_key", "steps.1.with.field", 12),
        ("unknown_reference", "steps.1.with.field.a", 12),
        ("template_syntax", "steps.2.with.fields.a", 15),
        ("unknown_reference", "output.a", 16),
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("name: Rechnung Prüfen\n" + STEP, "'rechnung-prufen'"),
        (HEAD + STEP + "inputz: []\n", "'inputs'"),
        (HEAD + "steps: [{name: s, type: ai.pars}]\n", "'ai.parse'"),
        (HEAD + "steps: [{name: s, type: transform.set, fields: {a: 1}, with: {fields: {a: 1}}}]\n", "under `with`"),
        (HEAD + STEP + "output: '{{ steps.s.a }}'\n", "steps.s.output.a"),
        (HEAD + STEP + "output: '{{ s.a }}'\n", "steps.s.output"),
        (HEAD + STEP + "inputs: [{name: doc, type: file}]\noutput: '{{ input.dok }}'\n", "'doc'"),
        (HEAD + STEP + "inputs: [{name: doc, type: file}]\noutput: '{{ doc }}'\n", "input.doc"),
        ("name: a\nversion: v1.0.0\n" + STEP, "Leave out the v"),
    ],
)
def test_a_hint_says_what_was_probably_meant(text: str, hint: str) -> None:
    assert any(hint in (issue.hint or "") for issue in parse_workflow(text).issues)


def test_a_template_error_has_line_and_column_in_the_file() -> None:
    text = HEAD + "steps:\n  - name: s\n    type: transform.set\n    with: {fields: {a: 'x {{ input.nope }}'}}\n"
    issue = parse_workflow(text).issues[0]
    assert text.splitlines()[(issue.line or 0) - 1][(issue.column or 0) - 1 :].startswith("input.nope")


def test_values_from_templates_are_not_checked_for_their_type() -> None:
    text = HEAD + dedent("""\
        inputs: [{name: n, type: integer}]
        steps:
          - name: s
            type: transform.regex-extract
            with:
              input: {text: '{{ input.n }}', pages: '{{ input.n }}'}
              fields: {a: {pattern: '(x)', max: '{{ input.n }}', select: '{{ input.n }}'}}
          - {name: f, type: control.fail, message: m, statusCode: '{{ input.n }}', condition: '{{ input.n > 1 }}'}
        """)
    assert found(text) == []


def test_values_beside_templates_are_checked() -> None:
    text = HEAD + dedent("""\
        steps:
          - name: s
            type: transform.regex-extract
            with: {input: '{{ input }}', fields: {a: {pattern: '(x)', max: '{{ input }}', select: middle}}}
        """)
    assert found(text) == [("invalid_value", "steps.0.with.fields.a.select", 6)]


def test_steps_of_a_branch_are_seen_by_later_steps_but_not_by_the_other_branch() -> None:
    text = HEAD + dedent("""\
        steps:
          - name: choose
            type: control.if
            condition: true
            then:
              - {name: a, type: transform.set, with: {fields: {x: 1}}}
              - {name: b, type: transform.set, with: {fields: {x: '{{ steps.a.output.x }}'}}}
            else:
              - {name: c, type: transform.set, with: {fields: {x: '{{ steps.a.output.x }}'}}}
          - {name: d, type: transform.set, with: {fields: {x: '{{ steps.b.output.x | default: 1 }}'}}}
        output: '{{ steps.c.output.x }}'
        """)
    assert found(text) == [("unknown_reference", "steps.0.else.0.with.fields.x", 11)]


def test_an_undeclared_input_is_only_a_warning_where_it_may_be_missing() -> None:
    text = HEAD + STEP + "output: {a: '{{ input.x | default: 1 }}'}\n"
    parsed = parse_workflow(text)
    assert [(issue.code, issue.severity) for issue in parsed.issues] == [("unknown_reference", "warning")]
    assert parsed.definition is not None


def test_names_that_a_template_makes_itself_are_no_references() -> None:
    text = HEAD + STEP + "output: '{% assign x = steps.s.output.a %}{{ x }}{% for i in input %}{{ i }}{% endfor %}'\n"
    assert found(text) == []


def test_a_definition_says_what_the_file_says() -> None:
    definition = definition_of(
        dedent("""\
        name: flow
        description: Does things.
        enabled: false
        defaultModel: small
        triggerMethods: [api, {type: manual, enabled: false}]
        inputs: [{name: n, type: integer}]
        settings: {timeout: 5000, retry: never}
        steps:
          - name: choose
            type: control.if
            if: '{{ input.n }}'
            timeout: 100
            condition: '{{ input.n > 1 }}'
            then: [{name: inner, type: transform.set, with: {fields: {x: '{{ input.n }}'}}}]
        output:
          n: '{{ input.n }}'
          text: 'n is {{ input.n }}'
          chosen: '{{ steps.choose.output.condition }}'
          both: ['{{ steps.inner.output.x | default: 0 }}', '{{ steps.choose.output.branch }}', '{{ steps }}']
        """)
    )
    assert (definition.name, definition.version, definition.description) == ("flow", "1.0.0", "Does things.")
    assert (definition.enabled, definition.default_model, definition.settings.timeout_ms) == (False, "small", 5000)
    assert definition.triggers == automations.TriggerDefaults(api=True, manual=False)
    (step,) = definition.steps
    assert (step.name, step.type_name, step.condition, step.timeout_ms) == (
        "choose",
        "control.if",
        "{{ input.n }}",
        100,
    )
    assert [inner.name for inner in step.blocks["then"].steps] == ["inner"]
    assert step.config["condition"] == "{{ input.n > 1 }}"
    assert definition.output_sources == {"n": (), "text": (), "chosen": ("choose",), "both": ("inner", "choose")}
    assert definition.output_schema == {
        "type": "object",
        "properties": {
            "n": {"type": "integer"},
            "text": {"type": "string"},
            "chosen": {"type": "boolean", "description": "What the condition came to."},
            "both": {"type": "array"},
        },
        "required": ["n", "text", "chosen", "both"],
    }
    assert json.loads(json.dumps(definition.document)) == definition.document


def test_only_manual_is_on_when_nothing_is_said() -> None:
    assert definition_of(HEAD + STEP).triggers == automations.TriggerDefaults(api=False, manual=True)
    assert definition_of(HEAD + STEP + "triggerMethods: [api]\n").triggers == automations.TriggerDefaults(True, True)


def test_an_output_that_is_one_template_is_one_field() -> None:
    definition = definition_of(HEAD + STEP + "output: '{{ steps.s.output }}'\n")
    assert definition.output_sources == {"<root>": ("s",)}
    assert definition.output_schema is None


@pytest.mark.parametrize("type_name", steps.catalogue())
def test_the_example_of_every_step_type_is_valid(type_name: str) -> None:
    assert parse_workflow(steps.catalogue()[type_name].example).issues == ()


@settings(deadline=None)
@given(st.text())
def test_no_text_makes_it_raise(text: str) -> None:
    parse_workflow(text)


KEYS = st.sampled_from(
    [
        *("name", "kind", "version", "description", "enabled", "triggerMethods", "inputs", "steps", "output"),
        *("settings", "defaultModel", "type", "if", "timeout", "retry", "with", "condition", "then", "else"),
        *("fields", "input", "pattern", "max", "values", "items", "properties", "default", "required", "message"),
        *("statusCode", "mode", "maxAttempts", "a"),
    ]
)
LEAVES = st.sampled_from(
    [
        *steps.catalogue(),
        "a",
        "1.0.0",
        "{{ input.a }}",
        "{{ steps.a.output.b }}",
        "{% if %}",
        "{{",
        "",
        "never",
        "file",
        "array",
        "enum",
        "object",
    ]
)
TREES = st.recursive(
    LEAVES | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)
STEP_TREES = st.fixed_dictionaries(
    {"name": LEAVES, "type": st.sampled_from(list(steps.catalogue()))},
    optional=dict.fromkeys(("with", "if", "timeout", "retry", "condition", "then", "else", "message"), TREES),
)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {"name": st.just("a"), "steps": st.lists(STEP_TREES | TREES, max_size=4) | TREES},
        optional=dict.fromkeys(("inputs", "output", "settings", "triggerMethods", "version", "kind"), TREES),
    )
)
def test_no_tree_makes_it_raise(tree: object) -> None:
    text = json.dumps(tree)
    parsed = parse_workflow(text)
    assert all(issue.line is not None and issue.column is not None for issue in parsed.issues)
    assert parse_workflow(text).issues == parsed.issues


def issues_by_place(text: str) -> dict[str, str]:
    return {issue.field: issue.code for issue in parse_workflow(text).issues}


def test_a_step_is_asked_for_its_problems_although_others_and_values_inside_its_own_fields_are_malformed() -> None:
    text = HEAD + dedent("""\
        inputs: [{name: n, type: integer}, {name: m, type: integer, default: x}, {name: k}]
        steps:
          - name: mixed
            type: transform.regex-extract
            with:
              input: x
              fields:
                templated: {pattern: '(?<=a)b(', max: '{{ input.n }}'}
                malformed: {pattern: '(b', max: middle}
                misspelled: {pattern: 'b', slect: last}
          - {name: broken, type: transform.regex-extract, wiht: 1, with: {input: x, fields: {a: {pattern: '(?<=a)b('}}}}
          - {name: script, type: transform.script, with: {function: 'function script(): {} { return {{ }'}}
        """)
    assert issues_by_place(text) == {
        "inputs.1.default": "invalid_default",
        "inputs.2.type": "missing_key",
        "steps.0.with.fields.templated.pattern": "pattern_invalid",
        "steps.0.with.fields.malformed.pattern": "pattern_invalid",
        "steps.0.with.fields.malformed.max": "invalid_value",
        "steps.0.with.fields.misspelled.pattern": "pattern_without_group",
        "steps.0.with.fields.misspelled.slect": "unknown_key",
        "steps.1.wiht": "unknown_key",
        "steps.1.with.fields.a.pattern": "pattern_invalid",
        "steps.2.with.function": "script_syntax",
    }


def test_a_template_for_a_whole_field_leaves_open_what_depends_on_it() -> None:
    text = HEAD + dedent("""\
        inputs: [{name: n, type: integer}, {name: all, type: object}]
        steps:
          - {name: c, type: transform.text-chunker, with: {input: x, maxChars: '{{ input.n }}', overlap: 5000}}
          - name: s
            type: transform.script
            with: {inputs: '{{ input.all }}', function: 'function script(a): { b: string } { return { b: a } }'}
        """)
    assert found(text) == []


SCRIPT = HEAD + dedent("""\
    inputs: [{name: n, type: integer}]
    steps:
      - name: sum
        type: transform.script
        with:
          inputs: {n: '{{ input.n }}'}
          function: |
            type Line = { text: string; price?: number };
            function script(n): { total: number; lines: Line[] } { return { total: n, lines: [] }; }
    """)


def test_the_annotation_of_a_script_reaches_the_schema_of_the_output() -> None:
    output = (
        "output: {total: '{{ steps.sum.output.total }}', text: '{{ steps.sum.output.lines[0].text }}', "
        "lines: '{{ steps.sum.output.lines }}', count: '{{ steps.sum.output.lines.size }}'}\n"
    )
    line = {
        "type": "object",
        "properties": {"text": {"type": "string"}, "price": {"type": "number"}},
        "required": ["text"],
    }
    schema = definition_of(SCRIPT + output).output_schema
    assert schema is not None
    assert schema["properties"] == {
        "total": {"type": "number"},
        "text": {"type": "string"},
        "lines": {"type": "array", "items": line},
        "count": {},
    }


@pytest.mark.parametrize(
    ("member", "hint"), [("totl", "'total'"), ("lines[0].prize", "'price'"), ("x", "Known are total, lines.")]
)
def test_what_a_script_does_not_promise_is_worth_a_warning_where_it_is_read(member: str, hint: str) -> None:
    parsed = parse_workflow(SCRIPT + f"output: {{a: '{{{{ steps.sum.output.{member} }}}}'}}\n")
    (issue,) = parsed.issues
    assert (issue.code, issue.severity, issue.field) == ("unknown_reference", "warning", "output.a")
    assert hint in (issue.hint or "")


EXTRACT = HEAD + dedent("""\
    inputs: [{name: doc, type: string}]
    steps:
      - name: e
        type: ai.extract
        with:
          input: '{{ input.doc }}'
          schema:
            type: object
            additionalProperties: false
            properties: {total: {type: number}, buyer: {$ref: '#/$defs/party'}}
            $defs: {party: {type: object, properties: {name: {type: string}}}}
    """)


def test_the_schema_of_an_extraction_is_what_later_steps_are_held_to() -> None:
    output = "output: {a: '{{ steps.e.output.total }}', b: '{{ steps.e.output.buyer.name }}', c: '{{ %s }}'}\n"
    assert found(EXTRACT + output % "steps.e.output._grounding.total") == []
    assert found(EXTRACT + output % "steps.e.output.totl") == [("unknown_reference", "output.c", 14)]


def test_a_part_of_a_schema_that_refers_elsewhere_is_left_open() -> None:
    output = "output: {a: '{{ steps.e.output.total }}', b: '{{ steps.e.output.buyer }}', c: '{{ steps.e.output }}'}\n"
    schema = definition_of(EXTRACT + output).output_schema
    assert schema is not None
    assert schema["properties"] == {"a": {"type": "number"}, "b": {}, "c": {}}


def test_a_hint_is_left_out_where_looking_for_it_would_take_long() -> None:
    def hint(inputs: int, name: str) -> str | None:
        declared = ", ".join(f"{{name: amount{number}, type: string}}" for number in range(inputs))
        text = HEAD + STEP + f"inputs: [{declared}]\noutput: '{{{{ input.{name} }}}}'\n"
        return parse_workflow(text).issues[0].hint

    assert "'amount1'" in (hint(10, "amont1") or "")
    assert hint(1000, "amont1") == "Declare it under inputs."
    assert hint(10, "amount1" * 20) == "Declare it under inputs."
