"""Whether a failed request is worth another try, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.politeness.retry import IDEMPOTENT, REFUSALS, RETRYABLE_STATUSES, Retry, may_repeat

CHANCES = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("attempts", "chance", "wait"),
    [(1, 0.0, 0.5), (1, 0.5, 1.0), (2, 0.5, 2.0), (3, 0.5, 4.0), (6, 0.5, 32.0), (7, 0.5, 40.0), (9, 0.0, 20.0)],
)
def test_the_wait_doubles_and_is_spread(attempts: int, chance: float, wait: float) -> None:
    assert Retry(retries=9).wait(attempts, chance) == wait


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (2, 3), (2, 99)])
def test_after_the_last_try_there_is_none(retries: int, attempts: int) -> None:
    assert Retry(retries=retries).wait(attempts, 0.5) is None


@given(st.integers(1, 100), CHANCES, st.floats(0, 1e9), st.floats(0, 1e9))
def test_no_wait_is_longer_than_the_longest(attempts: int, chance: float, backoff: float, longest: float) -> None:
    wait = Retry(100, backoff, longest).wait(attempts, chance)
    assert wait is not None
    assert 0 <= wait <= longest * (1 + 1e-9)


@given(st.integers(1, 99), CHANCES)
def test_a_later_try_never_waits_less(attempts: int, chance: float) -> None:
    retry = Retry(retries=100)
    assert retry.wait(attempts, chance) <= retry.wait(attempts + 1, chance)


def test_zero_backoff_waits_not_at_all() -> None:
    assert Retry(retry_backoff=0.0).wait(2, 0.9) == 0.0


@pytest.mark.parametrize(
    ("method", "reason", "status", "allowed"),
    [
        *((method, "timeout", None, True) for method in sorted(IDEMPOTENT)),
        *((method, "http_500", 500, True) for method in sorted(IDEMPOTENT)),
        *((method, reason, None, True) for method in ("POST", "PATCH") for reason in ("dns", "connect")),
        *(("POST", f"http_{status}", status, True) for status in sorted(REFUSALS)),
        *(("POST", reason, None, False) for reason in ("timeout", "disconnected", "malformed_response")),
        *(("POST", f"http_{status}", status, False) for status in sorted(RETRYABLE_STATUSES - REFUSALS)),
    ],
)
def test_what_may_have_had_an_effect_is_not_repeated(
    method: str, reason: str, status: int | None, allowed: bool
) -> None:
    assert may_repeat(method, reason, status) == allowed


def test_a_refusal_may_pass() -> None:
    assert REFUSALS <= RETRYABLE_STATUSES


def test_no_success_redirect_or_plain_client_error_is_asked_again() -> None:
    assert not RETRYABLE_STATUSES & {*range(100, 408), *range(409, 425), *range(426, 429), 501, 505}
