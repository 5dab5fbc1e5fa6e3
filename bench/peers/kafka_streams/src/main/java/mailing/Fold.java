package mailing;

import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Decides about one event: who it is for, whether the message is new, and what the caller is told.
 *
 * <p>Three stores with changelogs: recipients, mailings (counters), pending messages. What can be
 * derived of them is not stored: the index by rid and the set of pending messages are rebuilt when
 * a task starts, which saves a store and a changelog record each. Unlike the worker it neither
 * checks keys, identities and profiles nor buries bad events: less work, to its advantage.
 */
final class Fold implements Processor<byte[], byte[], Integer, byte[]> {
    static final String RECIPIENTS = "recipients";
    static final String MAILINGS = "mailings";
    static final String PENDING = "pending";

    private static final int CREATED = 0;
    private static final int KNOWN = 1;
    private static final int DUPLICATE = 2;
    private static final int SUPPRESSED = 3;
    private static final int UNKNOWN_RECIPIENT = 4;
    private static final int UNKNOWN_MAILING = 6;
    private static final int NOT_GIVEN = -1;
    private static final byte UNSUBSCRIBED = 0;
    private static final byte SUBSCRIBED = 1;
    private static final byte[] NOBODY = {};
    private static final int STATUS_AT = Long.BYTES;

    private final Wire wire;
    private ProcessorContext<Integer, byte[]> context;
    private KeyValueStore<Bytes, byte[]> recipients;
    private KeyValueStore<Bytes, byte[]> mailings;
    private KeyValueStore<Bytes, byte[]> pending;
    private final Map<Long, Bytes> keys = new HashMap<>();
    private final Set<Pending> waiting = new HashSet<>();

    Fold(Wire wire) {
        this.wire = wire;
    }

    /** Called when the stores have been restored. */
    @Override
    public void init(ProcessorContext<Integer, byte[]> context) {
        this.context = context;
        recipients = context.getStateStore(RECIPIENTS);
        mailings = context.getStateStore(MAILINGS);
        pending = context.getStateStore(PENDING);
        try (var all = recipients.all()) {
            all.forEachRemaining(each -> keys.put(ridOf(each.value), each.key));
        }
        try (var all = pending.all()) {
            all.forEachRemaining(each -> waiting.add(Pending.of(each.value, wire.event().length)));
        }
    }

    @Override
    public void process(Record<byte[], byte[]> event) {
        byte[] value = event.value();
        if (Wire.startsWith(value, wire.definition())) {
            var in = new Avro.Reader(value, wire.definition().length);
            mailings.putIfAbsent(mailingKey(in.readLong(), in.readLong()), Counters.none());
            return;
        }
        var trigger = Trigger.read(value, wire.event().length);
        Bytes mailing = mailingKey(trigger.orgid(), trigger.mid());
        byte[] counters = mailings.get(mailing);
        if (counters == null) {
            answer(event, trigger, 0, UNKNOWN_MAILING);
            return;
        }
        Bytes key = trigger.rid() == 0 ? Bytes.wrap(event.key()) : keys.get(trigger.rid());
        byte[] recipient = key == null ? null : recipients.get(key);
        if (recipient != null) {
            known(event, trigger, mailing, counters, recipient);
        } else if (trigger.rid() == 0) {
            create(event, trigger, mailing, counters, key);
        } else {
            mailings.put(mailing, Counters.plusOne(counters, Counters.TRIGGERED, Counters.REJECTED));
            answer(event, trigger, 0, UNKNOWN_RECIPIENT);
        }
    }

    private void create(
            Record<byte[], byte[]> event, Trigger trigger, Bytes mailing, byte[] counters, Bytes key) {
        var at = context.recordMetadata().orElseThrow();
        long rid = (at.offset() + 1) * 1024 + at.partition();
        byte status = trigger.status() == NOT_GIVEN ? SUBSCRIBED : (byte) trigger.status();
        byte[] recipient = ByteBuffer.allocate(STATUS_AT + 1 + trigger.stored().length)
                .putLong(rid)
                .put(status)
                .put(trigger.stored())
                .array();
        recipients.put(key, recipient);
        keys.put(rid, key);
        if (status == UNSUBSCRIBED) {
            mailings.put(
                    mailing,
                    Counters.plusOne(
                            counters, Counters.TRIGGERED, Counters.CREATED, Counters.SUPPRESSED));
            answer(event, trigger, rid, SUPPRESSED);
            return;
        }
        keep(event, trigger, new Pending(rid, trigger.context()), NOBODY, at.offset());
        mailings.put(mailing, Counters.plusOne(counters, Counters.TRIGGERED, Counters.CREATED));
        answer(event, trigger, rid, CREATED);
    }

    private void known(
            Record<byte[], byte[]> event,
            Trigger trigger,
            Bytes mailing,
            byte[] counters,
            byte[] recipient) {
        long rid = ridOf(recipient);
        if (recipient[STATUS_AT] == UNSUBSCRIBED) {
            mailings.put(
                    mailing,
                    Counters.plusOne(
                            counters, Counters.TRIGGERED, Counters.KNOWN, Counters.SUPPRESSED));
            answer(event, trigger, rid, SUPPRESSED);
            return;
        }
        var message = new Pending(rid, trigger.context());
        if (waiting.contains(message)) {
            mailings.put(
                    mailing, Counters.plusOne(counters, Counters.TRIGGERED, Counters.DUPLICATES));
            answer(event, trigger, rid, DUPLICATE);
            return;
        }
        keep(event, trigger, message, recipient, context.recordMetadata().orElseThrow().offset());
        mailings.put(mailing, Counters.plusOne(counters, Counters.TRIGGERED, Counters.KNOWN));
        answer(event, trigger, rid, KNOWN);
    }

    private void keep(
            Record<byte[], byte[]> event,
            Trigger trigger,
            Pending message,
            byte[] recipient,
            long offset) {
        waiting.add(message);
        pending.put(
                Bytes.wrap(Pending.key(trigger.orgid(), trigger.mid(), offset)),
                Pending.value(message.rid(), recipient, event.value()));
    }

    private void answer(Record<byte[], byte[]> event, Trigger trigger, long rid, int outcome) {
        if (trigger.replyPartition() >= 0) {
            byte[] ack = wire.acknowledgement(trigger.request(), trigger.index(), rid, outcome);
            context.forward(event.withKey(trigger.replyPartition()).withValue(ack));
        }
    }

    private static long ridOf(byte[] recipient) {
        return ByteBuffer.wrap(recipient).getLong();
    }

    private static Bytes mailingKey(long orgid, long mid) {
        return Bytes.wrap(
                ByteBuffer.allocate(2 * Long.BYTES).putLong(orgid).putLong(mid).array());
    }
}
