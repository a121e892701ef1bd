'use strict';
// Whether a host hears what it sends to a group that it has joined itself.
const dgram = require('dgram');

const socket = dgram.createSocket('udp4');

socket.on('message', (message) => console.log(`heard: ${message}`));
socket.bind(7700, () => {
  socket.addMembership('224.1.1.1');
  socket.setMulticastLoopback(false);
  socket.send('without loopback', 7700, '224.1.1.1', () => {
    socket.setMulticastLoopback(true);
    socket.send('with loopback', 7700, '224.1.1.1');
  });
});
setTimeout(() => socket.close(), 100);
