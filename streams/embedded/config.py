"""The files the broker reads: server.properties and its logging.

Paths in them are relative to the data folder, which the broker runs in: Java reads these files as
Latin-1, and Kafka takes a comma in `log.dirs` for two folders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST = "127.0.0.1"
NODE_ID = 1
LOG_DIR = "kafka"
LOGS = "logs"

# Each setting that is not Kafka's default has its reason.
_SERVER = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={node}@{host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={log_dir}
# A misspelt topic is an error, not a new topic.
auto.create.topics.enable=false
# One broker has nowhere else to put a replica; few partitions make the first start quick.
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A group of one need not wait 3 s for company.
group.initial.rebalance.delay.ms=0
# Lets a test lose a worker within a second or two; clients choose their own, longer one.
group.min.session.timeout.ms=1000
# A dead worker's transaction holds up every read_committed reader until it is timed out, and the
# default looks for such only every 10 s.
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
# After a kill the controller, which is this node too, takes the new broker for a second one until
# the session of the killed one ends: a restart takes 13 s with the default of 9 s, 6 s with these.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=300
# The state topic's largest record is 4 MiB; a batch of them has a little more.
message.max.bytes=8388608
# The default takes 128 MiB of a 512 MiB heap.
log.cleaner.dedupe.buffer.size=33554432
"""

# At most 30 MB.
LOG4J_PROPERTIES = f"""\
status=error
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={LOGS}/broker.log
appender.file.filePattern={LOGS}/broker.%i.log
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %-5p %c{{1}} - %m%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=2
rootLogger.level=info
rootLogger.appenderRef.file.ref=file
"""


def server_properties(*, port: int, controller_port: int, more: Mapping[str, str]) -> str:
    """Return the settings of one node that is broker and controller, reachable from here only.

    *more* comes last, and of a name that stands twice Java takes the last.
    """
    ours = _SERVER.format(
        node=NODE_ID, host=HOST, port=port, controller_port=controller_port, log_dir=LOG_DIR
    )
    return ours + "".join(f"{name}={value}\n" for name, value in more.items())
