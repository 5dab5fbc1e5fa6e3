package mailing;

import java.util.Arrays;

/** What the fold needs of a RecipientTriggered event; the profile after the address stays bytes. */
record Trigger(
        long orgid,
        long mid,
        byte[] request,
        int index,
        int replyPartition,
        long rid,
        int status,
        byte[] context,
        byte[] stored) {

    /** Reads the event whose body starts at {@code at}; {@code request} keeps its length prefix. */
    static Trigger read(byte[] value, int at) {
        var in = new Avro.Reader(value, at);
        long orgid = in.readLong();
        long mid = in.readLong();
        int requestAt = in.at;
        in.skipBytes();
        byte[] request = Arrays.copyOfRange(value, requestAt, in.at);
        int index = (int) in.readLong();
        int replyPartition = (int) in.readLong();
        long rid = in.readLong();
        int status = (int) in.readLong();
        int contextAt = in.skipBytes();
        byte[] context = Arrays.copyOfRange(value, contextAt, in.at);
        byte[] stored = Arrays.copyOfRange(value, in.at, value.length);
        return new Trigger(
                orgid, mid, request, index, replyPartition, rid, status, context, stored);
    }
}
