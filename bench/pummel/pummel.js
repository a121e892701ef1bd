// One socket sends, each datagram in the callback of the one before, and another of the same
// loop receives. Each line of input is a number of datagrams and their size; each line of output
// how many were received and the processor time of it, in nanoseconds.
'use strict';
const dgram = require('dgram');
const lines = require('readline').createInterface({ input: process.stdin });

lines.on('line', (line) => {
  const [count, size] = line.split(' ').map(Number);
  const payload = Buffer.alloc(size, 'x');
  const receiver = dgram.createSocket('udp4');
  const sender = dgram.createSocket('udp4');
  let sent = 0, received = 0, start;
  const limit = setTimeout(finish, 5000);
  function finish() {
    const used = process.cpuUsage(start);
    clearTimeout(limit);
    sender.close();
    receiver.close();
    console.log(received + ' ' + (used.user + used.system) * 1000);
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
      start = process.cpuUsage();
      next();
    });
  });
});
