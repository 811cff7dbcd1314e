package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pandapush/pandapush"
)

const (
	typeLines = "application/x-ndjson"

	streamIdle  = 5 * time.Minute  // a stream without a line for so long is over
	streamWrite = 30 * time.Second // and one whose client does not read its answers

	groupLines = 256 // lines that are stored together, if so many have come
	groupBytes = 1 << 20
	lineExtra  = 4 << 10 // what a line may have beside its payload, in bytes
)

// stream is POST /batch/<app> with a message a line, and a line of answer to each as they are stored. It is over when the
// body is. A line that is not whole is not stored.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, grant pandapush.Grant) error {
	for _, name := range []string{headerOnceKey, headerIfMatch} {
		if r.Header.Get(name) != "" {
			return badParam(name, "Is not for streams of lines")
		}
	}
	body, err := inflated(r.Header, r.Body)
	if err != nil {
		return err
	}
	sendContinue(w, r)
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", typeLines)
	w.Header().Set("X-Accel-Buffering", "no") // nginx would collect the answers
	w.WriteHeader(http.StatusOK)
	limit := int(s.maxMessage(grant.App)) + lineExtra
	l := &lines{
		server: s, request: r, grant: grant, control: control,
		reader: bufio.NewReaderSize(body, min(limit+1, 64<<10)), limit: limit,
	}
	stop := context.AfterFunc(s.drained, func() { _ = control.SetReadDeadline(time.Unix(1, 0)) }) // ends the read under way
	defer stop()
	if l.answer(w, nil) {
		l.run(w)
	}
	_ = control.SetWriteDeadline(time.Time{}) // the connection may serve other requests; net/http does not take it back
	return nil
}

// answerEarly has an answer leave before the request's body has ended, be it that to the first line or a refusal: net/http would
// read on until then. HTTP/2 can do it without being told.
func answerEarly(w http.ResponseWriter) error {
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("answer while reading: %w", err)
	}
	return nil
}

// sendContinue asks a client for the body that it has offered to wait with. net/http does so only if the body is read before
// the answer begins, and curl would wait a second for it.
func sendContinue(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		return
	}
	for { // echo's writer takes any status for the answer's
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			w.WriteHeader(http.StatusContinue)
			return
		}
		w = outer.Unwrap()
	}
}

// lines is one stream of lines. It has one goroutine, that of its request: it reads what has come, stores that, and answers,
// so a client that sends faster than Redis takes it has to wait.
type lines struct {
	server  *Server
	request *http.Request
	grant   pandapush.Grant
	control *http.ResponseController
	reader  *bufio.Reader
	limit   int // bytes of a line

	err error // why reading has ended
}

// run serves the stream.
func (l *lines) run(w http.ResponseWriter) {
	for l.err == nil {
		group := l.read()
		if len(group) == 0 {
			continue
		}
		if !l.answer(w, l.store(group)) {
			return // the client is gone; it finds out what is stored when it asks
		}
	}
	if p, ok := errors.AsType[*problem](l.err); ok { // it is what the client sent
		l.answer(w, answerLine(nil, p))
	}
}

// answer sends lines of answer, and reports whether the client may still be there.
func (l *lines) answer(w http.ResponseWriter, text []byte) bool {
	// Where the connection knows no deadlines nobody can be waited for in vain either.
	_ = l.control.SetWriteDeadline(time.Now().Add(streamWrite))
	if _, err := w.Write(text); err != nil {
		return false
	}
	err := l.control.Flush()
	return err == nil || errors.Is(err, http.ErrNotSupported)
}

var errLineTooLong = &problem{kind: kindTooLarge, detail: "The line is too long, and the stream is over"}

