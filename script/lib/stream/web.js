'use strict';
// The streams of browsers are not there; their names are.

module.exports = require('internal/unavailable').unavailable('stream/web', [], ['ReadableStream', 'WritableStream', 'TransformStream', 'TextEncoderStream',
  'TextDecoderStream', 'CompressionStream', 'DecompressionStream', 'ByteLengthQueuingStrategy', 'CountQueuingStrategy'], {});
