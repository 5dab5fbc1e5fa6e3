package mailing;

import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.StreamPartitioner;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The worker's job by Kafka Streams; runs until it is asked to end.
 *
 * <p>Arguments are {@code name=value}: servers, prefix, group, guarantee (exactly_once_v2 or
 * at_least_once), store (memory or rocksdb), threads, folder, and the framings of {@link Wire}.
 */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) throws InterruptedException {
        Map<String, String> given = Arrays.stream(arguments)
                .map(each -> each.split("=", 2))
                .collect(Collectors.toMap(each -> each[0], each -> each[1]));
        var streams = new KafkaStreams(topology(given), settings(given));
        streams.setGlobalStateRestoreListener(new Restores());
        streams.setStateListener((now, before) -> System.out.println("state " + now));
        var ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close(Duration.ofSeconds(20));
            ended.countDown();
        }));
        streams.start();
        ended.await();
    }

    private static Topology topology(Map<String, String> given) {
        var hex = HexFormat.of();
        var wire = new Wire(
                hex.parseHex(given.get("event")),
                hex.parseHex(given.get("definition")),
                hex.parseHex(given.get("ack_head")),
                hex.parseHex(given.get("ack_tail")));
        boolean memory = given.get("store").equals("memory");
        // The key names the reply partition and is not written.
        Serializer<Integer> nothing = (topic, key) -> null;
        StreamPartitioner<Integer, byte[]> named =
                (topic, key, value, partitions) -> Optional.of(Set.of(key));
        return new Topology()
                .addSource(
                        "log",
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer(),
                        given.get("prefix") + "mailing.recipients")
                .addProcessor("fold", () -> new Fold(wire), "log")
                .addStateStore(store(Fold.RECIPIENTS, memory), "fold")
                .addStateStore(store(Fold.PENDING, memory), "fold")
                // One key changes with every event: the cache writes it once a commit instead.
                .addStateStore(store(Fold.MAILINGS, memory).withCachingEnabled(), "fold")
                .addSink(
                        "acks",
                        given.get("prefix") + "mailing.acks",
                        nothing,
                        new ByteArraySerializer(),
                        named,
                        "fold");
    }

    /** Recipients and messages are written once a key: a cache before them would only copy. */
    private static StoreBuilder<KeyValueStore<Bytes, byte[]>> store(String name, boolean memory) {
        var supplier =
                memory ? Stores.inMemoryKeyValueStore(name) : Stores.persistentKeyValueStore(name);
        return Stores.keyValueStoreBuilder(supplier, Serdes.Bytes(), Serdes.ByteArray());
    }

    private static Properties settings(Map<String, String> given) {
        var settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, given.get("group"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given.get("servers"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, given.get("folder"));
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, given.get("guarantee"));
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, given.get("threads"));
        settings.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, RocksSettings.class);
        // Exactly once: the default of 100 ms, so that replies are not hidden longer than that. At
        // least once: a second, as the other peers; the default of 30 s would outlast the run.
        boolean exactly = given.get("guarantee").equals(StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, exactly ? 100 : 1000);
        // A static member: a restart takes its partitions back and does not wait out its old session.
        settings.put(
                StreamsConfig.consumerPrefix(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG),
                given.get("group"));
        // Fewer switches between the tasks of a thread and fewer pauses of their partitions.
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        // A fetch as large as a thread works off in some 50 ms, for each of its partitions.
        settings.put(
                StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG),
                4 << 20);
        settings.put(
                StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        // Batches of 16 KiB would hold some 50 records; Streams' linger of 100 ms fills them.
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 128 << 20);
        return settings;
    }
}