// read waits for a line, and returns it with those that have come behind it. Lines of nothing but space are left out.
func (l *lines) read() (group [][]byte) {
	_ = l.control.SetReadDeadline(time.Now().Add(streamIdle)) // see run
	if l.server.drained.Err() != nil {
		l.err = context.Cause(l.server.drained)
		return nil
	}
	// No more than the limits let through at once: the answers to the first ones must not wait for the last.
	for size, most := 0, l.portion(); len(group) < most && size < groupBytes; {
		line, err := l.line()
		if len(bytes.TrimSpace(line)) > 0 && (err == nil || errors.Is(err, io.EOF)) {
			group = append(group, line)
			size += len(line)
		}
		if err != nil {
			l.err = err
			break
		}
		if buffered, _ := l.reader.Peek(l.reader.Buffered()); bytes.IndexByte(buffered, '\n') < 0 {
			break
		}
	}
	return group
}

// line reads a line. The last one needs no line feed, if the body has come to its proper end.
func (l *lines) line() ([]byte, error) {
	var line []byte
	for {
		part, err := l.reader.ReadSlice('\n')
		if line = append(line, part...); len(line) > l.limit {
			return nil, errLineTooLong
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// store appends the messages of a group that are right, and returns the lines of answer to all of them.
func (l *lines) store(group [][]byte) []byte {
	failed := make([]error, len(group))
	messages := make([]pandapush.Message, 0, len(group))
	grant, err := l.server.verify(l.request, l.grant.App) // it may have been revoked since
	for i, line := range group {
		if failed[i] = err; err == nil {
			messages, failed[i] = l.appendLine(messages, grant, line)
		}
	}
	cursors, err := l.append(messages)
	var answers []byte
	for i, next := 0, 0; i < len(group); i++ {
		if failed[i] != nil {
			answers = answerLine(answers, failed[i])
			continue
		}
		if next < len(cursors) && cursors[next].Epoch != "" {
			answers = append(append(append(answers, `{"id":"`...), cursors[next].String()...), "\"}\n"...)
		} else {
			answers = answerLine(answers, err)
		}
		next++
	}
	return answers
}

// appendLine checks a line and appends its message to messages.
func (l *lines) appendLine(messages []pandapush.Message, grant pandapush.Grant, line []byte) ([]pandapush.Message, error) {
	if !utf8.Valid(line) {
		return messages, badRequest("Invalid UTF-8 at byte " + strconv.Itoa(invalidUTF8(line)))
	}
	e, err := parseEntry(line)
	if err == nil && e.Channels != nil {
		err = inField(badRequest("A line has one channel"), "/channels")
	}
	if err != nil {
		return messages, err
	}
	with, err := l.server.appendEntry(messages, grant, e)
	if err != nil {
		return messages, err
	}
	return with, nil
}

// append stores messages, as fast as the limits allow.
func (l *lines) append(messages []pandapush.Message) (cursors []pandapush.Cursor, err error) {
	for len(messages) > 0 && err == nil {
		portion := messages[:min(len(messages), l.portion())]
		if err = l.await(len(portion)); err != nil {
			break
		}
		var stored []pandapush.Cursor
		stored, err = l.server.config.Stream.AppendAll(l.request.Context(), portion)
		cursors, messages = append(cursors, stored...), messages[len(portion):]
	}
	return cursors, err
}

// portion returns how many messages may be stored together under the limits.
func (l *lines) portion() int {
	most := groupLines
	for _, limit := range l.server.limitsOf(l.grant) {
		most = min(most, limit.rate.burst())
	}
	return most
}

// await waits until n messages are within the limits: a stream is slowed down where a single request is refused.
func (l *lines) await(n int) error {
	for {
		var p *problem
		err := l.server.spend(l.request.Context(), http.Header{}, l.grant, n)
		if !errors.As(err, &p) || p.kind != kindRate {
			return err
		}
		select {
		case <-time.After(p.retry):
		case <-l.request.Context().Done():
			return err
		case <-l.server.drained.Done():
			return err
		}
	}
}

// answerLine appends the answer to a line that is not stored.
func answerLine(to []byte, err error) []byte {
	if err == nil {
		err = errInternal
	}
	return append(append(to, marshal(problemOf(err).document())...), '\n')
}
