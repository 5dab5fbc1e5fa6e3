package mailing;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.WriteBufferManager;

/**
 * RocksDB under one bounded memory, as Kafka's page "Memory Management" shows it.
 *
 * <p>Streams' own defaults are 50 MB of cache and 48 MB of write buffers for each of the twelve
 * stores; shared, the few busy ones get what they need. Bloom filters (10 bits a key) spare a look
 * on disk for the 60 % of keys that are new.
 */
public final class RocksSettings implements RocksDBConfigSetter {
    private static final long WRITE_BUFFERS = 384L << 20;
    private static final Cache CACHE = new LRUCache(1024L << 20, -1, false, 0.1);
    private static final WriteBufferManager BUFFERS = new WriteBufferManager(WRITE_BUFFERS, CACHE);
    private static final BloomFilter FILTER = new BloomFilter(10, false);

    @Override
    public void setConfig(String store, Options options, Map<String, Object> configs) {
        var table = (BlockBasedTableConfig) options.tableFormatConfig();
        table.setBlockCache(CACHE);
        table.setFilterPolicy(FILTER);
        table.setCacheIndexAndFilterBlocks(true);
        table.setCacheIndexAndFilterBlocksWithHighPriority(true);
        table.setPinTopLevelIndexAndFilter(true);
        table.setBlockSize(16 * 1024L);
        options.setTableFormatConfig(table);
        options.setWriteBufferManager(BUFFERS);
        options.setWriteBufferSize(32L << 20);
        options.setMaxWriteBufferNumber(3);
    }

    @Override
    public void close(String store, Options options) {
        // Cache, buffers and filter are shared by all stores and live as long as the process.
    }
}
