package mailing;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.processor.StateRestoreListener;

/** Tells of each restored store: its name, its partition, how many records, since when and how long. */
final class Restores implements StateRestoreListener {
    private final Map<String, Long> since = new ConcurrentHashMap<>();

    @Override
    public void onRestoreStart(TopicPartition from, String store, long start, long end) {
        since.put(from.toString(), System.currentTimeMillis());
    }

    @Override
    public void onBatchRestored(TopicPartition from, String store, long end, long records) {
        // The end tells all.
    }

    @Override
    public void onRestoreEnd(TopicPartition from, String store, long records) {
        long started = since.get(from.toString());
        System.out.printf(
                "restored %s %d %d %d %d%n",
                store, from.partition(), records, started, System.currentTimeMillis());
    }
}
