'use strict';
// Answers each datagram with its text in capitals, and ends after two.
const dgram = require('dgram');

const server = dgram.createSocket('udp4');
let left = 2;

server.on('listening', () => console.log('listening'));
server.on('message', (message, peer) => {
  console.log(`${message} (${peer.size} bytes, ${peer.family})`);
  server.send(String(message).toUpperCase(), peer.port, peer.address, () => {
    if (--left === 0) server.close();
  });
});
server.on('close', () => console.log('closed'));

server.bind(7700);
