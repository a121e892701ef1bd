'use strict';
// Lines of standard input.

const EventEmitter = require('events');
const { validateFunction } = require('internal/validators');

class Interface extends EventEmitter {
  #text = '';
  #waiting = [];
  constructor(input, output) {
    super();
    const options = input?.input !== undefined ? input : { input, output };
    this.input = options.input;
    this.output = options.output;
    this.closed = false;
    this.#prompt = options.prompt ?? '> ';
    this.input.setEncoding?.('utf8');
    this.input.on('data', (piece) => {
      const lines = (this.#text + piece).split(/\r?\n/);
      this.#text = lines.pop();
      for (const line of lines) this.#line(line);
    });
    this.input.on('end', () => {
      if (this.#text !== '') this.#line(this.#text);
      this.#text = '';
      this.close();
    });
  }
  #prompt;
  #line(line) {
    if (this.#waiting.length > 0) this.#waiting.shift()(line);
    else this.emit('line', line);
  }
  setPrompt(text) { this.#prompt = text; }
  getPrompt() { return this.#prompt; }
  prompt() { this.output?.write(this.#prompt); }
  question(query, options, callback = options) {
    validateFunction(callback, 'cb');
    this.output?.write(query);
    this.#waiting.push(callback);
  }
  write(text) { this.output?.write(text); }
  pause() {
    this.input.pause();
    return this;
  }
  resume() {
    this.input.resume();
    return this;
  }
  close() {
    if (this.closed) return;
    this.closed = true;
    this.input.pause();
    this.input.unref?.();
    this.emit('close');
  }
  [Symbol.asyncIterator]() {
    const lines = EventEmitter.on(this, 'line', { close: ['close'] });
    return {
      next: async () => {
        const step = await lines.next();
        return step.done ? step : { value: step.value[0], done: false };
      },
      return: () => lines.return(),
      [Symbol.asyncIterator]() { return this; },
    };
  }
}

module.exports = {
  Interface,
  createInterface: (input, output) => new Interface(input, output),
  clearLine() { return true; }, cursorTo() { return true; }, moveCursor() { return true; }, clearScreenDown() { return true; }, emitKeypressEvents() {},
  promises: {
    createInterface(input, output) {
      const rl = new Interface(input, output);
      const question = rl.question.bind(rl);
      rl.question = (query) => new Promise((resolve) => question(query, resolve));
      return rl;
    },
  },
};
