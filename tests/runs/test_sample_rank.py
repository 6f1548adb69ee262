"""Which runs a sample holds."""

import hashlib
import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from assay import ids, runs

IDS = st.text(min_size=1, max_size=30)


@given(IDS, IDS)
def test_the_rank_is_the_first_53_bits_of_the_hash(organization_id: str, run_id: str) -> None:
    bits = "".join(f"{byte:08b}" for byte in hashlib.sha256(f"{organization_id}:{run_id}".encode()).digest())
    expected = sum(int(bit) * 2.0 ** -(place + 1) for place, bit in enumerate(bits[:53]))
    assert runs.sample_rank(organization_id, run_id) == expected
    assert 0 <= expected < 1


def test_a_known_run_has_a_known_rank() -> None:
    assert runs.sample_rank("org_1", "exec_1") == 0.9670986017068858


def test_ranks_are_spread_evenly() -> None:
    buckets = [0] * 100
    for number in range(50_000):
        # Ids that differ in little, as those of one second do.
        buckets[math.floor(runs.sample_rank("org_0V5dXYZ", f"exec_0V5dXYZ{number:012d}") * 100)] += 1
    chi_square = sum((count - 500) ** 2 / 500 for count in buckets)
    # 99 degrees of freedom: between these lie all but one in a million.
    assert 50 < chi_square < 180


def test_ids_of_the_same_moment_have_unrelated_ranks() -> None:
    ranks = [runs.sample_rank("org_1", ids.new_id("exec")) for _ in range(2000)]
    above = sum(later > earlier for earlier, later in itertools.pairwise(ranks))
    assert 850 < above < 1150
