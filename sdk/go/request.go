package pandapush

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

const (
	firstPause = 200 * time.Millisecond // bound of the pause after the first failure; it doubles each time
	maxPause   = 10 * time.Second       // and grows no further
	// maxRetryAfter is how long a request waits if the server wants it to. Whoever is sent away for longer is told so instead.
	maxRetryAfter = time.Minute
)

// request is what is sent, as often as it takes. A POST has an Idempotency-Key, so that it may be sent again.
type request struct {
	method, target string // target is path and query
	body           []byte
	header         map[string]string
}

// call sends r until it is answered or refused, and decodes the answer into result. It gives up when ctx ends or after
// Config.Attempts.
func (c *Client) call(ctx context.Context, r request, result any) error {
	for attempt := 1; ; attempt++ {
		err := c.try(ctx, r, result)
		if err == nil || ctx.Err() != nil || !passes(err) {
			return err
		}
		wait, ok := pause(attempt, err)
		if !ok || attempt >= c.config.Attempts {
			return fmt.Errorf("attempt %d: %w", attempt, err)
		}
		if ctxErr := sleep(ctx, wait); ctxErr != nil {
			return errors.Join(ctxErr, err)
		}
	}
}

// try sends r once.
func (c *Client) try(ctx context.Context, r request, result any) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	answer, err := c.send(ctx, r, "application/json")
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return noAnswer(err)
	}
	if answer.StatusCode != http.StatusOK {
		return problem(answer, body)
	}
	if err := json.Unmarshal(body, result); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

// send sends r. The caller closes the answer's body.
func (c *Client) send(ctx context.Context, r request, accept string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, r.method, c.base+r.target, bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("User-Agent", "pandapush-go")
	if c.auth != "" {
		request.Header.Set("Authorization", c.auth)
	}
	if r.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.header {
		if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return nil, fmt.Errorf("%s has a control character in it", name)
		}
		request.Header.Set(name, value)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, noAnswer(err)
	}
	return answer, nil
}

// pause returns how long to wait after a failed attempt: any time up to a bound that doubles, so that clients which failed
// together do not come back together, and at least what the server asked for. It returns false if that is too long.
func pause(attempt int, err error) (time.Duration, bool) {
	wait := rand.N(min(maxPause, firstPause<<min(attempt-1, 10)))
	var e *Error
	if errors.As(err, &e) {
		return wait + e.RetryAfter, e.RetryAfter <= maxRetryAfter
	}
	return wait, true
}

// sleep waits, or returns why ctx has ended before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
