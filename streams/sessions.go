package streams

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

// maxSessionID bounds the name of a session, in bytes. A longer one does not exist.
const maxSessionID = 128

// CreateSession stores a new session for ttl. The error is pandapush.ErrExists if there is one of that name already, which is
// left alone; pandapush.ErrNotFound if no session can have that name; or it wraps pandapush.ErrUnavailable or is ctx's, and
// then the session may have been stored.
func (s *Streams) CreateSession(ctx context.Context, id string, session pandapush.Session, ttl time.Duration) error {
	fields, err := encodeSession(session)
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	cmd := sessionCreateScript.call(ctx, []string{s.keys.session(id)}, append([]any{millis(ttl)}, fields...)...)
	if err := s.session(ctx, id, cmd); err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	if stored, err := cmd.Int(); err != nil {
		return fmt.Errorf("create session: %w", unavailable(err))
	} else if stored == 0 {
		return fmt.Errorf("create session: %w", pandapush.ErrExists)
	}
	return nil
}

// ClaimSession makes this node the owner of a session, attached by a transport, and extends its life to ttl from now. It
// returns the session with its new Fence: from here on every other node's SaveSession fails. Behind is returned as it was,
// and is set in the record until this node saves it. former is the previous owner, if that is another node that still had
// the session attached: it may know better than the record how far the client has got.
//
// The error is pandapush.ErrNotFound if there is no such session, or it can't be read; or it wraps pandapush.ErrUnavailable
// or is ctx's, and then the session may have been claimed.
func (s *Streams) ClaimSession(ctx context.Context, id, transport string, ttl time.Duration) (claimed pandapush.Session, former string, err error) {
	claimed, former, err = s.claim(ctx, id, transport, ttl)
	switch {
	case err == nil && former != "":
		s.metrics.claims.WithLabelValues(claimTakeover).Inc()
	case err == nil:
		s.metrics.claims.WithLabelValues(claimOK).Inc()
	case errors.Is(err, pandapush.ErrNotFound):
		s.metrics.claims.WithLabelValues(claimGone).Inc()
	default:
		s.metrics.claims.WithLabelValues(claimFailed).Inc()
	}
	if err != nil {
		return pandapush.Session{}, "", fmt.Errorf("claim session: %w", err)
	}
	return claimed, former, nil
}

func (s *Streams) claim(ctx context.Context, id, transport string, ttl time.Duration) (claimed pandapush.Session, former string, err error) {
	cmd := sessionClaimScript.call(ctx, []string{s.keys.session(id)}, s.cfg.Node, millis(ttl), transport)
	if err := s.session(ctx, id, cmd); err != nil {
		return claimed, "", err
	}
	flat, err := cmd.StringSlice()
	if err != nil {
		return claimed, "", unavailable(err)
	}
	if len(flat) == 0 {
		return claimed, "", pandapush.ErrNotFound
	}
	record := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		record[flat[i]] = flat[i+1]
	}
	claimed, err = decodeSession(record)
	if err != nil {
		// Whoever wrote that, the client can only begin anew.
		return claimed, "", fmt.Errorf("%w: %w", pandapush.ErrNotFound, err)
	}
	if claimed.Attached && claimed.Owner != s.cfg.Node {
		former = claimed.Owner
	}
	claimed.Owner, claimed.Attached, claimed.Transport = s.cfg.Node, true, transport
	claimed.Fence++
	return claimed, former, nil
}

// SaveSession writes what the owner of a session knows: the cursors, the Answer, Attached, Behind, and From of the
// subscriptions. What other nodes may have written meanwhile stays: grants, and subscriptions that are not in session; and
// what they have removed stays removed. Cursors of applications without a subscription are dropped. The session's life is
// extended to ttl from now.
//
// The error is pandapush.ErrNotOwner if another node has claimed it since session.Fence, pandapush.ErrNotFound if it has
// ended; or it wraps pandapush.ErrUnavailable or is ctx's, and then it may have been written. Saves of one session must follow
// one another.
func (s *Streams) SaveSession(ctx context.Context, id string, session pandapush.Session, ttl time.Duration) error {
	args := []any{session.Fence, millis(ttl), flag(session.Attached), flag(session.Behind), encodeAnswer(session.Answer), len(session.Cursors)}
	for _, app := range slices.Sorted(maps.Keys(session.Cursors)) {
		args = append(args, string(app), session.Cursors[app].String())
	}
	for _, pattern := range slices.Sorted(maps.Keys(session.Subscriptions)) {
		args = append(args, pattern, cursorText(session.Subscriptions[pattern].From))
	}
	cmd := sessionSaveScript.call(ctx, []string{s.keys.session(id)}, args...)
	err := s.session(ctx, id, cmd)
	if err == nil {
		err = saved(cmd)
	}
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}

func saved(cmd *script) error {
	result, err := cmd.Text()
	switch {
	case err != nil:
		return unavailable(err)
	case result == "gone":
		return pandapush.ErrNotFound
	case result == "lost":
		return pandapush.ErrNotOwner
	}
	return nil
}

