package streams

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

const (
	appendWorkers = 2    // two pipelines in flight: one is filled while Redis works on the other
	appendQueue   = 4096 // appends that may wait per backend
	maxBatch      = 256  // appends in a pipeline
	maxBatchBytes = 1 << 20
)

var (
	errBusy       = fmt.Errorf("%w: too much is waiting", pandapush.ErrUnavailable)
	errNotRunning = errors.New("not running")
)

// Append adds m to its application's stream and returns where it stands there. When it returns without an error, Redis
// has acknowledged the entry. It needs Run to be running, and is safe for concurrent use; concurrent appends share
// pipelines. m.Cursor is ignored and m.Data must be JSON, which is not checked, and must not be changed afterwards.
//
// The error wraps pandapush.ErrUnavailable when Redis does not answer, after a few seconds at most, or refuses; or it is
// ctx's when that ends first. Either way the entry may or may not have been stored: nothing is tried twice.
func (s *Streams) Append(ctx context.Context, m pandapush.Message) (pandapush.Cursor, error) {
	cursor, _, err := s.append(ctx, m, pandapush.Condition{})
	if err != nil {
		return pandapush.Cursor{}, fmt.Errorf("append: %w", err)
	}
	return cursor, nil
}

// append appends m, and under a key only if that has not been done before, which it reports.
func (s *Streams) append(ctx context.Context, m pandapush.Message, once pandapush.Condition) (at pandapush.Cursor, repeated bool, err error) {
	app, start := m.Channel.App(), time.Now()
	at, repeated, err = s.of[bucketOf(app)].appender.append(ctx, m, once, start)
	s.count([]pandapush.Message{m}, start, repeated, err)
	return at, repeated, err
}

// count keeps the numbers of an append that began at start.
func (s *Streams) count(messages []pandapush.Message, start time.Time, repeated bool, err error) {
	switch {
	case errors.Is(err, pandapush.ErrUnavailable):
		s.metrics.appendErrors.Inc()
	case err != nil: // refused, or given up
	case repeated:
		s.metrics.repeats.Add(float64(len(messages)))
	default:
		s.metrics.appends.Add(float64(len(messages)))
		for i := range messages {
			s.usage.add(&messages[i])
		}
		s.metrics.appendTime.Observe(time.Since(start).Seconds())
	}
}

// appender sends the appends of one backend: a queue and the workers that empty it.
type appender struct {
	// Set before Run, then never changed.
	cmd     redis.UniversalClient
	keys    keys
	maxLen  func(pandapush.AppID) int64
	metrics *metrics
	queue   chan *pendingAppend
	stopped chan struct{} // closed when no worker is left

	epochs epochs
}

// pendingAppend is one message to be appended. The caller owns it before it is queued and after done has fired, a worker
// between.
type pendingAppend struct {
	message pandapush.Message
	once    pandapush.Condition // if it has a key, that must not have been used; it has nothing else than what belongs to the key
	since   time.Time
	done    chan struct{} // of capacity one: a worker never waits for a caller that has gone; nil: the caller itself sends

	cmd      xadd // without a key
	cursor   pandapush.Cursor
	repeated bool
	err      error
}

// pendingAppends are those that no worker has any more, with their channels.
var pendingAppends = sync.Pool{New: func() any { return &pendingAppend{done: make(chan struct{}, 1)} }}

func newAppender(cmd redis.UniversalClient, k keys, maxLen func(pandapush.AppID) int64, m *metrics) *appender {
	return &appender{
		cmd: cmd, keys: k, maxLen: maxLen, metrics: m,
		queue: make(chan *pendingAppend, appendQueue), stopped: make(chan struct{}),
	}
}

func (a *appender) append(
	ctx context.Context, m pandapush.Message, once pandapush.Condition, now time.Time,
) (at pandapush.Cursor, repeated bool, err error) {
	if err := ctx.Err(); err != nil {
		return at, false, err
	}
	p := pendingAppends.Get().(*pendingAppend) //nolint:errcheck,forcetypeassert // the pool holds nothing else
	*p = pendingAppend{message: m, once: once, since: now, done: p.done}
	if err := a.enqueue(ctx, p); err != nil {
		return at, false, err
	}
	if err := a.await(ctx, p); err != nil {
		return at, false, err // a worker may have p yet
	}
	at, repeated, err = p.cursor, p.repeated, p.err
	*p = pendingAppend{done: p.done}
	pendingAppends.Put(p)
	return at, repeated, err
}

