import math

from hypothesis import example, given
from hypothesis import strategies as st

from algo_panda.domain.decimals import two_places


@given(st.floats())
@example(math.nan)
@example(-0.0)
@example(100.0)
@example(math.nextafter(100, 0))
@example(99.995)
@example(1e-300)
def test_it_is_what_formatting_gives(value: float) -> None:
    assert two_places(value) == f"{value:.2f}"


@given(st.integers(0, 10_000), st.integers(-40, 40))
def test_so_it_is_around_the_middle_between_two_texts(hundredths: int, steps: int) -> None:
    value = (hundredths + 0.5) / 100
    for _ in range(abs(steps)):
        value = math.nextafter(value, math.copysign(math.inf, steps))

    assert two_places(value) == f"{value:.2f}"


@given(st.floats(0, 100))
def test_the_second_time_too(value: float) -> None:
    assert two_places(value) == two_places(value) == f"{value:.2f}"
