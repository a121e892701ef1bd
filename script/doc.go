// Package script runs JavaScript programs written for Node's dgram module, on any
// network of castnet.
//
//	r, err := script.New(script.Config{On: castnet.Host(), Stdout: os.Stdout, Stderr: os.Stderr})
//	if err != nil {
//		return err
//	}
//	status, err := r.Run("server.js")
//
// On a lab's host in virtual time, Run is called by a task of the host:
//
//	h.Go("server", func(ctx context.Context) error {
//		r, err := script.New(script.Config{On: h, Name: h.Name(), Rand: h.Rand(), Stdout: os.Stdout})
//		...
//		_, err = r.Run("server.js")
//		return err
//	})
//
// # How it works
//
// The engine is goja. What Node gives its programs is in the folder lib, a file a
// module, in JavaScript: dgram, events, buffer, util, assert, timers and the others.
// They stand on a few Go functions each, internalBinding('…'), and these on package
// loop: sockets, timers and immediates are the loop's, and what it calls is followed
// by process.nextTick's queue and then by promises, as in Node. The clock is the
// network's, so in a lab Date, setTimeout and performance.now go by virtual time, and
// Math.random by the seed that Config.Rand comes from.
//
// Below dgram's Socket there is a handle of the shape of Node's udp_wrap, in
// lib/internal/udp_wrap.js, so that programs which look inside find what they look
// for.
//
// Modules are CommonJS. Source that the engine cannot read, import and export, for
// await, using, TypeScript, is rewritten by esbuild first, and stacks still name the
// lines of the file. Everything else runs as it is.
//
// A value that nobody catches, thrown or rejected, ends the script: the line, the
// error and its stack go to Stderr, and the status is 1.
//
// # Processes to come
//
// There is no cluster and no child_process.fork yet. What they need is there, and held by
// tests. A child is one more Runtime on the same network: a goroutine, or in virtual time a
// task of the same host, so that both share ports, addresses and loopback (Config has the
// child's arguments, environment, streams and folder; Run's status and [Runtime.Signal] are
// what a parent sees and sends of a process). Messages are values that internal/clone has
// copied, handed over by [loop.Loop.Post] to the other's loop and there emitted as
// 'message'; a channel that holds the loop is a [loop.Async]. A handle that the workers of a
// cluster share is one socket.Socket behind several loops: loop.UDP takes it over (Open),
// and since a socket tells one of readiness, between them is an end for each, which tells
// all and closes the socket with the last (TestSocketSharedByLoops of package loop). Its
// 'exclusive' is then what dgram already says in its binds. Of the process only pid and
// ppid would have to be given, and handles be sent by their descriptors, which are the
// script's own.
//
// # Limitations
//
// Node's interfaces are those of version 26, as far as they concern datagrams.
//
// There are no processes, workers, TCP, HTTP or TLS; their modules are names, so that
// packages which may do without find them, and what is called throws
// ERR_FEATURE_UNAVAILABLE. Streams are there; compose, and those of browsers, are not.
// Handles of tcp_wrap are descriptors without a network. Files can be read and not
// written. crypto is randomness, hashes and AES; of dns there is lookup; zlib is deflate and
// gzip, whose streams hold all they are given until its end.
//
// What AsyncLocalStorage holds goes along from the making of the first one on. Hooks of
// async_hooks are never called.
//
// Descriptors are the script's own numbers, also on the operating system's network:
// bind({fd}) takes a socket of the same script.
//
// Of the language goja lacks, among others, Intl, Atomics and shared memory, and of
// regular expressions the flags d and v, and in those made of text classes by property,
// \p{…}; nowhere is there one of emoji. A name that is imported from a module of the
// runtime and not there is undefined. WeakRef holds what it refers to for good, a
// FinalizationRegistry never calls, the elements of a Float16Array are its numbers'
// bits, and a stack that overflows cannot be caught. Stacks of errors that the engine
// makes have its own form until they are printed. A function made of text, by Function
// or eval, finds in a variable that it shares with functions inside it and has given no
// value what it was called with beyond its parameters.
//
// In virtual time nothing happens while a script computes, unless it asks for the time
// more than a thousand times, which then goes on. What it does when called takes time
// (Config.CallbackTime).
package script
