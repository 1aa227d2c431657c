import itertools
import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from broker import Broker  # noqa: E402
from certificates import Authority  # noqa: E402
from harness import ROOT, SECRET, Agent, Receiver, produce  # noqa: E402
from helm import Helm  # noqa: E402
from port_api import PortApi  # noqa: E402

numbers = itertools.count(1)

# Whoever runs the tests in the background has these ignored, and every program would inherit that.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


def pytest_configure(config):
    """`./dev test e2e` runs all tests with the image's agent in the image's root, then these with the host's build."""
    config.addinivalue_line("markers", "host: with the host's build as well, for what it tests depends on libraries")
    config.addinivalue_line("markers", "host_only(reason): with the host's build alone")
    config.addinivalue_line("markers", "kafka: about the brokers, so it runs with each version of Kafka")
    config.addinivalue_line("markers", "kafka_long: about the brokers too, with another version than the first by `./dev test --all` alone")
    config.addinivalue_line("markers", "slow(reason): by `./dev test --all` alone")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: "helm" in item.fixturenames)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that fails says what its agents said last: whoever reads it may not be able to run it again."""
    made = yield
    report = made.get_result()
    if report.failed and call.when == "call" and "make_world" in item.funcargs:
        for world in item.funcargs["make_world"].worlds:
            for agent in world.agents:
                # On the screen with this report, in the JUnit file with the last one.
                report.sections.append((f"agent of {world.org}", agent.last_words()))
                item.add_report_section("call", f"stdout: agent of {world.org}", "\n" + agent.last_words())


@pytest.fixture(scope="session", autouse=True)
def helm_build(request):
    one = Helm()
    if any("helm" in item.fixturenames for item in request.session.items):
        one.start()
    yield one
    one.close()


@pytest.fixture(scope="session")
def kafka():
    broker = Broker()
    try:
        yield broker.start()
    finally:
        broker.stop()


@pytest.fixture(scope="module")
def authority():
    one = Authority()
    yield one
    one.remove()


@pytest.fixture
def port():
    api = PortApi()
    yield api
    api.close()


@pytest.fixture
def receiver():
    one = Receiver(sys.executable, str(ROOT / "tests/receivers/receiver.py"))
    yield one
    one.close()


@pytest.fixture
def receivers():
    many = [Receiver(sys.executable, str(ROOT / "tests/receivers/receiver.py")) for _ in range(4)]
    yield many
    for one in many:
        one.close()


@pytest.fixture
def node_receiver():
    one = Receiver("node", str(ROOT / "tests/receivers/receiver.js"))
    yield one
    one.close()


class World:
    """One organisation of its own: topics, group, environment, agents."""

    def __init__(self, kafka, port, partitions):
        self.kafka, self.port = kafka, port
        # Of one of several processes: agents of the same organisation and group are found by each other's commands.
        self.org = f"org_{next(numbers)}{os.environ.get('PYTEST_XDIST_WORKER', '')}"
        self.runs, self.changes, self.group = f"{self.org}.runs", f"{self.org}.change.log", f"{self.org}-group"
        kafka.create(self.runs, self.changes, partitions=partitions)
        self.agents = []
        self.environment = {
            "PORT_ORG_ID": self.org, "PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": SECRET, "PORT_API_BASE_URL": port.url + "/",
            "USING_LOCAL_PORT_INSTANCE": "true", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": kafka.bootstrap,
            "KAFKA_CONSUMER_GROUP_ID": self.group, "KAFKA_CONSUMER_SESSION_TIMEOUT_MS": "6000", "LOG_FORMAT": "json"}

    def agent(self, **environment):
        one = Agent({**self.environment, **environment})
        self.agents.append(one)
        return one

    def produce(self, *records, topic=None, **options):
        produce(self.kafka.bootstrap, topic or self.runs, records, **options)


@pytest.fixture
def make_world(kafka, port):
    worlds = []

    def make(partitions=1):
        worlds.append(World(kafka, port, partitions))
        return worlds[-1]

    make.worlds = worlds
    yield make
    for world in worlds:
        for agent in world.agents:
            agent.kill()


@pytest.fixture
def world(make_world):
    return make_world()
