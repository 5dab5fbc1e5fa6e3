package mailing;

import java.nio.ByteBuffer;

/** A mailing as one partition counts it, as the bytes its store keeps. */
final class Counters {
    static final int TRIGGERED = 0;
    static final int CREATED = 1;
    static final int KNOWN = 2;
    static final int DUPLICATES = 3;
    static final int SUPPRESSED = 4;
    static final int REJECTED = 5;
    private static final int NUMBERS = 6;

    private Counters() {}

    static byte[] none() {
        return new byte[NUMBERS * Long.BYTES];
    }

    /** Returns {@code counters} with one more of each; the stored bytes themselves never change. */
    static byte[] plusOne(byte[] counters, int... which) {
        byte[] next = counters.clone();
        var numbers = ByteBuffer.wrap(next);
        for (int each : which) {
            int at = each * Long.BYTES;
            numbers.putLong(at, numbers.getLong(at) + 1);
        }
        return next;
    }
}
