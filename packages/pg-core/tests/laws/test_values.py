"""Law: every op equals its reference, in value, shape and dtype, for every dtype that it takes."""

from __future__ import annotations

import pytest
from law_tools import arguments, assert_close, expected_dtype, flat, reference, to_tensor
from op_samples import ROWS
from rows import Row, Sample

CASES = []
for number, row in enumerate(ROWS):
    for i, sample in enumerate(row.samples):
        for j, dtype in enumerate(row.dtypes):
            # The first sample of each dtype and each sample of the first dtype always run.
            marks = [pytest.mark.exhaustive] if i and j else []
            CASES.append(pytest.param(row, sample, dtype, id=f"{row.name}-{number}.{i}-{dtype}", marks=marks))


@pytest.mark.parametrize(("row", "sample", "dtype"), CASES)
def test_equals_reference(row: Row, sample: Sample, dtype: str) -> None:
    args = arguments(row, sample, dtype)
    got = flat(row.function(*[to_tensor(x, dtype) for x in args], **sample.kwargs))
    want = reference(row, args, sample.kwargs, dtype)
    assert len(got) == len(want)
    for g, w in zip(got, want):
        assert_close(g, w, dtype, row.tolerance, row.name)
        expected = expected_dtype(row, dtype)
        assert expected is None or g.dtype == expected
