"""Counters and histograms that cost next to nothing per event.

``prometheus_client``'s own take a lock and about a microsecond per call, too much for something
that happens on every tick. These are plain lists and dictionaries, written by one thread, and
handed to Prometheus when it asks. They have the one method of its ``Collector`` without being
subclasses: the compiler does not know that class.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric


class HotHistogram:
    """A histogram by one label."""

    def __init__(self, name: str, help_text: str, label: str, bounds: Sequence[float]) -> None:
        self._name, self._help, self._label = name, help_text, label
        self._bounds = tuple(bounds)
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, list[float]] = {}  # of one each: quicker to add to

    def observer(self, value_of_label: str) -> Callable[[float], None]:
        """What counts observations under a value of the label."""
        counts = self._counts.setdefault(value_of_label, [0] * (len(self._bounds) + 1))
        sums = self._sums.setdefault(value_of_label, [0.0])
        bounds = self._bounds

        def observe(amount: float) -> None:
            counts[bisect_left(bounds, amount)] += 1
            sums[0] += amount

        return observe

    def collect(self) -> Iterator[Metric]:
        """What Prometheus asks for."""
        family = HistogramMetricFamily(self._name, self._help, labels=[self._label])
        for value, counts in list(self._counts.items()):
            total = 0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip((*map(str, self._bounds), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([value], buckets, self._sums[value][0])
        yield family


class HotCounter:
    """A counter by several labels."""

    def __init__(self, name: str, help_text: str, labels: Sequence[str]) -> None:
        self._name, self._help, self._labels = name, help_text, tuple(labels)
        self._counts: dict[tuple[str, ...], int] = {}

    def add(self, values_of_labels: tuple[str, ...], amount: int = 1) -> None:
        """Count."""
        self._counts[values_of_labels] = self._counts.get(values_of_labels, 0) + amount

    def collect(self) -> Iterator[Metric]:
        """What Prometheus asks for."""
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for values, count in list(self._counts.items()):
            family.add_metric(list(values), count)
        yield family
