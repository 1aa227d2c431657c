"""A real Apache Kafka broker in KRaft mode on free loopback ports, from the jars in .cache/kafka/libs."""
import os
import pathlib
import random
import signal
import socket
import subprocess
import tempfile
import time
import uuid

from confluent_kafka.admin import AdminClient, NewTopic

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSION = os.environ.get("KAFKA_VERSION") or "3.9.0"
SCRAM_USER, SCRAM_PASSWORD = "agent", "scram-password-of-the-agent"


given_out = set()
# Of the tests that run side by side each process has ports of its own: one that was handed out may stay unused on purpose.
PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


def free_port():
    """A port that nobody listens at, below those which the kernel hands out: there another test's connection might
    come to have it, and a connection to it from this machine might be its own other end."""
    lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(max(2048, lowest // 2), lowest - PROCESSES) // PROCESSES * PROCESSES + PROCESS
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in given_out:
            given_out.add(port)
            return port


def libraries(version):
    """Where `./dev` puts a version's jars."""
    return ROOT / ".cache" / "kafka" / ("libs" if version == "3.9.0" else f"libs-{version}")


def java(*arguments, version=VERSION):
    return ["java", "-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{libraries(version)}/*", *arguments]


class Broker:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kafka-"))
        self.port, self.tls_port, self.controller_port = free_port(), free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.tls_bootstrap = f"127.0.0.1:{self.tls_port}"
        self.process = None
        self._certificates()
        self._configure()
        subprocess.run(
            java("kafka.tools.StorageTool", "format", "-t", str(uuid.uuid4()), "-c", str(self.config), "--add-scram",
                 f"SCRAM-SHA-512=[name={SCRAM_USER},password={SCRAM_PASSWORD}]"),
            check=True, capture_output=True)

    def _certificates(self):
        run = lambda *a: subprocess.run(a, check=True, capture_output=True, cwd=self.directory)
        self.ca = self.directory / "ca.pem"
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=test CA")
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "broker.key", "-out", "broker.csr", "-subj", "/CN=localhost")
        (self.directory / "san.cnf").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        run("openssl", "x509", "-req", "-in", "broker.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "san.cnf", "-out", "broker.pem")
        run("openssl", "pkcs12", "-export", "-in", "broker.pem", "-inkey", "broker.key", "-out", "broker.p12", "-passout", "pass:keystore")

    def _configure(self):
        self.config = self.directory / "server.properties"
        self.config.write_text(f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{self.controller_port}
listeners=PLAINTEXT://127.0.0.1:{self.port},SASL_SSL://127.0.0.1:{self.tls_port},CONTROLLER://127.0.0.1:{self.controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port},SASL_SSL://127.0.0.1:{self.tls_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.location={self.directory}/broker.p12
ssl.keystore.password=keystore
ssl.keystore.type=PKCS12
log.dirs={self.directory}/data
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
message.max.bytes=67108864
replica.fetch.max.bytes=67108864
log.cleaner.enable=false
""")

    def start(self):
        self.log = open(self.directory / "broker.log", "ab")
        self.process = subprocess.Popen(java("kafka.Kafka", str(self.config)), stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0}).list_topics(timeout=2)
                return self
            except Exception:
                assert self.process.poll() is None, (self.directory / "broker.log").read_text()[-3000:]
        raise AssertionError("the broker did not start")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self):
        self.process.terminate()
        self.process.wait(60)

    def freeze(self, seconds):
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.kill()
        subprocess.run(["rm", "-rf", str(self.directory)])

    def admin(self):
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def delete(self, *topics):
        admin = self.admin()
        for future in admin.delete_topics(list(topics)).values():
            future.result(30)

    def create(self, *topics, partitions=1):
        admin = self.admin()  # kept while its futures are waited for
        futures = admin.create_topics([NewTopic(t, partitions, 1, config={"max.message.bytes": "67108864"}) for t in topics])
        for future in futures.values():
            future.result(30)
