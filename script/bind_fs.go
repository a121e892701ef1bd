package script

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/dop251/goja"
)

// path makes a script's path absolute.
func (r *Runtime) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.cfg.Dir, name)
}

// maxFile is the longest file that a script can read at once, in bytes.
const maxFile = 256 << 20

// bindFS reads files. Every function returns a negative errno if it fails.
func (r *Runtime) bindFS(o *goja.Object) {
	o.Set("readFile", func(name string) goja.Value {
		f, err := os.Open(r.path(name))
		if err != nil {
			return r.vm.ToValue(uvError(err))
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return r.vm.ToValue(-int(syscall.EISDIR))
		}
		b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
		switch {
		case err != nil:
			return r.vm.ToValue(uvError(err))
		case len(b) > maxFile:
			return r.vm.ToValue(-int(syscall.EFBIG))
		}
		return r.vm.ToValue(r.vm.NewArrayBuffer(b))
	})
	stat := func(get func(string) (os.FileInfo, error)) func(name string) goja.Value {
		return func(name string) goja.Value {
			info, err := get(r.path(name))
			if err != nil {
				return r.vm.ToValue(uvError(err))
			}
			return r.fileInfo(info)
		}
	}
	o.Set("stat", stat(os.Stat))
	o.Set("lstat", stat(os.Lstat))
	o.Set("fstat", func(fd int) goja.Value {
		f, ok := r.fds.get(fd).(*os.File)
		if !ok {
			return r.vm.ToValue(-int(syscall.EBADF))
		}
		info, err := f.Stat()
		if err != nil {
			return r.vm.ToValue(uvError(err))
		}
		return r.fileInfo(info)
	})
	o.Set("realpath", func(name string) goja.Value {
		p, err := filepath.EvalSymlinks(r.path(name))
		if err != nil {
			return r.vm.ToValue(uvError(err))
		}
		return r.vm.ToValue(p)
	})
	o.Set("readdir", func(name string) goja.Value {
		entries, err := os.ReadDir(r.path(name))
		if err != nil {
			return r.vm.ToValue(uvError(err))
		}
		list := make([]any, 0, len(entries))
		for _, e := range entries {
			list = append(list, r.vm.NewArray(e.Name(), e.IsDir(), e.Type()&fs.ModeSymlink != 0))
		}
		return r.vm.NewArray(list...)
	})
	o.Set("open", func(name string) int {
		f, err := os.Open(r.path(name))
		if err != nil {
			return uvError(err)
		}
		fd := r.fds.add(f)
		if fd < 0 {
			f.Close()
			return -int(syscall.EMFILE)
		}
		return fd
	})
	o.Set("read", func(call goja.FunctionCall) goja.Value {
		f, ok := r.fds.get(int(call.Argument(0).ToInteger())).(*os.File)
		if !ok {
			return r.vm.ToValue(-int(syscall.EBADF))
		}
		b := bytesOf(call.Argument(1))
		offset, n := call.Argument(2).ToInteger(), call.Argument(3).ToInteger()
		b = b[min(offset, int64(len(b))):]
		b = b[:min(n, int64(len(b)))]
		var count int
		var err error
		if position := call.Argument(4).ToInteger(); position >= 0 {
			count, err = f.ReadAt(b, position)
		} else {
			count, err = f.Read(b)
		}
		if err != nil && err != io.EOF {
			return r.vm.ToValue(uvError(err))
		}
		return r.vm.ToValue(count)
	})
	o.Set("close", func(fd int) int {
		f, ok := r.fds.get(fd).(*os.File)
		if !ok {
			return -int(syscall.EBADF)
		}
		r.fds.free(fd)
		return uvError(f.Close())
	})
}

func (r *Runtime) fileInfo(info os.FileInfo) goja.Value {
	o := r.vm.NewObject()
	o.Set("size", info.Size())
	o.Set("mtimeMs", float64(info.ModTime().UnixNano())/1e6)
	kind := map[fs.FileMode]uint32{0: syscall.S_IFREG, fs.ModeDir: syscall.S_IFDIR, fs.ModeSymlink: syscall.S_IFLNK,
		fs.ModeSocket: syscall.S_IFSOCK, fs.ModeNamedPipe: syscall.S_IFIFO, fs.ModeDevice: syscall.S_IFBLK,
		fs.ModeDevice | fs.ModeCharDevice: syscall.S_IFCHR}[info.Mode().Type()]
	o.Set("mode", kind|uint32(info.Mode().Perm()))
	return o
}

// readStdin returns standard input: each call of more has the next piece read and f
// called with its bytes, or with nothing at the end. ref decides whether that keeps
// the script alive.
func (r *Runtime) readStdin(call goja.FunctionCall) goja.Value {
	f, _ := goja.AssertFunction(call.Argument(0))
	o := r.vm.NewObject()
	if r.cfg.Stdin == nil {
		o.Set("more", func() { r.loop.SetImmediate(func() { r.call(f) }) })
		o.Set("ref", func(bool) {})
		return o
	}
	alive, err := r.loop.NewAsync(func() {})
	if err != nil {
		r.throw("reading standard input: %w", err)
	}
	alive.Unref()
	want := make(chan struct{}, 1)
	go func() {
		buf := make([]byte, 64<<10)
		for wanted := false; ; {
			// The first piece is read when it is asked for, the next ones before, so
			// that the end is known with the last.
			if !wanted {
				select {
				case <-want:
				case <-r.stopped.Done():
					return
				}
			}
			n, err := r.cfg.Stdin.Read(buf)
			if wanted && n > 0 {
				select {
				case <-want:
				case <-r.stopped.Done():
					return
				}
			}
			wanted = true
			piece := append([]byte(nil), buf[:n]...)
			r.loop.Post(func() {
				if len(piece) > 0 || err == nil {
					r.call(f, r.vm.ToValue(r.vm.NewArrayBuffer(piece)))
				}
				if err != nil && !alive.Closing() {
					alive.Close(nil)
					r.call(f)
				}
			})
			if err != nil {
				return
			}
		}
	}()
	o.Set("more", func() {
		select {
		case want <- struct{}{}:
		default:
		}
	})
	o.Set("ref", func(on bool) {
		switch {
		case alive.Closing():
		case on:
			alive.Ref()
		default:
			alive.Unref()
		}
	})
	return o
}
