'use strict';
// performance.now and its kin, by the time of the network that the script is on.

const binding = internalBinding('process');

const marks = new Map();

class PerformanceEntry {
  constructor(name, entryType, startTime, duration, detail = null) {
    Object.assign(this, { name, entryType, startTime, duration, detail });
  }
}

const performance = {
  timeOrigin: binding.origin,
  now: () => binding.now(),
  mark(name, options) {
    const entry = new PerformanceEntry(name, 'mark', options?.startTime ?? binding.now(), 0, options?.detail);
    marks.set(name, entry);
    return entry;
  },
  measure(name, start, end) {
    const at = (m, otherwise) => (m === undefined ? otherwise : typeof m === 'number' ? m : marks.get(m).startTime);
    const from = at(start, 0);
    return new PerformanceEntry(name, 'measure', from, at(end, binding.now()) - from);
  },
  clearMarks(name) {
    if (name === undefined) marks.clear();
    else marks.delete(name);
  },
  getEntries: () => [...marks.values()],
  getEntriesByName: (name) => (marks.has(name) ? [marks.get(name)] : []),
  getEntriesByType: (type) => (type === 'mark' ? [...marks.values()] : []),
  eventLoopUtilization: () => ({ idle: 0, active: 0, utilization: 0 }),
  timerify: (f) => f,
  toJSON: () => ({ timeOrigin: binding.origin }),
};

module.exports = { PerformanceEntry, performance, constants: {} };
require('internal/unavailable').fill('perf_hooks', module.exports, ['createHistogram', 'monitorEventLoopDelay'], ['PerformanceObserver']);
