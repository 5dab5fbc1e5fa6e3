package mailing;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** A message that waits for its mailing's invocation: the same one again is a duplicate. */
record Pending(long rid, byte[] context) {

    @Override
    public boolean equals(Object other) {
        return other instanceof Pending that
                && rid == that.rid
                && Arrays.equals(context, that.context);
    }

    @Override
    public int hashCode() {
        return Long.hashCode(rid) * 31 + Arrays.hashCode(context);
    }

    /** Returns the key of a stored message: mailing, then offset, so that a mailing is one range. */
    static byte[] key(long orgid, long mid, long offset) {
        return ByteBuffer.allocate(3 * Long.BYTES).putLong(orgid).putLong(mid).putLong(offset).array();
    }

    /** Returns a stored message; {@code recipient} is empty when the event created it. */
    static byte[] value(long rid, byte[] recipient, byte[] event) {
        return ByteBuffer.allocate(Long.BYTES + Integer.BYTES + recipient.length + event.length)
                .putLong(rid)
                .putInt(recipient.length)
                .put(recipient)
                .put(event)
                .array();
    }

    /** Reads the dedup key back out of a stored message. */
    static Pending of(byte[] value, int eventFrameBytes) {
        var in = ByteBuffer.wrap(value);
        long rid = in.getLong();
        int recipient = in.getInt();
        int event = Long.BYTES + Integer.BYTES + recipient;
        var trigger = Trigger.read(value, event + eventFrameBytes);
        return new Pending(rid, trigger.context());
    }
}
