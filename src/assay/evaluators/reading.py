"""What a stored text means to this assay."""

from functools import lru_cache

from assay.evaluators.errors import InvalidEvaluatorsError, StoredEvaluatorsError
from assay.evaluators.model import EvaluatorSet, StoredSet
from assay.evaluators.parsing import parse

_parsed = lru_cache(maxsize=32)(parse)


def set_of(stored: StoredSet) -> EvaluatorSet:
    """Return the evaluators of a stored text. Cheap the second time; the first may take some milliseconds.

    Raises:
        StoredEvaluatorsError: it was valid when it was stored, and is not any more.
    """
    try:
        return _parsed(stored.source)
    except InvalidEvaluatorsError as error:
        raise StoredEvaluatorsError(issues=error.issues) from error
