package mailing;

/** Avro's binary encoding, read and written by hand: no generic record is built for nine fields. */
final class Avro {
    private Avro() {}

    /** Reads one record's fields in their order. */
    static final class Reader {
        final byte[] data;
        int at;

        Reader(byte[] data, int at) {
            this.data = data;
            this.at = at;
        }

        long readLong() {
            long rest = 0;
            int shift = 0;
            byte next;
            do {
                next = data[at++];
                rest |= (next & 0x7FL) << shift;
                shift += 7;
            } while (next < 0);
            return (rest >>> 1) ^ -(rest & 1);
        }

        /** Steps over bytes or a string; returns where its content starts. */
        int skipBytes() {
            int length = (int) readLong();
            int start = at;
            at += length;
            return start;
        }
    }

    /** Writes {@code number} at {@code at}; returns the position after it. */
    static int writeLong(byte[] out, int at, long number) {
        long rest = (number << 1) ^ (number >> 63);
        while ((rest & ~0x7FL) != 0) {
            out[at++] = (byte) (rest & 0x7F | 0x80);
            rest >>>= 7;
        }
        out[at++] = (byte) rest;
        return at;
    }
}
