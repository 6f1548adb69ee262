"""Files that people write in YAML: plain JSON out of them, and every issue with its place in the text."""

from assay.yamltext.codes import YamlCode
from assay.yamltext.conformance import conforming, existing_path, value_at
from assay.yamltext.findings import Findings, did_you_mean
from assay.yamltext.reading import Document, Path, dotted, parse_yaml

__all__ = [
    "Document",
    "Findings",
    "Path",
    "YamlCode",
    "conforming",
    "did_you_mean",
    "dotted",
    "existing_path",
    "parse_yaml",
    "value_at",
]