// await waits until p has its outcome. One that is there counts, even if the caller has gone or the workers have stopped
// since: who is told that a stored message failed sends it again.
func (a *appender) await(ctx context.Context, p *pendingAppend) (err error) {
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-a.stopped:
		err = unavailable(errNotRunning)
	}
	select {
	case <-p.done:
		return nil
	default:
		return err
	}
}

func (a *appender) enqueue(ctx context.Context, p *pendingAppend) error {
	select {
	case a.queue <- p:
		return nil
	default:
	}
	full := time.NewTimer(timeout)
	defer full.Stop()
	select {
	case a.queue <- p:
		return nil
	case <-full.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	case <-a.stopped:
		return unavailable(errNotRunning)
	}
}

// run works until ctx ends and then answers what is still queued.
func (a *appender) run(ctx context.Context) {
	defer close(a.stopped)
	var workers sync.WaitGroup
	for range appendWorkers {
		workers.Go(func() { a.work(ctx) })
	}
	workers.Wait()
}

func (a *appender) work(ctx context.Context) {
	batch := make([]*pendingAppend, 0, maxBatch)
	for {
		select {
		case first := <-a.queue:
			runtime.Gosched() // callers that were answered just now get to append again: a fifth more per second
			batch = a.fill(append(batch[:0], first))
		case <-ctx.Done():
			if batch = a.fill(batch[:0]); len(batch) == 0 {
				return
			}
		}
		// What has been taken is sent even when ctx ends: its callers wait for an answer.
		a.send(context.WithoutCancel(ctx), batch)
		clear(batch)
	}
}

// fill adds what is waiting, without waiting for more: under load a batch grows by itself while the one before it is on
// its way, and a timer of less than a millisecond does not exist.
func (a *appender) fill(batch []*pendingAppend) []*pendingAppend {
	size := 0
	for len(batch) < maxBatch && size < maxBatchBytes {
		select {
		case p := <-a.queue:
			batch = append(batch, p)
			size += len(p.message.Data)
		default:
			return batch
		}
	}
	return batch
}

