'use strict';
// The engine is another; what is asked for about memory is the process's.

const { unavailable } = require('internal/unavailable');

module.exports = unavailable('v8', ['serialize', 'deserialize', 'writeHeapSnapshot', 'getHeapSnapshot', 'takeCoverage', 'stopCoverage'],
  ['Serializer', 'Deserializer', 'DefaultSerializer', 'DefaultDeserializer'], {
    cachedDataVersionTag: () => 0,
    setFlagsFromString() {},
    getHeapStatistics() {
      const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
      return {
        total_heap_size: heapTotal, total_heap_size_executable: 0, total_physical_size: rss, total_available_size: heapTotal - heapUsed,
        used_heap_size: heapUsed, heap_size_limit: heapTotal, malloced_memory: 0, peak_malloced_memory: 0, external_memory: external,
      };
    },
    getHeapSpaceStatistics: () => [],
  });
