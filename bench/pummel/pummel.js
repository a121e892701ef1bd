// One socket sends, each datagram in the callback of the one before, and another of the same
// loop receives. Each line of input is "both", a number of datagrams and their size; each line of
// output how many were received and the processor time of it and the time, in nanoseconds.
'use strict';
const dgram = require('dgram');
const lines = require('readline').createInterface({ input: process.stdin });

lines.on('line', (line) => {
  const [, count, size] = line.split(' ').map(Number);
  const payload = Buffer.alloc(size, 'x');
  const receiver = dgram.createSocket('udp4');
  const sender = dgram.createSocket('udp4');
  let sent = 0, received = 0, spent, start;
  const limit = setTimeout(finish, 5000);
  function finish() {
    const used = process.cpuUsage(spent);
    const took = Math.round((performance.now() - start) * 1e6);
    clearTimeout(limit);
    sender.close();
    receiver.close();
    console.log(received + ' ' + (used.user + used.system) * 1000 + ' ' + took);
  }
  receiver.on('message', (msg) => {
    if (msg.length === size && ++received === count) finish();
  });
  receiver.bind(0, '127.0.0.1', () => {
    const { port } = receiver.address();
    sender.bind(0, () => {
      function next() {
        sent++;
        sender.send(payload, port, '127.0.0.1', onSent);
      }
      function onSent() {
        if (sent === count) return;
        if (sent % 32 === 0) setImmediate(next);
        else next();
      }
      spent = process.cpuUsage();
      start = performance.now();
      next();
    });
  });
});
