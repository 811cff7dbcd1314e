package streams

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

const (
	inboxLength = 10_000           // mails kept per node, approximately
	inboxTTL    = 10 * time.Minute // a node that died leaves nothing
)

// Send sends m to a node, which may be this one. What its Kind means is between sender and receiver. A running node gets it
// within milliseconds, and mail from one caller in the order in which it was sent. A node that is not running never gets it,
// and a running one may miss it when Redis fails over to a replica. Send does not need Run. The error wraps
// pandapush.ErrUnavailable or is ctx's; then m may have been sent.
func (s *Streams) Send(ctx context.Context, node string, m pandapush.Mail) error {
	if !isPlain(node) || node == "" || m.Kind == "" {
		return fmt.Errorf("send mail: kind %q to node %q", m.Kind, node)
	}
	inbox := s.keys.inbox(node)
	add := redis.NewStringCmd(ctx, "xadd", inbox, "maxlen", "~", inboxLength, "*",
		"kind", m.Kind, "from", s.cfg.Node, "session", m.Session, "fence", m.Fence, "body", m.Body)
	expire := redis.NewBoolCmd(ctx, "pexpire", inbox, millis(inboxTTL))
	if err := s.of[0].calls.do(ctx, add, expire); err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	if err := add.Err(); err != nil {
		return fmt.Errorf("send mail: %w", unavailable(err))
	}
	s.metrics.mails.WithLabelValues(mailSent).Inc()
	return nil
}

// inboxSink passes mail on.
type inboxSink struct {
	mail  func(pandapush.Mail)
	log   *slog.Logger
	count prometheus.Counter
}

func (i inboxSink) entries(_ pandapush.Epoch, entries []redis.XMessage) {
	for _, e := range entries {
		m, err := decodeMail(e)
		if err != nil {
			i.log.Warn("streams: skipped an entry of the inbox", "id", e.ID, "error", err)
			continue
		}
		i.count.Inc()
		i.mail(m)
	}
}

func (inboxSink) begin(pandapush.Cursor)    {}
func (inboxSink) gap(_, _ pandapush.Cursor) {}

// decodeMail reads an entry of an inbox. The error is errForeign.
func decodeMail(e redis.XMessage) (pandapush.Mail, error) {
	kind, ok1 := e.Values["kind"].(string)
	from, ok2 := e.Values["from"].(string)
	session, ok3 := e.Values["session"].(string)
	number, ok4 := e.Values["fence"].(string)
	body, ok5 := e.Values["body"].(string)
	fence, err := strconv.ParseInt(number, 10, 64)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || kind == "" || err != nil {
		return pandapush.Mail{}, errForeign
	}
	return pandapush.Mail{Kind: kind, From: from, Session: session, Fence: fence, Body: []byte(body)}, nil
}
