'use strict';
// Tells the group its temperature, once a second, three times.
const dgram = require('dgram');
const os = require('os');

const group = '239.1.2.3';
const port = 5000;
const socket = dgram.createSocket('udp4');

let sent = 0;
const timer = setInterval(() => {
  const reading = { sensor: os.hostname(), celsius: 20 + sent };
  socket.send(JSON.stringify(reading), port, group);
  if (++sent === 3) {
    clearInterval(timer);
    socket.send(JSON.stringify({ sensor: os.hostname(), last: true }), port, group, () => socket.close());
  }
}, 1000);
