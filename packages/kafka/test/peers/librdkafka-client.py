"""librdkafka as a transactional producer and as a reader of committed records."""

import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

address = sys.argv[1]
base = {"bootstrap.servers": address}
admin = AdminClient(base)
for future in admin.create_topics([NewTopic("in", 1, 1), NewTopic("out", 2, 1)]).values():
    future.result(10)


def transactional(name):
    producer = Producer({**base, "transactional.id": name, "transaction.timeout.ms": 30000})
    producer.init_transactions(20)
    return producer


def reader(group, level):
    return Consumer(
        {
            **base,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "isolation.level": level,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )


def read_all(level):
    consumer = reader(f"all-{level}", level)
    consumer.assign([TopicPartition("out", partition, 0) for partition in (0, 1)])
    values, ends = [], set()
    while len(ends) < 2:
        message = consumer.poll(10)
        assert message is not None, "nothing came"
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            ends.add(message.partition())
        else:
            values.append(message.value().decode())
    consumer.close()
    return sorted(values)


plain = Producer(base)
for index in range(10):
    plain.produce("in", f"{index}".encode())
assert plain.flush(10) == 0

# Read, write and commit in one; every third is aborted and read again.
producer = transactional("copy")
consumer = reader("copiers", "read_committed")
consumer.subscribe(["in"])
copied = 0
attempts = 0
while copied < 10:
    message = consumer.poll(10)
    assert message is not None, "nothing came"
    if message.error():
        continue
    attempts += 1
    producer.begin_transaction()
    for partition in (0, 1):
        producer.produce("out", message.value(), partition=partition)
    offsets = [TopicPartition("in", 0, message.offset() + 1)]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata())
    if attempts % 3 == 0:
        # What is not sent yet would never be: this one shall be in the log, and not be seen.
        assert producer.flush(10) == 0
        producer.abort_transaction(20)
        committed = consumer.committed([TopicPartition("in", 0)], 10)[0].offset
        consumer.seek(TopicPartition("in", 0, max(committed, 0)))
    else:
        producer.commit_transaction(20)
        copied += 1
assert consumer.committed([TopicPartition("in", 0)], 10)[0].offset == 10
consumer.close()
expected = sorted([f"{index}" for index in range(10)] * 2)
assert read_all("read_committed") == expected, read_all("read_committed")
assert len(read_all("read_uncommitted")) > len(expected)

# A second producer of the same id takes over.
producer.begin_transaction()
producer.produce("out", b"lost", partition=0)
producer.flush(10)
second = transactional("copy")
try:
    producer.commit_transaction(20)
    raise AssertionError("the older producer was not fenced")
except KafkaException as error:
    assert error.args[0].code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED), error
second.begin_transaction()
second.produce("out", b"last", partition=0)
second.commit_transaction(20)
assert read_all("read_committed") == sorted([*expected, "last"])

credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
for future in admin.alter_user_scram_credentials(
    [UserScramCredentialUpsertion("alice", credential, b"secret")]
).values():
    future.result(10)
for future in admin.describe_user_scram_credentials(["alice"]).values():
    assert [info.iterations for info in future.result(10).scram_credential_infos] == [4096]
print("all well")
