package edge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

var errSilence = errors.New("nothing came")

// inbox are the items that a peer has got and the dialogue has not come to yet.
type inbox chan item

func newInbox() inbox { return make(inbox, 10_000) }

func (b inbox) next() (item, error) {
	select {
	case i := <-b:
		return i, nil
	case <-time.After(patience):
		return item{}, errSilence
	}
}

// drain returns what is there.
func (b inbox) drain() (list []item) {
	for {
		select {
		case i := <-b:
			list = append(list, i)
		default:
			return list
		}
	}
}

// httpPeer posts its payloads, one after the other, each to the node whose turn it is.
type httpPeer struct {
	stage *stage
	inbox
	ctx      context.Context //nolint:containedctx // of the peer's requests, until it closes
	abort    context.CancelFunc
	answered chan struct{} // closed when the last request is; nil before the first
}

func newHTTPPeer(s *stage) *httpPeer {
	ctx, abort := context.WithCancel(context.Background())
	return &httpPeer{stage: s, inbox: newInbox(), ctx: ctx, abort: abort}
}

func (p *httpPeer) send(kind, text string) error {
	if kind != "" {
		return fmt.Errorf("an HTTP peer can't send %q", kind)
	}
	if p.answered != nil {
		select {
		case <-p.answered:
		default:
			return errors.New("the last request has not been answered")
		}
		if left := p.drain(); len(left) > 0 {
			return fmt.Errorf("besides: %s", left)
		}
	}
	done := make(chan struct{})
	p.answered = done
	n := p.stage.node()
	go func() {
		defer close(done)
		status, answer, err := n.tryPost(p.ctx, text)
		if err != nil || status != http.StatusOK {
			p.inbox <- item{"failed", fmt.Sprint(status, " ", string(answer), err)}
			return
		}
		p.receive(answer)
	}()
	return nil
}

// receive takes an array of messages.
func (b inbox) receive(array []byte) {
	messages, err := splitMessages(array)
	if err != nil {
		b <- item{"failed", err.Error()}
		return
	}
	for _, m := range messages {
		b <- item{"", m}
	}
	if len(messages) == 0 {
		b <- item{"empty", ""}
	}
}

// next also waits until the whole of a response is there, so that what is left over is seen.
func (p *httpPeer) next() (item, error) {
	if p.answered == nil {
		return item{}, errors.New("nothing was asked")
	}
	select {
	case <-p.answered:
	case <-time.After(patience):
		return item{}, errSilence
	}
	select {
	case i := <-p.inbox:
		return i, nil
	default:
		return item{}, errors.New("the response has no more messages")
	}
}

func (p *httpPeer) close() {
	p.abort()
	if p.answered != nil {
		<-p.answered
	}
}

func (p *httpPeer) rest() ([]item, error) { return p.drain(), nil }

// rawPeer sends one HTTP request as it is written down. If the response is an event stream, it goes on reading that.
type rawPeer struct {
	inbox
	conn     net.Conn
	reader   *bufio.Reader
	response *http.Response
	events   sync.WaitGroup
}

// request sends an HTTP request: a request line, headers, and behind an empty line a body. "%%…%%" is percent-encoded.
func (s *stage) request(st step) error {
	text := encodeMarked(s.names.fill(st.text))
	head, body, _ := strings.Cut(text+"\n", "\n\n")
	body = strings.TrimSuffix(body, "\n")
	first, headers, _ := strings.Cut(head, "\n")
	if !strings.Contains(first, " HTTP/1.") {
		first += " HTTP/1.1"
	}
	var request strings.Builder
	fmt.Fprintf(&request, "%s\r\nHost: test\r\n", first)
	for header := range strings.SplitSeq(headers, "\n") {
		if header != "" {
			fmt.Fprintf(&request, "%s\r\n", header)
		}
	}
	if strings.Contains(headers, "Transfer-Encoding: chunked") {
		request.WriteString("\r\n")
		w := httputil.NewChunkedWriter(&request)
		for rest := body; rest != ""; rest = rest[min(len(rest), 7):] {
			if _, err := io.WriteString(w, rest[:min(len(rest), 7)]); err != nil {
				return err
			}
		}
		if err := w.Close(); err != nil {
			return err
		}
		request.WriteString("\r\n")
	} else {
		if !strings.Contains(headers, "Content-Length: ") && (body != "" || strings.HasPrefix(first, "POST ")) {
			fmt.Fprintf(&request, "Content-Length: %d\r\n", len(body))
		}
		request.WriteString("\r\n" + body)
	}
	if old := s.peers[st.peer]; old != nil {
		if rest, err := old.rest(); err != nil || len(rest) > 0 {
			return fmt.Errorf("besides: %v %w", rest, err)
		}
		old.close()
	}
	conn := s.node().rawConn(s.t)
	s.peers[st.peer] = &rawPeer{inbox: newInbox(), conn: conn, reader: bufio.NewReader(conn)}
	_, err := io.WriteString(conn, request.String())
	return err
}

