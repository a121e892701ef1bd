'use strict';
// There is no HTTP; its names are there.

const { unavailable } = require('internal/unavailable');
const EventEmitter = require('events');

// Agents are made in advance, to be used by requests.
function Agent(options) {
  if (!(this instanceof Agent)) return new Agent(options);
  EventEmitter.call(this);
  Object.assign(this, { options: { ...options }, requests: {}, sockets: {}, freeSockets: {}, maxSockets: options?.maxSockets ?? Infinity });
}
Object.setPrototypeOf(Agent.prototype, EventEmitter.prototype);
Agent.prototype.destroy = function() {};

const texts = `100 Continue,101 Switching Protocols,200 OK,201 Created,202 Accepted,204 No Content,206 Partial Content,301 Moved Permanently,302 Found,
303 See Other,304 Not Modified,307 Temporary Redirect,308 Permanent Redirect,400 Bad Request,401 Unauthorized,403 Forbidden,404 Not Found,
405 Method Not Allowed,406 Not Acceptable,408 Request Timeout,409 Conflict,410 Gone,412 Precondition Failed,413 Payload Too Large,
415 Unsupported Media Type,418 I'm a Teapot,426 Upgrade Required,429 Too Many Requests,500 Internal Server Error,501 Not Implemented,
502 Bad Gateway,503 Service Unavailable,504 Gateway Timeout,505 HTTP Version Not Supported`;

module.exports = unavailable('http', ['createServer', 'request', 'get'],
  ['Server', 'ServerResponse', 'IncomingMessage', 'OutgoingMessage', 'ClientRequest'], {
    Agent, globalAgent: new Agent(), maxHeaderSize: 16384,
    METHODS: ['CONNECT', 'DELETE', 'GET', 'HEAD', 'M-SEARCH', 'NOTIFY', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'SUBSCRIBE', 'TRACE', 'UNSUBSCRIBE'],
    STATUS_CODES: Object.fromEntries(texts.split(/,\n?/).map((line) => [line.slice(0, 3), line.slice(4)])),
  });
