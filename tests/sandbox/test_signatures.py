import jsonschema_rs
import pytest

from assay.sandbox import Language, Sandbox, signature_of

STRING, NUMBER = {"type": "string"}, {"type": "number"}

TYPES = {
    "string": STRING,
    "number": NUMBER,
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "any": {},
    "unknown": {},
    "object": {"type": "object"},
    "Date": {"type": "string", "format": "date-time"},
    "'a'": {"const": "a"},
    "-1": {"const": -1},
    "'a' | 'b' | 1 | null": {"enum": ["a", "b", 1, None]},
    "string | number": {"anyOf": [STRING, NUMBER]},
    "string | null": {"anyOf": [STRING, {"type": "null"}]},
    "string[]": {"type": "array", "items": STRING},
    "(string | number)[]": {"type": "array", "items": {"anyOf": [STRING, NUMBER]}},
    "Array<number>": {"type": "array", "items": NUMBER},
    "readonly number[]": {"type": "array", "items": NUMBER},
    "ReadonlyArray<number[]>": {"type": "array", "items": {"type": "array", "items": NUMBER}},
    "[string, number]": {"type": "array", "prefixItems": [STRING, NUMBER], "minItems": 2, "maxItems": 2},
    "{}": {"type": "object"},
    "{a: string, b?: number}": {"type": "object", "properties": {"a": STRING, "b": NUMBER}, "required": ["a"]},
    "{a: string | undefined}": {"type": "object", "properties": {"a": STRING}},
    "{'a-b': string; readonly c: number}": {
        "type": "object",
        "properties": {"a-b": STRING, "c": NUMBER},
        "required": ["a-b", "c"],
    },
    "{/* what */ a: string // why\n}": {"type": "object", "properties": {"a": STRING}, "required": ["a"]},
    "{[key: string]: number}": {"type": "object", "additionalProperties": NUMBER},
    "Record<string, number>": {"type": "object", "additionalProperties": NUMBER},
    "Record<'a' | 'b', number>": {
        "type": "object",
        "properties": {"a": NUMBER, "b": NUMBER},
        "required": ["a", "b"],
    },
    "Row": {"type": "object", "properties": {"text": STRING}, "required": ["text"]},
    "Row[]": {"type": "array", "items": {"type": "object", "properties": {"text": STRING}, "required": ["text"]}},
    "Partial<Row>": {"type": "object", "properties": {"text": STRING}},
    "Row & {n: number}": {
        "allOf": [
            {"type": "object", "properties": {"text": STRING}, "required": ["text"]},
            {"type": "object", "properties": {"n": NUMBER}, "required": ["n"]},
        ]
    },
    "Wide": {
        "allOf": [
            {"type": "object", "properties": {"text": STRING}, "required": ["text"]},
            {"type": "object", "properties": {"n": NUMBER}, "required": ["n"]},
        ]
    },
}
DECLARED = "type Row = {text: string};\ninterface Wide extends Row { n: number }\ntype Tree = {below: Tree[]};\n"

UNREADABLE = (
    "void",
    "undefined",
    "never",
    "symbol",
    "bigint",
    "Promise<string>",
    "Map<string, string>",
    "Unknown",
    "Tree",
    "() => string",
    "keyof Row",
    "typeof script",
    "Row['text']",
    "{m(): void}",
    "string extends number ? 1 : 2",
    "{a: " * 30 + "string" + "}" * 30,
)

ANNOTATIONS = {
    "str": STRING,
    "int": {"type": "integer"},
    "float": NUMBER,
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "list": {"type": "array"},
    "dict": {"type": "object"},
    "Any": {},
    "list[str]": {"type": "array", "items": STRING},
    "dict[str, float]": {"type": "object", "additionalProperties": NUMBER},
    "str | None": {"anyOf": [STRING, {"type": "null"}]},
    "str | int | None": {"anyOf": [STRING, {"type": "integer"}, {"type": "null"}]},
    "Optional[str]": {"anyOf": [STRING, {"type": "null"}]},
    "typing.Union[str, int]": {"anyOf": [STRING, {"type": "integer"}]},
    "Literal['a', 1, None]": {"enum": ["a", 1, None]},
    "tuple[str, int]": {"type": "array", "prefixItems": [STRING, {"type": "integer"}], "minItems": 2, "maxItems": 2},
    "tuple[int, ...]": {"type": "array", "items": {"type": "integer"}},
    "list[dict[str, list[int]]]": {
        "type": "array",
        "items": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}},
    },
}


@pytest.mark.parametrize(("annotation", "schema"), TYPES.items(), ids=TYPES)
def test_a_typescript_type_becomes_a_schema(annotation: str, schema: dict[str, object]) -> None:
    signature = signature_of("typescript", f"{DECLARED}function script(a: Row): {annotation} {{ return a }}", "script")
    assert (signature.return_schema, signature.problems) == (schema, ())
    jsonschema_rs.meta.validate(schema)


@pytest.mark.parametrize("annotation", UNREADABLE)
def test_a_type_that_is_no_json_is_a_warning_with_its_place(annotation: str) -> None:
    source = f"{DECLARED}function script(): {annotation} {{ return 1 }}"
    signature = signature_of("typescript", source, "script")
    assert signature.return_schema is None
    (problem,) = signature.problems
    assert (problem.code, problem.severity) == ("script_return_type", "warning")
    assert problem.line is not None


@pytest.mark.parametrize(("annotation", "schema"), ANNOTATIONS.items(), ids=ANNOTATIONS)
def test_a_python_annotation_becomes_a_schema(annotation: str, schema: dict[str, object]) -> None:
    signature = signature_of("python", f"def script(a) -> {annotation}: return a", "script")
    assert (signature.return_schema, signature.problems) == (schema, ())


