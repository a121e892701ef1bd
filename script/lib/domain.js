'use strict';
// Domains, which are deprecated, without what they are for: they catch nothing.

const EventEmitter = require('events');

class Domain extends EventEmitter {
  members = [];
  add(member) { this.members.push(member); }
  remove(member) { this.members = this.members.filter((m) => m !== member); }
  run(f, ...args) { return Reflect.apply(f, this, args); }
  bind(f) { return f; }
  intercept(f) { return (err, ...args) => (err ? this.emit('error', err) : f(...args)); }
  enter() {}
  exit() {}
}

module.exports = { Domain, active: null, create: () => new Domain(), createDomain: () => new Domain() };
