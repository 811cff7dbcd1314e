package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

const (
	// publishPatience is how long a publisher waits for an answer.
	publishPatience = 10 * time.Second
	// afterFailure keeps a publisher that is behind its schedule from asking a dead server again and again.
	afterFailure = 100 * time.Millisecond
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 64 << 10
)

// publisher publishes one message after the other, to all channels by turns.
type publisher struct {
	// Set before it is started, then never changed.
	test    *test
	number  int
	latency *latency // shared with others

	// Owned by run; by everybody once that has returned.
	sent     []int64   // by channel: the number of the newest message
	doubtful [][]int64 // by channel: numbers that were not acknowledged
}

// run publishes until ctx is done: of all publishers' messages, one every second/Rate, those that are this one's. Those that
// were due by then and could not be sent are counted.
func (p *publisher) run(ctx, live context.Context, began time.Time) {
	t := p.test
	i := p.number
	due := func() time.Duration { return time.Duration(float64(i) / t.cfg.Rate * float64(time.Second)) }
	for ; due() < t.cfg.Duration && pause(ctx, due()-time.Since(began)); i += len(t.publishers) {
		p.send(ctx, live, i%len(t.channels), began.Add(due()))
	}
	for end := min(time.Since(began), t.cfg.Duration); due() < end; i += len(t.publishers) {
		t.unsent.Add(1)
	}
}

// send publishes the next message of a channel, and notes what becomes of it.
func (p *publisher) send(ctx, live context.Context, channel int, due time.Time) {
	t := p.test
	p.sent[channel]++
	t.attempted.Add(1)
	err := t.post(live, t.channels[channel], p.body(p.sent[channel], due.Sub(t.zero)))
	if err == nil {
		t.published.Add(1)
		p.latency.record(time.Since(due))
		return
	}
	p.doubtful[channel] = append(p.doubtful[channel], p.sent[channel])
	t.failed.Add(1)
	t.countFailure(kindOf(err))
	pause(ctx, afterFailure)
}

// body returns the data of a message, of the size that was asked for.
func (p *publisher) body(number int64, due time.Duration) []byte {
	const paddingItself = len(`,"pad":""`)
	m := payload{Publisher: p.number, Number: number, Due: int64(due)}
	if missing := p.test.cfg.Size - len(marshal(m)) - paddingItself; missing > 0 {
		m.Padding = strings.Repeat("x", missing)
	}
	return marshal(m)
}

// marshal is json.Marshal for what always can be.
func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// post publishes data on channel. Its error is a refusedError if the server does not want it.
func (t *test) post(ctx context.Context, channel string, data []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.cfg.URL+"/channel"+channel, bytes.NewReader(data))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	t.cfg.sign(request)
	response, err := t.http.Do(request)
	if err != nil {
		return err
	}
	err = refusal(response)
	return errors.Join(err, response.Body.Close())
}

// sign gives a request the credential.
func (c Config) sign(r *http.Request) {
	switch {
	case c.Token != "":
		r.Header.Set("Authorization", "Token "+c.Token)
	case c.Key != "":
		r.SetBasicAuth(string(c.Key), c.Secret.Reveal())
	}
}

// refusal returns what an answer other than 200 says, and otherwise reads it to its end. It is a refusedError if to ask again
// would not help.
func refusal(response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		_, err := io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer))
		return err
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	reason := fmt.Sprintf("%s: %s", response.Status, reasonIn(text))
	if response.StatusCode < 500 && response.StatusCode != http.StatusTooManyRequests {
		return refusedError(reason)
	}
	return errors.New(reason)
}

// reasonIn returns the message of an error in JSON, or the text itself if it is short and not a page.
func reasonIn(answer []byte) string {
	var problem struct{ Message, Detail string }
	switch {
	case json.Unmarshal(answer, &problem) == nil && problem.Message+problem.Detail != "":
		return problem.Message + problem.Detail
	case len(answer) > 200 || bytes.HasPrefix(answer, []byte("<")):
		return "no explanation"
	}
	return strings.TrimSpace(string(answer))
}

// maxReasons bounds the kinds of failures that are told apart.
const maxReasons = 10

// countFailure counts a publish that was not acknowledged, by the kind of failure.
func (t *test) countFailure(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.failures[kind]; !known && len(t.failures) >= maxReasons {
		kind = "other"
	}
	t.failures[kind]++
}

// kindOf returns what kind of failure err is, without addresses and such, so that failures can be counted.
func kindOf(err error) string {
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case ok && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed without an answer"
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	return err.Error()
}
