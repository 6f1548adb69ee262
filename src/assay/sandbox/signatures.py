"""What is known of a script before it runs: syntax, the function and its parameters, the shape of its result."""

from assay.errors import Issue
from assay.sandbox.model import SOURCE_CHARACTERS, Language, Signature
from assay.sandbox.python_signatures import python_signature
from assay.sandbox.typescript_signatures import typescript_signature


def signature_of(language: Language, source: str, function: str) -> Signature:
    """Read the signature of a top-level function; nothing is run and nothing raised.

    Problems have the codes `script_syntax`, `script_function_missing`, `script_asynchronous` (also
    generators), `script_parameters` (patterns, rest and keyword-only parameters, names that come
    twice) and, as warnings, `script_return_type`: an annotation that says nothing about JSON.
    """
    if len(source) > SOURCE_CHARACTERS:
        message = f"The script is longer than {SOURCE_CHARACTERS:,} characters."
        return Signature((), None, (Issue("<root>", message, "script_syntax"),))
    if language == "python":
        return python_signature(source, function)
    return typescript_signature(source, function, typed=language == "typescript")
