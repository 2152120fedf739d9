"""A gauge whose samples are all replaced at once."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class ReplacedGauge(Collector):
    """Labels that are not named again are gone; who reads meanwhile sees one state or the other."""

    def __init__(self, name: str, help_text: str, labels: Sequence[str]) -> None:
        self._name, self._help, self._labels = name, help_text, tuple(labels)
        self._samples: Mapping[tuple[str, ...], float] = {}

    def replace(self, samples: Mapping[tuple[str, ...], float]) -> None:
        """These are all there are, by the values of the labels. From any thread."""
        self._samples = dict(samples)

    def collect(self) -> Iterator[Metric]:
        """What Prometheus asks for."""
        family = GaugeMetricFamily(self._name, self._help, labels=self._labels)
        for values, amount in self._samples.items():
            family.add_metric(list(values), amount)
        yield family