var marked = regexp.MustCompile(`%%(.*?)%%`)

func encodeMarked(text string) string {
	return marked.ReplaceAllStringFunc(text, func(m string) string { return url.QueryEscape(m[2 : len(m)-2]) })
}

// expectResponse compares a response: the status, headers ("!Name" for one that must not be there), and behind an empty
// line the body. A line "has TEXT" says that the body has that text in it, besides.
func (s *stage) expectResponse(st step) error {
	p, ok := s.peers[st.peer].(*rawPeer)
	if !ok {
		return errors.New("no request was sent")
	}
	lines := strings.Split(st.text, "\n")
	method := http.MethodGet
	if len(lines) > 1 && lines[1] == "to HEAD" {
		method = http.MethodHead
		lines = append(lines[:1], lines[2:]...)
	}
	if err := p.read(method); err != nil {
		return err
	}
	if got := fmt.Sprint(p.response.StatusCode); got != lines[0] {
		return fmt.Errorf("status %s, want %s", got, lines[0])
	}
	i := 1
	for ; i < len(lines) && lines[i] != ""; i++ {
		if err := s.matchHeader(lines[i], p.response.Header); err != nil {
			return err
		}
	}
	if i >= len(lines) {
		return nil
	}
	return s.matchWhole(strings.Join(lines[i+1:], "\n"), p.response)
}

func (p *rawPeer) read(method string) error {
	if err := p.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	var err error
	p.response, err = http.ReadResponse(p.reader, &http.Request{Method: method}) //nolint:bodyclose // rest does
	if err != nil || p.response.Header.Get("Content-Type") != "text/event-stream" {
		return err
	}
	p.events.Go(p.readEvents)
	return p.conn.SetReadDeadline(time.Time{})
}

// readEvents hands on the lines of an event stream: the messages in its data, and "retry" as such. Of ids and comments
// there are other tests.
func (p *rawPeer) readEvents() {
	lines := bufio.NewScanner(p.response.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "data":
			p.receive([]byte(value))
		case "retry":
			p.inbox <- item{"retry", value}
		}
	}
	p.inbox <- item{"end", ""}
}

func (s *stage) matchHeader(want string, got http.Header) error {
	if name, ok := strings.CutPrefix(want, "!"); ok {
		if values := got.Values(name); len(values) > 0 {
			return fmt.Errorf("header %s: %v is there", name, values)
		}
		return nil
	}
	name, value, _ := strings.Cut(want, ": ")
	have := strings.Join(got.Values(name), ", ")
	if mark := s.names.missing(value); mark == value && mark != "" {
		s.names[mark] = have
		return nil
	}
	if value = s.names.fill(value); value != have {
		return fmt.Errorf("header %s: %q, want %q", name, have, value)
	}
	return nil
}

func (s *stage) matchWhole(want string, response *http.Response) error {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var rest []string
	for line := range strings.SplitSeq(want, "\n") {
		part, ok := strings.CutPrefix(line, "has ")
		switch {
		case !ok:
			rest = append(rest, line)
		case !strings.Contains(string(body), s.names.fill(part)):
			return fmt.Errorf("body %q has no %q", body, part)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return s.names.matchBody(strings.Join(rest, "\n"), string(body))
}

func (p *rawPeer) send(string, string) error {
	return errors.New("a peer that sends requests as they are can't do that")
}

// next returns what the stream brings. Behind any other response there is nothing but the end of the connection.
func (p *rawPeer) next() (item, error) {
	if p.streams() {
		return p.inbox.next()
	}
	b, err := p.reader.ReadByte()
	if err == nil {
		return item{}, fmt.Errorf("besides: %q", b)
	}
	if !errors.Is(err, io.EOF) {
		return item{}, err
	}
	return item{"end", ""}, nil
}

func (p *rawPeer) streams() bool {
	return p.response != nil && p.response.Header.Get("Content-Type") == "text/event-stream"
}

func (p *rawPeer) close() {
	_ = p.conn.Close()
	p.events.Wait()
}

func (p *rawPeer) rest() ([]item, error) {
	if p.response != nil && !p.streams() {
		_ = p.response.Body.Close()
	}
	return slices.DeleteFunc(p.drain(), func(i item) bool { return i.kind == "end" }), nil
}
