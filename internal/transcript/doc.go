// Package transcript holds documents to the sessions that they show: it runs the
// commands and compares what is printed.
//
//	transcript.Run(t, "../../docs/tunproxy.md", exec.Command("unshare", "-mn", "bash"))
//
// # How it works
//
// A session is all the blocks of a document that are marked console. A line that
// begins with "$ " or, for root, "# " is a command; the lines behind it are what is
// printed until the next command, on standard output and standard error together.
// "…" in such a line stands for what differs from run to run. [Quotes] holds a
// document's programs to those in a folder.
//
// All commands go to one shell, one after the other. The next one is typed when the
// one before has ended; or, if it ends in "&", when all has been printed that the
// document shows below it.
//
// # Limitations
//
// The shell is bash, and a command is one line. Commands are not asked how they
// ended: who fails should say so.
package transcript
