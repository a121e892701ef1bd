'use strict';
// What becomes of a send, as far as a program is told.
const dgram = require('dgram');

const socket = dgram.createSocket('udp4');
const peer = process.argv[2] ?? '127.0.0.1';
let inside = true;

// The first send binds the socket, to a port of the system's choice.
socket.on('listening', () => console.log(`bound: ${socket.address().port > 0}`));

socket.send('to a port where nobody listens', 7709, peer, (err, bytes) => {
  console.log(`told ${inside ? 'from inside the call' : 'later'}: ${err ?? `${bytes} bytes`}`);
  socket.send(Buffer.alloc(65508), 7709, peer, (err) => {
    console.log(`longer than IP can carry: ${err.code}`);
    socket.send('x', 7709, '255.255.255.255', (err) => {
      console.log(`to everybody without permission: ${err.code}`);
      socket.connect(7709, peer, () => {
        // The other host's answer to the first datagram on this path, that nobody
        // listens, is told by the next call, or by an event.
        socket.on('error', (err) => {
          console.log(`connected, nobody listens: ${err.code}`);
          socket.close();
        });
        socket.send('x');
      });
    });
  });
});
inside = false;
