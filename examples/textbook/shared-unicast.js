'use strict';
// Two sockets share a port: what is sent to this host alone goes to one of them.
const dgram = require('dgram');

const sockets = [];
function sharer(name, then) {
  const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true });
  sockets.push(socket);
  socket.on('message', (message) => {
    console.log(`${name}: ${message}`);
    for (const s of sockets) s.close();
  });
  socket.bind(7700, '127.0.0.1', then);
}

sharer('bound first', () => sharer('bound last', () => {
  const sender = dgram.createSocket('udp4');
  sender.send('to this host', 7700, '127.0.0.1', () => sender.close());
}));
