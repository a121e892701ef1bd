// Each line of input says what is wanted:
//
//   send COUNT SIZE PORT    to send, each datagram in the callback of the one before, to a port
//                           where somebody else receives
//   receive COUNT SIZE      to receive: the port is said in a line, and after one more line of
//                           input, when all have been sent, the clocks run
//
// The line of output is how many, and the processor time of it and the time, in nanoseconds.
'use strict';
const dgram = require('dgram');
const fs = require('fs');

// Lines are waited for without the loop, which must receive nothing meanwhile.
let rest = '';
function readLine() {
  const b = Buffer.alloc(256);
  while (!rest.includes('\n')) {
    const n = fs.readSync(0, b);
    if (n === 0) process.exit(0);
    rest += b.toString('latin1', 0, n);
  }
  const end = rest.indexOf('\n');
  const line = rest.slice(0, end);
  rest = rest.slice(end + 1);
  return line;
}
function say(...words) { fs.writeSync(1, words.join(' ') + '\n'); }

function next() {
  const line = readLine().split(' ');
  const [, count, size, port] = line.map(Number);
  if (line[0] === 'send') send(count, size, port);
  else receive(count, size);
}

function clocks() { return [process.cpuUsage(), performance.now()]; }
function told(n, [spent, start]) {
  const used = process.cpuUsage(spent);
  say(n, (used.user + used.system) * 1000, Math.round((performance.now() - start) * 1e6));
}

function send(count, size, port) {
  const payload = Buffer.alloc(size, 'x');
  const sender = dgram.createSocket('udp4');
  let sent = 0, begun;
  function more() {
    sent++;
    sender.send(payload, port, '127.0.0.1', onSent);
  }
  function onSent() {
    if (sent === count) {
      told(sent, begun);
      sender.close(next);
    } else if (sent % 32 === 0) setImmediate(more);
    else more();
  }
  sender.bind(0, '127.0.0.1', () => {
    begun = clocks();
    more();
  });
}

function receive(count, size) {
  const receiver = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  let received = 0, begun;
  receiver.on('message', (msg) => {
    if (msg.length === size && ++received === count) {
      told(received, begun);
      receiver.close(next);
    }
  });
  receiver.bind(0, '127.0.0.1', () => {
    say(receiver.address().port);
    readLine();
    begun = clocks();
  });
}

next();
