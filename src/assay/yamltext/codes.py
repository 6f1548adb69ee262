"""What can be wrong with any file that people write in YAML."""

from enum import StrEnum


class YamlCode(StrEnum):
    """What an issue is about. Stable: tools and people match on them."""

    YAML_SYNTAX = "yaml_syntax"
    YAML_TAG = "yaml_tag"
    YAML_LIMIT = "yaml_limit"
    DUPLICATE_KEY = "duplicate_key"
    UNKNOWN_KEY = "unknown_key"
    MISSING_KEY = "missing_key"
    INVALID_VALUE = "invalid_value"
