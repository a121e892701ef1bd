package script

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"hash/crc32"
	"io"

	"github.com/dop251/goja"
)

// maxInflated bounds what compressed data may become, in bytes, so that a small
// datagram does not fill the memory.
const maxInflated = 256 << 20

// Errors of decompression, by the names that zlib.js has for them.
var (
	errShort  = errors.New("short")
	errLarge  = errors.New("large")
	errMethod = errors.New("method")
)

// compressBytes compresses data in one of the formats "deflate", "deflateRaw" and
// "gzip", at a level of zlib's.
func compressBytes(format string, data, dictionary []byte, level int) ([]byte, error) {
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch {
	case format == "gzip":
		w, err = gzip.NewWriterLevel(&b, level)
	case format == "deflate" && dictionary != nil:
		w, err = zlib.NewWriterLevelDict(&b, level, dictionary)
	case format == "deflate":
		w, err = zlib.NewWriterLevel(&b, level)
	case dictionary != nil:
		w, err = flate.NewWriterDict(&b, level, dictionary)
	default:
		w, err = flate.NewWriter(&b, level)
	}
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// decompressBytes is the way back, for data of at most limit bytes.
func decompressBytes(format string, data, dictionary []byte, limit int64) ([]byte, error) {
	in := bytes.NewReader(data)
	var r io.Reader
	var err error
	switch format {
	case "gzip":
		r, err = gzip.NewReader(in)
	case "deflate":
		r, err = zlib.NewReaderDict(in, dictionary)
	default:
		r = flate.NewReaderDict(in, dictionary)
	}
	if err != nil {
		if len(data) < 2 {
			err = errShort
		} else if format == "gzip" && (data[0] != 0x1f || data[1] != 0x8b) || errors.Is(err, zlib.ErrHeader) {
			err = errMethod
		} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errShort
		}
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errShort
	case err != nil:
		return nil, err
	case int64(len(out)) > limit:
		return nil, errLarge
	}
	return out, nil
}

// bindZlib is compression of what is there as a whole. What fails is returned as a
// word.
func (r *Runtime) bindZlib(o *goja.Object) {
	result := func(b []byte, err error) goja.Value {
		if err != nil {
			return r.vm.ToValue(err.Error())
		}
		return r.vm.ToValue(r.vm.NewArrayBuffer(b))
	}
	optional := func(v goja.Value) []byte {
		if goja.IsUndefined(v) {
			return nil
		}
		return bytesOf(v)
	}
	o.Set("compress", func(call goja.FunctionCall) goja.Value {
		return result(compressBytes(call.Argument(0).String(), bytesOf(call.Argument(1)), optional(call.Argument(2)), int(call.Argument(3).ToInteger())))
	})
	o.Set("decompress", func(call goja.FunctionCall) goja.Value {
		limit := call.Argument(3).ToInteger()
		if limit <= 0 || limit > maxInflated {
			limit = maxInflated
		}
		return result(decompressBytes(call.Argument(0).String(), bytesOf(call.Argument(1)), optional(call.Argument(2)), limit))
	})
	o.Set("crc32", func(call goja.FunctionCall) goja.Value {
		return r.vm.ToValue(crc32.Update(uint32(call.Argument(1).ToInteger()), crc32.IEEETable, bytesOf(call.Argument(0))))
	})
}
