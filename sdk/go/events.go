package pandapush

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"time"
)

// maxLine bounds a line of an event stream: a message, or a page of a room.
const maxLine = 16 << 20

// rawEvent is an event of a stream, or what stands between two empty lines without being one.
type rawEvent struct {
	kind, data string
	id         string        // "" if it has none
	retry      time.Duration // zero if it has none
}

// readEvents calls each with every event of a stream until that returns false, and then returns nil. It calls beat for every
// line, comments too. What lacks the empty line at its end, because the connection broke, is no event.
func readEvents(stream io.Reader, beat func(), each func(rawEvent) bool) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxLine)
	var (
		e    rawEvent
		data []string
	)
	for lines.Scan() {
		beat()
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			e.data = strings.Join(data, "\n")
			if !each(e) {
				return nil
			}
			e, data = rawEvent{}, nil
		case name == "event":
			e.kind = value
		case name == "data":
			data = append(data, value)
		case name == "id":
			e.id = value
		case name == "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				e.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF // a stream has no end of its own
}
