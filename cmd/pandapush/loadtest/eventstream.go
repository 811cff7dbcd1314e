package loadtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// eventStream is the transport of readers of server-sent events. Each has a connection of its own, as browsers' do with
// HTTP/1.1.
type eventStream struct {
	cfg  Config
	http *http.Client
}

func newEventStream(cfg Config) *eventStream {
	dialer := net.Dialer{Timeout: dialPatience}
	return &eventStream{cfg, &http.Client{Transport: &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: dialPatience, ResponseHeaderTimeout: dialPatience,
		DisableKeepAlives: true, ReadBufferSize: readBuffer, WriteBufferSize: readBuffer,
	}}}
}

// follow is part of transport.
func (e *eventStream) follow(ctx context.Context, s *subscriber) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.cfg.URL+"/channel"+s.name, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	if s.cursor != "" {
		request.Header.Set("Last-Event-ID", s.cursor)
	}
	e.cfg.sign(request)
	response, err := e.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("follow %s: %w", s.name, refusal(response))
	}
	if kind := response.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		return refusedError(fmt.Sprintf("follow %s: the server answered with %s instead of an event stream", s.name, kind))
	}
	lines := bufio.NewReaderSize(response.Body, 4096)
	for {
		event, err := readEvent(lines)
		if err != nil {
			return err
		}
		quiet.Reset(silence)
		if err := s.handle(event); err != nil {
			return err
		}
	}
}

// event is one server-sent event.
type event struct {
	name, id string
	data     []byte
}

// readEvent reads up to the next empty line.
func readEvent(lines *bufio.Reader) (e event, err error) {
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the server ended the stream")
			}
			return e, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return e, nil
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			e.name = string(value)
		case "id":
			e.id = string(value)
		case "data":
			e.data = append(e.data, value...)
		}
	}
}

// handle takes an event.
func (s *subscriber) handle(e event) error {
	if e.name == "end" {
		return refusedError(fmt.Sprintf("the server ended the stream of %s: %s", s.name, e.data))
	}
	if e.id != "" {
		s.cursor = e.id
		s.attached()
	}
	if e.name != "" || len(e.data) == 0 {
		return nil
	}
	var m struct {
		Channel string  `json:"channel"`
		Data    payload `json:"data"`
	}
	if err := json.Unmarshal(e.data, &m); err != nil {
		return fmt.Errorf("an event that is no message: %w", err)
	}
	if m.Channel == s.name {
		s.received(m.Data)
	}
	return nil
}
