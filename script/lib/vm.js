'use strict';
// vm: text that is run as a program, among the script's own globals. There are no
// others.

const { codes: { ERR_FEATURE_UNAVAILABLE } } = require('internal/errors');
const { unavailable } = require('internal/unavailable');
const { validateString } = require('internal/validators');

const everywhere = eval; // called by another name it does not see the function around it

function runInThisContext(code) {
  return everywhere(`${code}`);
}

class Script {
  #code;
  constructor(code) {
    this.#code = `${code}`;
    new Function(this.#code); // it is checked now
  }
  runInThisContext() { return everywhere(this.#code); }
  runInContext() { throw new ERR_FEATURE_UNAVAILABLE('vm.Script.runInContext'); }
  runInNewContext() { throw new ERR_FEATURE_UNAVAILABLE('vm.Script.runInNewContext'); }
}

module.exports = unavailable('vm', ['createContext', 'runInContext', 'runInNewContext', 'measureMemory'], ['SourceTextModule', 'SyntheticModule'], {
  Script, runInThisContext, isContext: () => false,
  compileFunction(code, parameters = []) {
    validateString(code, 'code');
    return new Function(...parameters, code);
  },
});
