'use strict';
// Sends two datagrams to the server that is named in the arguments, or else to the
// host "server", and waits for the answers.
const dgram = require('dgram');

const host = process.argv[2] ?? 'server';
const client = dgram.createSocket('udp4');

client.on('message', (message) => {
  console.log(`answer: ${message}`);
  if (String(message) === 'HELLO') client.send(['hello ', 'again'], 7700, host);
  else client.close();
});
client.send('hello', 7700, host, (err, bytes) => console.log(`sent ${bytes} bytes`));