// send appends a batch in one round trip, and a second one for streams that are new to this node.
func (a *appender) send(ctx context.Context, batch []*pendingAppend) {
	a.metrics.batchSize.Observe(float64(len(batch)))
	now, generation := time.Now(), a.epochs.generation()
	pipe := a.cmd.Pipeline()
	var together []*onceCall
	for _, p := range batch {
		// An append that has waited too long would only hold up those behind it, and its caller with it.
		if now.Sub(p.since) > timeout {
			p.err = errBusy
			continue
		}
		if p.once.Key != "" {
			together = addOnce(together, p)
			continue
		}
		app := p.message.Channel.App()
		p.cmd = newXadd(ctx, a.keys.log(app), a.maxLen(app), &p.message)
		_ = pipe.Process(ctx, p.cmd) // only queues
	}
	for _, c := range together {
		c.cmd = a.newAppendOnce(ctx, c)
		_ = pipe.Process(ctx, c.cmd) // only queues
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for _, c := range together {
		a.settleOnce(c, generation)
	}
	settled, rest := batch[:0], batch[:0:0]
	for _, p := range batch {
		if p.err == nil && !a.settle(p) {
			rest = append(rest, p)
		} else {
			settled = append(settled, p)
		}
	}
	a.finish(settled)
	if len(rest) > 0 {
		a.sendNew(ctx, rest)
		a.finish(rest)
	}
}

// settle reads the reply to an XADD, and reports whether that settles the append: not when there is no stream, nor when
// its epoch is not known. An append under a key has been settled by settleOnce, or not at all.
func (a *appender) settle(p *pendingAppend) bool {
	if p.once.Key != "" {
		return p.cursor != pandapush.Cursor{}
	}
	id, err := p.cmd.Result()
	if errors.Is(err, redis.Nil) {
		return false
	}
	if err != nil {
		p.err = unavailable(err)
		return true
	}
	if p.cursor.Position, err = pandapush.ParsePosition(id); err != nil {
		p.err = fmt.Errorf("id of the new entry: %w", err)
		return true
	}
	var known bool
	p.cursor.Epoch, known = a.epochs.get(p.message.Channel.App())
	return known
}

// sendNew appends to streams that did not exist, and asks for the epochs of those that did.
func (a *appender) sendNew(ctx context.Context, batch []*pendingAppend) {
	generation := a.epochs.generation()
	pipe := a.cmd.Pipeline()
	finish := make([]func() (at pandapush.Cursor, repeated bool, err error), len(batch))
	for i, p := range batch {
		app := p.message.Channel.App()
		if p.cursor.Position == (pandapush.Position{}) {
			cmd := eval(ctx, pipe, newAppend(ctx, a.keys, a.maxLen(app), []pandapush.Message{p.message}, p.once))
			finish[i] = func() (at pandapush.Cursor, repeated bool, err error) {
				cursors, repeated, err := appended(app, cmd, 1)
				if err != nil {
					return at, false, err
				}
				return cursors[0], repeated, nil
			}
			continue
		}
		asked := activate(ctx, pipe, a.keys.app(app), app, a.epochs.last(app))
		finish[i] = func() (pandapush.Cursor, bool, error) {
			stream, err := asked.result()
			if err != nil {
				err = unavailable(err)
			}
			return pandapush.Cursor{Epoch: stream.epoch, Position: p.cursor.Position}, false, err
		}
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for i, p := range batch {
		if p.cursor, p.repeated, p.err = finish[i](); p.err != nil {
			p.cursor = pandapush.Cursor{}
		} else {
			a.epochs.put(p.message.Channel.App(), p.cursor.Epoch, generation)
		}
	}
}

// finish tells those callers that wait that their appends have an outcome.
func (a *appender) finish(batch []*pendingAppend) {
	a.epochs.appended(batch)
	for _, p := range batch {
		if p.done != nil {
			p.done <- struct{}{}
		}
	}
}

// unavailable marks an error of Redis, or of the way to it.
func unavailable(err error) error { return fmt.Errorf("%w: %w", pandapush.ErrUnavailable, err) }

// epochs remembers the epochs of streams, until a new connection is made: behind it may be a Redis that lost them.
type epochs struct {
	mu       sync.RWMutex
	of       map[pandapush.AppID]pandapush.Epoch
	newest   map[pandapush.AppID]pandapush.Cursor // that was appended; never forgotten, so that a loss is noticed
	scripted map[pandapush.AppID]bool             // whether the Redis of the stream knows append-once.lua by its hash
	count    uint64                               // how often they were forgotten
}

func (e *epochs) get(app pandapush.AppID) (pandapush.Epoch, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	epoch, ok := e.of[app]
	return epoch, ok
}

func (e *epochs) generation() uint64 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.count
}

// put remembers an epoch that was asked for in the given generation, unless a connection has been made since.
func (e *epochs) put(app pandapush.AppID, epoch pandapush.Epoch, generation uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.count != generation {
		return
	}
	if e.of == nil {
		e.of = make(map[pandapush.AppID]pandapush.Epoch)
	}
	e.of[app] = epoch
}

func (e *epochs) hasScript(app pandapush.AppID) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.scripted[app]
}

// setScript remembers what a call in the given generation has shown.
func (e *epochs) setScript(app pandapush.AppID, known bool, generation uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.count != generation || e.scripted[app] == known {
		return
	}
	if e.scripted == nil {
		e.scripted = make(map[pandapush.AppID]bool)
	}
	e.scripted[app] = known
}

// appended notes what has been appended.
func (e *epochs) appended(batch []*pendingAppend) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range batch {
		if p.err == nil && !p.repeated {
			e.noteLocked(p.message.Channel.App(), p.cursor)
		}
	}
}

func (e *epochs) noteLocked(app pandapush.AppID, at pandapush.Cursor) {
	if before := e.newest[app]; before.Epoch == at.Epoch && before.Position.Compare(at.Position) >= 0 {
		return // two batches may be under way at a time
	}
	if e.newest == nil {
		e.newest = make(map[pandapush.AppID]pandapush.Cursor)
	}
	e.newest[app] = at
}

// last returns where the newest entry is that was appended to a stream from here, or zero if none was.
func (e *epochs) last(app pandapush.AppID) pandapush.Cursor {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.newest[app]
}

// note is appended for one stream.
func (e *epochs) note(app pandapush.AppID, at pandapush.Cursor) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.noteLocked(app, at)
}

func (e *epochs) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count++
	clear(e.of)
	clear(e.scripted)
}