// ChangeSubscriptions adds subscriptions to a session, by their patterns, and removes those of the patterns in remove; a
// pattern in both begins anew. Any node may call it. It returns who owns the session and whether it is attached there: that
// node has to be told.
//
// A subscription that is added begins at its From. If that equals the session's cursor for the application, no From is
// stored; if there is no such cursor yet, From becomes it. For a pattern that is there already the grant is replaced, but
// From only if Since is set and it is earlier: a client that wants to see again what it has seen. The cursors of an attached
// session are stored only now and then, so From may be earlier than where its subscription really is; the owner should
// therefore save a session soon after its subscriptions have changed.
//
// A session never has more than limit subscriptions: beyond that the error is pandapush.ErrTooManySubs, and nothing is
// changed. The session's life is not extended. The error may also be pandapush.ErrNotFound, or wrap pandapush.ErrUnavailable
// or be ctx's; in these last two cases the change may have been made.
func (s *Streams) ChangeSubscriptions(
	ctx context.Context, id string, add map[string]pandapush.Subscription, remove []string, limit int,
) (owner string, attached bool, err error) {
	args := make([]any, 0, 2+len(remove)+4*len(add))
	args = append(args, limit, len(remove))
	for _, pattern := range remove {
		args = append(args, pattern)
	}
	for _, pattern := range slices.Sorted(maps.Keys(add)) {
		grant, err := encodeGrant(add[pattern])
		if err != nil {
			return "", false, fmt.Errorf("change subscriptions: %w", err)
		}
		args = append(args, pattern, cursorText(add[pattern].From), flag(add[pattern].Since), grant)
	}
	cmd := sessionChangeScript.call(ctx, []string{s.keys.session(id)}, args...)
	if err = s.session(ctx, id, cmd); err == nil {
		owner, attached, err = changed(cmd)
	}
	if err != nil {
		return "", false, fmt.Errorf("change subscriptions: %w", err)
	}
	return owner, attached, nil
}

func changed(cmd *script) (owner string, attached bool, err error) {
	reply, err := cmd.Slice()
	if err != nil {
		return "", false, unavailable(err)
	}
	switch {
	case len(reply) == 1 && reply[0] == int64(-1):
		return "", false, pandapush.ErrNotFound
	case len(reply) == 1:
		return "", false, pandapush.ErrTooManySubs
	case len(reply) != 3:
		return "", false, fmt.Errorf("session-change.lua returned %d values", len(reply))
	}
	owner, _ = reply[1].(string)
	return owner, reply[2] == "1", nil
}

// EndSession removes a session and its seats in rooms, and returns who owned it and whether it was attached there: that node
// has to be told. The error is pandapush.ErrNotFound if there is none, wraps pandapush.ErrUnavailable or is ctx's; in the
// latter two cases it may have been removed. A seat that could not be given up expires by itself.
func (s *Streams) EndSession(ctx context.Context, id string) (owner string, attached bool, err error) {
	cmd := sessionEndScript.call(ctx, []string{s.keys.session(id)})
	if err := s.session(ctx, id, cmd); err != nil {
		return "", false, fmt.Errorf("end session: %w", err)
	}
	was, err := cmd.StringSlice()
	switch {
	case err != nil:
		return "", false, fmt.Errorf("end session: %w", unavailable(err))
	case len(was) < 2:
		return "", false, fmt.Errorf("end session: %w", pandapush.ErrNotFound)
	}
	if err := s.LeavePresence(ctx, seatsOf(id, was[2:])); err != nil {
		s.log.Debug("streams: seats of a session that ended are left to their time", "error", err)
	}
	return was[0], was[1] == "1", nil
}

// seatsOf returns a session's seats in rooms. Patterns with a wildcard are no rooms.
func seatsOf(session string, rooms []string) []pandapush.Seat {
	var seats []pandapush.Seat
	for _, name := range rooms {
		if room, err := pandapush.ParseChannel(name); err == nil {
			seats = append(seats, pandapush.Seat{Room: room, Session: session})
		}
	}
	return seats
}

// TouchSessions extends the life of sessions to ttl from now, and returns those that no longer exist. The error wraps
// pandapush.ErrUnavailable or is ctx's; then some may not have been reached, and gone has those that are known.
func (s *Streams) TouchSessions(ctx context.Context, ids []string, ttl time.Duration) (gone []string, err error) {
	for b, mine := range s.byBackend(len(ids), func(i int) string { return ids[i] }) {
		commands := make([]redis.Cmder, 0, len(mine))
		touches := make([]*redis.BoolCmd, 0, len(mine))
		for _, i := range mine {
			touch := redis.NewBoolCmd(ctx, "pexpire", s.keys.session(ids[i]), millis(ttl))
			commands, touches = append(commands, touch), append(touches, touch)
		}
		sent, failed := b.calls.doAll(ctx, commands)
		for k, touch := range touches[:sent] {
			alive, err := touch.Result()
			switch {
			case err != nil:
				failed = unavailable(err)
			case !alive:
				gone = append(gone, ids[mine[k]])
			}
		}
		if failed != nil {
			err = fmt.Errorf("touch sessions: %w", failed)
		}
	}
	return gone, err
}

// session sends one command about a session to where that lives. The error is that of calls.do, or pandapush.ErrNotFound
// for a name that no session can have.
func (s *Streams) session(ctx context.Context, id string, cmd redis.Cmder) error {
	if id == "" || len(id) > maxSessionID {
		return pandapush.ErrNotFound
	}
	return s.of[bucketOf(id)].calls.do(ctx, cmd)
}

// byBackend groups the numbers below n by the backend that the session or application of that number lives on.
func (s *Streams) byBackend(n int, name func(int) string) map[*backend][]int {
	sorted := make(map[*backend][]int, len(s.backends))
	for i := range n {
		b := s.of[bucketOf(name(i))]
		sorted[b] = append(sorted[b], i)
	}
	return sorted
}

// millis is d in milliseconds, and at least one: Redis takes no less.
func millis(d time.Duration) int64 { return max(1, d.Milliseconds()) }
