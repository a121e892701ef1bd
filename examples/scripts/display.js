'use strict';
// Joins the group and shows what sensors tell it.
const dgram = require('dgram');

const group = '239.1.2.3';
const port = 5000;
const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true });

socket.on('message', (message, peer) => {
  const reading = JSON.parse(message);
  if (reading.last) {
    console.log(`${reading.sensor} says goodbye`);
    socket.close();
    return;
  }
  console.log(`${reading.sensor} at ${peer.address}: ${reading.celsius} °C`);
});

socket.bind(port, () => {
  socket.addMembership(group);
  console.log(`listening to ${group}:${port}`);
});
