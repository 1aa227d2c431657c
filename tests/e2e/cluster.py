"""Three real Apache Kafka brokers, each a controller as well, on free loopback ports: what is written is on two of them at least."""
import pathlib
import signal
import subprocess
import tempfile
import time
import uuid

from broker import VERSION, free_port, java
from confluent_kafka import ElectionType
from confluent_kafka.admin import AdminClient, NewTopic

NODES = 3


class Node:
    def __init__(self, number, directory):
        self.number, self.directory = number, directory / str(number)
        self.directory.mkdir()
        self.port, self.controller_port, self.process = free_port(), free_port(), None

    def configure(self, voters, version):
        self.version, self.config = version, self.directory / "server.properties"
        self.config.write_text(f"""
process.roles=broker,controller
node.id={self.number}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={self.directory}/data
offsets.topic.num.partitions=4
offsets.topic.replication.factor={NODES}
min.insync.replicas=2
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
auto.leader.rebalance.enable=false
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
""")

    def format(self, cluster):
        subprocess.run(java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self.config), version=self.version), check=True, capture_output=True)

    def start(self):
        self.log = open(self.directory / "broker.log", "ab")
        self.process = subprocess.Popen(java("kafka.Kafka", str(self.config), version=self.version), stdout=self.log, stderr=self.log)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def terminate(self):
        """Its leaders move to other brokers first."""
        self.process.terminate()
        self.process.wait(60)


class Cluster:
    def __init__(self, version=VERSION):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kafka-cluster-"))
        self.nodes = [Node(number + 1, self.directory) for number in range(NODES)]
        self.bootstrap = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        voters, name = ",".join(f"{node.number}@127.0.0.1:{node.controller_port}" for node in self.nodes), str(uuid.uuid4())
        for node in self.nodes:
            node.configure(voters, version)
            node.format(name)

    def start(self):
        for node in self.nodes:
            node.start()
        self.wait(lambda metadata: len(metadata.brokers) == NODES, 120)
        return self

    def admin(self):
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def wait(self, predicate, timeout=120):
        """Until it holds of what the cluster says of itself, as one of its brokers sees it."""
        admin, deadline = self.admin(), time.monotonic() + timeout
        while True:
            try:
                if predicate(admin.list_topics(timeout=2)):
                    return
            except Exception as error:
                last = error
            else:
                last = "not so yet"
            assert time.monotonic() < deadline, f"{last}; {[(node.directory / 'broker.log').read_text()[-500:] for node in self.nodes]}"
            time.sleep(0.2)

    def create(self, *topics, partitions=1):
        admin = self.admin()
        for future in admin.create_topics([NewTopic(topic, partitions, NODES) for topic in topics]).values():
            future.result(60)
        self.wait_in_sync(*topics)

    def wait_in_sync(self, *topics, timeout=120):
        """Until every partition has a leader and all of its replicas are in sync."""
        def is_in_sync(metadata):
            partitions = [p for topic in topics for p in metadata.topics[topic].partitions.values()]
            return len(metadata.brokers) == NODES and all(p.leader > 0 and len(p.isrs) == NODES for p in partitions)

        self.wait(is_in_sync, timeout)

    def leaders(self, topic):
        metadata = self.admin().list_topics(topic, timeout=10)
        return [partition.leader for _, partition in sorted(metadata.topics[topic].partitions.items())]

    def elect_preferred(self):
        """Every partition's leader is its first replica again."""
        admin = self.admin()  # kept while its future is waited for
        admin.elect_leaders(ElectionType.PREFERRED, None).result(60)

    def node(self, number):
        return self.nodes[number - 1]

    def stop(self):
        for node in self.nodes:
            node.kill()
        subprocess.run(["rm", "-rf", str(self.directory)])