@pytest.mark.parametrize(
    "annotation", ["set[int]", "Decimal", "dict[int, str]", "list[str, int]", "f(1)", "1", "'str'"]
)
def test_an_annotation_that_is_no_json_is_a_warning(annotation: str) -> None:
    signature = signature_of("python", f"def script(a) -> {annotation}: return a", "script")
    assert signature.return_schema is None
    assert [(problem.code, problem.severity) for problem in signature.problems] == [("script_return_type", "warning")]


@pytest.mark.parametrize(
    ("language", "source", "parameters"),
    [
        ("javascript", "function script(a, b, $c) {}", ("a", "b", "$c")),
        ("javascript", "function script() {}", ()),
        ("javascript", "const script = (a, b = 1) => a", ("a", "b")),
        ("javascript", "const script = a => a", ("a",)),
        ("javascript", "let script = function (a) { return a }", ("a",)),
        ("javascript", "function other(x) {}\nfunction script(a /* first */, b) {}", ("a", "b")),
        ("javascript", "// function script(x) {}\nconst t = 'function script(y) {}';\nfunction script(a) {}", ("a",)),
        ("javascript", "function outer() { function script(x) {} }\nfunction script(a) {}", ("a",)),
        ("typescript", "function script(a: string, b?: number[], c: Row = {}): any {}", ("a", "b", "c")),
        ("python", "def script(a, b: int = 1): pass", ("a", "b")),
        ("python", "x = 'def script(y): pass'\ndef script(a, /, b): pass", ("a", "b")),
    ],
)
def test_parameters_are_named_in_their_order(language: Language, source: str, parameters: tuple[str, ...]) -> None:
    signature = signature_of(language, source, "script")
    assert (signature.parameters, signature.return_schema is None or language == "typescript") == (parameters, True)
    assert signature.problems == ()


@pytest.mark.parametrize(
    ("language", "source", "code", "line"),
    [
        ("javascript", "function script() {\n  let a = ;\n}", "script_syntax", 2),
        ("javascript", "function script() {", "script_syntax", 1),
        ("javascript", "\n\nfunction script(a: string) {}", "script_syntax", 3),
        ("javascript", "type A = string; function script() {}", "script_syntax", 1),
        ("javascript", "function other() {}", "script_function_missing", None),
        ("javascript", "const script = 1", "script_function_missing", None),
        ("javascript", "", "script_function_missing", None),
        ("javascript", "\nasync function script() {}", "script_asynchronous", 2),
        ("javascript", "function* script() {}", "script_asynchronous", 1),
        ("javascript", "const script = async () => 1", "script_asynchronous", 1),
        ("javascript", "function script({a}) {}", "script_parameters", 1),
        ("javascript", "function script(a,\n ...rest) {}", "script_parameters", 2),
        ("javascript", "function script(a, a) {}", "script_parameters", 1),
        ("javascript", "x" * 300_000, "script_syntax", None),
        ("python", "def script():\n  a = = 1", "script_syntax", 2),
        ("python", "def script(\n", "script_syntax", 1),
        ("python", "(" * 100_000, "script_syntax", 1),
        ("python", "def other(): pass", "script_function_missing", None),
        ("python", "class A:\n  def script(self): pass", "script_function_missing", None),
        ("python", "\nasync def script(): pass", "script_asynchronous", 2),
        ("python", "def script(*a): pass", "script_parameters", 1),
        ("python", "def script(a, *, b): pass", "script_parameters", 1),
    ],
)
def test_problems_have_a_code_and_a_line(language: Language, source: str, code: str, line: int | None) -> None:
    signature = signature_of(language, source, "script")
    problem = signature.problems[0]
    assert (problem.code, problem.severity, problem.line) == (code, "error", line)


@pytest.mark.parametrize("language", ["javascript", "typescript", "python"])
@pytest.mark.parametrize(
    "source",
    [
        "(" * 150_000,
        "[" * 150_000,
        "{" * 150_000,
        "-" * 150_000 + "1",
        "a." * 70_000 + "a",
        "`${" * 50_000,
        "\ud800",
        "\0",
    ],
    ids=["parentheses", "brackets", "braces", "signs", "members", "templates", "surrogate", "nul"],
)
def test_hostile_sources_are_read_or_refused(language: Language, source: str) -> None:
    assert signature_of(language, source, "script").problems != ()


def test_reading_runs_nothing() -> None:
    signature = signature_of("python", "while True: pass\ndef script(a): pass", "script")
    assert signature.parameters == ("a",)


async def test_what_a_script_returns_fits_its_schema(sandbox: Sandbox) -> None:
    source = "type R = {a: number, b?: string, c: ('x' | 'y')[]};\nfunction script(): R { return {a: 1, c: ['x']} }"
    schema = signature_of("typescript", source, "script").return_schema
    result = await sandbox.run(language="typescript", source=source, function="script", arguments={})
    assert schema is not None
    jsonschema_rs.validate(dict(schema), result)


def test_types_that_multiply_when_they_are_written_out_are_not_read() -> None:
    types = "".join(f"type T{n} = {{ a: T{n + 1}; b: T{n + 1}; c: T{n + 1}; d: T{n + 1} }};\n" for n in range(9))
    source = f"{types}type T9 = string;\nfunction script(): T0 {{ return 1 }}"
    signature = signature_of("typescript", source, "script")
    assert signature.return_schema is None
    assert [issue.code for issue in signature.problems] == ["script_return_type"]
