'use strict';
// Two sockets share a port: each gets a copy of what is sent to a group.
const dgram = require('dgram');

function member(name, then) {
  const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true });
  socket.on('message', (message) => {
    heard.push(`${name}: ${message}`);
    socket.close();
  });
  socket.bind(7700, () => {
    socket.addMembership('224.1.1.1', '127.0.0.1');
    then();
  });
}

const heard = [];
member('first', () => member('second', () => {
  const sender = dgram.createSocket('udp4');
  sender.bind(0, () => {
    sender.setMulticastInterface('127.0.0.1');
    sender.send('to the group', 7700, '224.1.1.1', () => sender.close());
  });
}));
process.on('exit', () => console.log(heard.sort().join('\n')));
