"""One suite, three brokers: `--kafka=embedded` (default), `container` or `HOST:PORT`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.support import brokers
from tests.support.compiled import outdated
from tests.support.environment import forget_settings, start_java_quickly
from tests.support.processes import Processes
from tests.support.topics import fresh_prefix, make_topics, remove_topics
from tests.support.worker import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.embedded.broker import EmbeddedBroker


# Files go to pytest's workers in this order. What waits for brokers and processes comes before what
# computes, so that neither holds the other up; and in a folder what takes more than some fifteen
# seconds first, for a long file that begins last leaves the other workers without work.
FOLDERS = ("crash", "integration", "contract", "property", "simulation", "unit")
LONGEST_FIRST = (
    "test_network",
    "test_cluster",
    "test_broker_restart",
    "test_worker_group",
    "test_invocation_kill",
    "test_full_disk",
    "test_worker_rocksdb",
    "test_worker_takeover",
    "test_deliver",
    "test_described_calls",
    "test_symptoms_restart",
    "test_verify_properties",
    "test_fold_properties",
    "test_drawn_schedules",
    "test_near_schedules",
    "test_mutants",
)

# No example is too slow, and none is slower than another: that is the machine's affair.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kafka",
        default="embedded",
        metavar="embedded|container|HOST:PORT",
        help="the broker to test on (default: embedded)",
    )


def pytest_configure(config: pytest.Config) -> None:
    forget_settings()
    start_java_quickly()
    for source in outdated(config.rootpath):
        pytest.exit(f"{source} is newer than its compiled module: run `make setup`", 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Stable: a file stays together, and in its order.
    items.sort(key=_rank)
    for item in items:
        asks = "kafka" in getattr(item, "fixturenames", ())
        if asks and item.get_closest_marker("embedded_will_do") is None:
            item.add_marker("any_broker")


def _rank(item: pytest.Item) -> tuple[int, int]:
    return _place(FOLDERS, item.path.parent.name), _place(LONGEST_FIRST, item.path.stem)


def _place(order: tuple[str, ...], name: str) -> int:
    return order.index(name) if name in order else len(order)


@pytest.fixture(scope="session")
def kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[brokers.Broker]:
    """The broker of the whole run, named by `--kafka`."""
    where = request.config.getoption("--kafka")
    if where == "embedded":
        chosen = brokers.embedded(tmp_path_factory.mktemp("kafka"))
    elif where == "container":
        chosen = brokers.container()
    else:
        chosen = brokers.remote(where)
    with chosen as broker:
        yield broker


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """An embedded broker of this test alone, to stop, kill and start again."""
    with brokers.embedded(tmp_path / "broker") as own:
        assert own.broker is not None
        yield own.broker


@pytest.fixture
def cluster_prefix(kafka: brokers.Broker) -> Iterator[str]:
    """A topic prefix of this test alone; its topics are gone afterwards."""
    prefix = fresh_prefix()
    yield prefix
    remove_topics(kafka.bootstrap_servers, prefix)


@pytest.fixture
def topics(kafka: brokers.Broker, cluster_prefix: str) -> str:
    """The prefix of all our topics, created with four partitions by the product's own code."""
    make_topics(kafka.bootstrap_servers, cluster_prefix)
    return cluster_prefix


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts `mailing-trigger` commands; none of them outlives the test."""
    started = Processes(tmp_path)
    yield started
    started.end_all()


@pytest.fixture
def cluster(kafka: brokers.Broker, topics: str, processes: Processes, tmp_path: Path) -> Cluster:
    """Topics, a worker group and clients of this test alone; no worker runs yet."""
    return Cluster(kafka.bootstrap_servers, topics, tmp_path, processes)


@pytest.fixture
def own_cluster(own_broker: EmbeddedBroker, processes: Processes, tmp_path: Path) -> Cluster:
    """A cluster whose broker may be stopped and killed."""
    prefix = fresh_prefix()
    make_topics(own_broker.bootstrap_servers, prefix)
    return Cluster(own_broker.bootstrap_servers, prefix, tmp_path, processes)
