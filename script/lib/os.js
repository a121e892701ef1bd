'use strict';
// os: the machine, but for the interfaces, which are those of the network that the
// script is on.

const binding = internalBinding('os');
const { ErrnoException } = require('internal/errors');

const errno = {};
const { getErrorMap } = internalBinding('uv');
for (const [number, [name]] of [...getErrorMap()]) if (number > -3000 && /^E/.test(name)) errno[name] = -number;

const signals = {};
['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGKILL', 'SIGUSR1', 'SIGSEGV', 'SIGUSR2',
  'SIGPIPE', 'SIGALRM', 'SIGTERM', 'SIGSTKFLT', 'SIGCHLD', 'SIGCONT', 'SIGSTOP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGURG', 'SIGXCPU',
  'SIGXFSZ', 'SIGVTALRM', 'SIGPROF', 'SIGWINCH', 'SIGIO', 'SIGPWR', 'SIGSYS'].forEach((name, i) => { signals[name] = i + 1; });

function networkInterfaces() {
  const rows = binding.interfaces();
  if (typeof rows === 'number') throw new ErrnoException(rows, 'uv_interface_addresses');
  const out = {};
  for (const [name, address, netmask, family, mac, internal, bits, scopeid] of rows) {
    const entry = { address, netmask, family, mac, internal, cidr: `${address}/${bits}` };
    if (family === 'IPv6') entry.scopeid = scopeid;
    (out[name] ??= []).push(entry);
  }
  return out;
}

const os = {
  EOL: '\n', devNull: '/dev/null',
  arch: () => process.arch,
  availableParallelism: () => binding.cpus,
  cpus: () => Array.from({ length: binding.cpus }, () => ({ model: 'unknown', speed: 0, times: { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 } })),
  endianness: () => (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 'LE' : 'BE'),
  freemem: () => binding.memory()[1],
  getPriority: () => 0,
  homedir: () => binding.user().homedir,
  hostname: binding.hostname,
  loadavg: () => [0, 0, 0],
  machine: () => ({ x64: 'x86_64', arm64: 'aarch64' }[process.arch] ?? process.arch),
  networkInterfaces,
  platform: () => process.platform,
  release: () => binding.version()[0],
  setPriority() {},
  tmpdir: () => binding.tmpdir,
  totalmem: () => binding.memory()[0],
  type: () => ({ linux: 'Linux', darwin: 'Darwin', win32: 'Windows_NT', freebsd: 'FreeBSD' }[process.platform] ?? process.platform),
  uptime: () => process.uptime(),
  userInfo: binding.user,
  version: () => binding.version()[1],
  constants: {
    UV_UDP_REUSEADDR: internalBinding('udp_wrap').constants.UV_UDP_REUSEADDR,
    dlopen: {}, errno, signals, priority: { PRIORITY_LOW: 19, PRIORITY_NORMAL: 0, PRIORITY_HIGH: -14 },
  },
};
module.exports = os;
