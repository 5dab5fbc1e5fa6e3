package mailing;

import java.util.Arrays;

/**
 * The framings of the records that are read and written.
 *
 * @param event how a RecipientTriggered starts
 * @param definition how a MailingDefined starts
 * @param ackHead what stands before a call in an Acknowledgement of one call
 * @param ackTail what stands after its one entry
 */
record Wire(byte[] event, byte[] definition, byte[] ackHead, byte[] ackTail) {
    private static final int ENTRY_BYTES = 21;
    private static final byte ONE = 2;

    byte[] acknowledgement(byte[] request, int index, long rid, int outcome) {
        byte[] out = new byte[ackHead.length + request.length + ENTRY_BYTES + ackTail.length];
        System.arraycopy(ackHead, 0, out, 0, ackHead.length);
        int at = ackHead.length;
        System.arraycopy(request, 0, out, at, request.length);
        at += request.length;
        out[at++] = ONE;
        at = Avro.writeLong(out, at, index);
        at = Avro.writeLong(out, at, rid);
        at = Avro.writeLong(out, at, outcome);
        System.arraycopy(ackTail, 0, out, at, ackTail.length);
        return Arrays.copyOf(out, at + ackTail.length);
    }

    static boolean startsWith(byte[] value, byte[] frame) {
        return Arrays.mismatch(value, frame) == frame.length;
    }
}
