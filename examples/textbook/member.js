'use strict';
// Joins a group, hears one datagram, and leaves.
const dgram = require('dgram');

const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true });

socket.on('message', (message, peer) => {
  console.log(`${message}`);
  socket.dropMembership('224.1.1.1');
  socket.close();
});
socket.bind(7700, () => {
  socket.addMembership('224.1.1.1');
  console.log('joined 224.1.1.1');
});
