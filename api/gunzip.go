package api

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
)

// gunzip decompresses a body of one gzip member or more, which are one text. Unlike a gzip.Reader it reads nothing before it
// is asked to, and gives what a member ends with before it looks for the next: a client that is sending may be waiting for
// the answer to that. The errors are problems, or those of reading.
type gunzip struct {
	from   *bufio.Reader // what is behind a member stays in it
	reader *gzip.Reader  // nil before the first member
	within bool          // a member has begun and not ended
}

var errNoGzip = badRequest("The body is not gzip")

// Read implements io.Reader.
func (g *gunzip) Read(p []byte) (n int, err error) {
	for n == 0 && err == nil && len(p) > 0 {
		if !g.within {
			if err := g.next(); err != nil {
				return 0, err
			}
		}
		n, err = g.reader.Read(p)
		if errors.Is(err, io.EOF) {
			g.within, err = false, nil
		}
	}
	if badGzip(err) {
		err = errCutShort
	}
	return n, err
}

// next begins a member. The error is io.EOF if there is no other.
func (g *gunzip) next() (err error) {
	first := g.reader == nil
	if first {
		g.reader, err = gzip.NewReader(g.from)
	} else {
		err = g.reader.Reset(g.from)
	}
	switch {
	case err == nil:
		g.within = true
		g.reader.Multistream(false)
	case first && (badGzip(err) || errors.Is(err, io.EOF)):
		return errNoGzip
	case badGzip(err):
		return errCutShort
	}
	return err
}

// badGzip reports whether an error is about what was read, and not about reading.
func badGzip(err error) bool {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	return corrupt || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF)
}
