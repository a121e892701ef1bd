'use strict';
// Sends datagrams of 64 bytes to itself for a few seconds, 32 a turn of the loop, and
// prints how many have arrived in a second, and for a second of processor time.
const dgram = require('dgram');

const seconds = Number(process.argv[2] ?? 3);
const receiver = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
const sender = dgram.createSocket('udp4');
const payload = Buffer.alloc(64);
let received = 0;

receiver.on('message', () => { received++; });
receiver.bind(0, '127.0.0.1', () => sender.connect(receiver.address().port, '127.0.0.1', () => {
  const began = process.hrtime();
  const cpu = process.cpuUsage();
  let on = true;
  (function turn() {
    for (let i = 0; i < 32; i++) sender.send(payload);
    if (on) setImmediate(turn);
  })();
  setTimeout(() => {
    on = false;
    const [s, ns] = process.hrtime(began);
    const { user, system } = process.cpuUsage(cpu);
    console.log(`${Math.round(received / (s + ns / 1e9))} datagrams a second, ` +
      `${Math.round(received / ((user + system) / 1e6))} a second of processor time`);
    process.exit();
  }, seconds * 1000);
}));
