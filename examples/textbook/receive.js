'use strict';
// A program that is too slow, with a small buffer: datagrams are lost for it.
const dgram = require('dgram');

const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 4096 });
const sender = dgram.createSocket('udp4');
let heard = 0;
let silence;

socket.on('message', () => {
  heard++;
  clearTimeout(silence);
  silence = setTimeout(() => {
    console.log(heard < 100 ? 'some of 100 were heard' : 'all were heard');
    socket.close();
    sender.close();
  }, 100);
});
socket.bind(7700, '127.0.0.1', () => sender.connect(7700, '127.0.0.1', () => {
  for (let i = 0; i < 100; i++) sender.send(`number ${i}`);
}));
