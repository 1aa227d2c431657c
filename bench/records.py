"""The records of a benchmark: signed runs of one size, produced in bulk or at a steady rate."""
import time

from confluent_kafka import Producer
from harness import compact, encrypted, sign

RECORD_BYTES = 1536
STAMP = "1768317616"


class Template:
    """A run event as text with two places left open: the run's id and the time it was sent."""

    def __init__(self, kind, url, size=RECORD_BYTES):
        self.text = self._event(kind, url, "")
        self.text = self._event(kind, url, "x" * (size - len(self.record(0)))).replace('"@SENT@"', "@SENT@")

    @staticmethod
    def _event(kind, url, notes):
        context = {"entity": "service_checkout", "blueprint": "service"}
        if kind in ("async", "sync"):
            context["runId"] = "@RUN@"
        method = {"type": "WEBHOOK", "agent": True, "synchronized": kind == "sync", "method": "POST", "url": url}
        properties = {"region": "eu-west-1", "cpu": 4, "ratio": 0.25, "title": "Zoë 東京 🚀", "sent_ns": "@SENT@",
                      "tags": ["team:payments", "tier:1", "cost-centre:4711"], "approved": True, "notes": notes}
        if kind == "mapped":  # what the mapping of docs/mapping.md asks for
            properties = {**properties, "job": "deploy checkout", "branch": "main", "labels": ["tier:1", "nightly"], "password": encrypted("correct horse")}
        return compact({
            "action": "deploy_service" if kind == "mapped" else "scale_service", "resourceType": "run", "status": "TRIGGERED",
            "trigger": {"by": {"orgId": "org_bench", "userId": "auth0|0123456789abcdef", "user": {"email": "a@example.com"}},
                        "origin": "UI", "at": "2026-01-13T15:20:16.641Z"},
            "context": context,
            "payload": {"entity": {"identifier": "service_checkout", "title": "Checkout", "icon": None},
                        "action": {"invocationMethod": method, "trigger": "DAY-2"},
                        "properties": properties, "censoredProperties": []},
            "headers": {}})

    def record(self, number, sent_ns=0):
        """Signed as Port signs: the payload without the two members, which are then put into `headers`."""
        payload = self.text.replace("@RUN@", f"r_{number:016x}").replace("@SENT@", str(sent_ns))
        headers = f'"X-Port-Timestamp":"{STAMP}","X-Port-Signature":"{sign(payload, STAMP)}"'
        return f"{payload[:-2]}{headers}}}}}".encode()


class Records:
    def __init__(self, broker, url):
        self.broker, self.url = broker, url
        self.failures = []

    def _producer(self, **options):
        return Producer({"bootstrap.servers": self.broker.bootstrap, "queue.buffering.max.messages": 50000, **options})

    def _delivered(self, error, _):
        if error:
            self.failures.append(error)

    def _finish(self, producer):
        left = producer.flush(60)
        assert left == 0 and not self.failures, f"{left} records not produced; {self.failures[:3]}"

    def fill(self, topic, kind, count):
        template = Template(kind, self.url)
        self.fill_with(topic, count, lambda _: template)

    def fill_with(self, topic, count, template_of):
        """As many records, each from the template that `template_of` gives for its number."""
        self.broker.create(topic)
        self.fill_created(topic, count, template_of)

    def fill_created(self, topic, count, template_of, partitions=None):
        """`partitions`: they have as many records each."""
        producer = self._producer(**{"linger.ms": 20})
        for number in range(count):
            while True:
                try:
                    where = {"partition": number % partitions} if partitions else {}
                    producer.produce(topic, value=template_of(number).record(number), on_delivery=self._delivered, **where)
                    break
                except BufferError:
                    producer.poll(0.1)
        self._finish(producer)

    def trickle(self, topic, count, per_second, template_of=None):
        """Each record carries the time at which it was handed to the producer, which sends it at once."""
        default, producer = Template("none", self.url), self._producer(**{"linger.ms": 0, "socket.nagle.disable": True})
        producer.list_topics(topic, timeout=10)
        begin = time.monotonic()
        for number in range(count):
            pause = begin + number / per_second - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            template = template_of(number) if template_of else default
            producer.produce(topic, value=template.record(number, time.time_ns()), on_delivery=self._delivered)
            producer.poll(0)
        self._finish(producer)

    def single(self, topic, template=None):
        producer = self._producer()
        producer.produce(topic, value=(template or Template("none", self.url)).record(0), on_delivery=self._delivered)
        self._finish(producer)
