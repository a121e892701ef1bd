'use strict';
// Joins a group with the same hardware address as the one that is sent to.
const dgram = require('dgram');

const socket = dgram.createSocket('udp4');
socket.on('message', (message) => console.log(`heard ${message}`));
socket.bind(7700, () => socket.addMembership('225.1.1.1'));
setTimeout(() => {
  console.log('heard no more');
  socket.close();
}, 3000);
