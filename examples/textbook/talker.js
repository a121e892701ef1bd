'use strict';
// Sends one datagram to a group, and joins none.
const dgram = require('dgram');

const socket = dgram.createSocket('udp4');
setTimeout(() => socket.send('hello group', 7700, '224.1.1.1', () => socket.close()), 1000);
