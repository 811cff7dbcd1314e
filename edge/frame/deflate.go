package frame

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"strings"
	"sync"
)

// Compression is permessage-deflate (RFC 7692) without context takeover: each message is compressed by itself. So a
// connection has nothing to keep between two messages, and a message that many get is compressed once.

// AcceptsDeflate reports whether among the extensions that a client offers, the values of Sec-WebSocket-Extensions, there
// is a permessage-deflate that can be answered with server_no_context_takeover and client_no_context_takeover alone.
func AcceptsDeflate(offers []string) bool {
	for offer := range strings.SplitSeq(strings.Join(offers, ","), ",") {
		name, parameters, _ := strings.Cut(offer, ";")
		if strings.TrimSpace(name) == "permessage-deflate" && acceptable(parameters) {
			return true
		}
	}
	return false
}

// acceptable reports whether the parameters of an offer ask for nothing that this side can't do: a smaller window of its
// own is one such thing.
func acceptable(parameters string) bool {
	if strings.TrimSpace(parameters) == "" {
		return true
	}
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, _, _ := strings.Cut(parameter, "=")
		switch strings.TrimSpace(name) {
		case "server_no_context_takeover", "client_no_context_takeover", "client_max_window_bits":
		default:
			return false
		}
	}
	return true
}

// syncMarker ends what is flushed. Messages travel without it.
const syncMarker = "\x00\x00\xff\xff"

// Deflater compresses messages. The zero Deflater is ready; it keeps about 1 MiB once it has been used. It is not safe for
// concurrent use.
type Deflater struct {
	writer *flate.Writer
	out    bytes.Buffer
}

// Append appends a frame with a whole message, compressed.
func (d *Deflater) Append(dst []byte, opcode Opcode, payload []byte) []byte {
	d.out.Reset()
	if d.writer == nil {
		d.writer, _ = flate.NewWriter(&d.out, flate.BestSpeed) // fails for a wrong level only
	} else {
		d.writer.Reset(&d.out)
	}
	_, _ = d.writer.Write(payload) // a buffer takes everything
	_ = d.writer.Flush()
	packed := bytes.TrimSuffix(d.out.Bytes(), []byte(syncMarker))
	return append(AppendHeader(dst, opcode, true, len(packed)), packed...)
}

// Inflater decompresses messages. The zero Inflater is ready. It is safe for concurrent use.
type Inflater struct{ readers sync.Pool }

// Inflate returns what a compressed payload holds, but no more than limit bytes: ErrTooLarge. The error may also be
// ErrDeflate.
func (i *Inflater) Inflate(payload []byte, limit int) ([]byte, error) {
	// Behind the marker comes an empty last block, so that the end is found.
	packed := io.MultiReader(bytes.NewReader(payload), strings.NewReader(syncMarker+"\x01\x00\x00\xff\xff"))
	reader, ok := i.readers.Get().(io.ReadCloser)
	if !ok {
		reader = flate.NewReader(packed)
	} else if err := reader.(flate.Resetter).Reset(packed, nil); err != nil { //nolint:errcheck,forcetypeassert // flate says that it is one
		return nil, errors.Join(ErrDeflate, err)
	}
	defer i.readers.Put(reader)
	text, err := io.ReadAll(io.LimitReader(reader, int64(limit)+1))
	switch {
	case len(text) > limit:
		return nil, ErrTooLarge
	case err != nil:
		return nil, ErrDeflate
	}
	return text, nil
}
