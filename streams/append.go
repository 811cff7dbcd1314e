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
	app := m.Channel.App()
	start := time.Now()
	cursor, err := s.of[bucketOf(app)].appender.append(ctx, m, s.keys.log(app), start)
	if err != nil {
		s.metrics.appendErrors.Inc()
		return pandapush.Cursor{}, fmt.Errorf("append: %w", err)
	}
	s.metrics.appends.Inc()
	s.usage.add(&m)
	s.metrics.appendTime.Observe(time.Since(start).Seconds())
	return cursor, nil
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
	log     string
	since   time.Time
	done    chan struct{} // of capacity one: a worker never waits for a caller that has gone; nil: the caller itself sends

	cmd    xadd
	cursor pandapush.Cursor
	err    error
}

func newAppender(cmd redis.UniversalClient, k keys, maxLen func(pandapush.AppID) int64, m *metrics) *appender {
	return &appender{
		cmd: cmd, keys: k, maxLen: maxLen, metrics: m,
		queue: make(chan *pendingAppend, appendQueue), stopped: make(chan struct{}),
	}
}

func (a *appender) append(ctx context.Context, m pandapush.Message, log string, now time.Time) (pandapush.Cursor, error) {
	p := &pendingAppend{message: m, log: log, since: now, done: make(chan struct{}, 1)}
	if err := a.enqueue(ctx, p); err != nil {
		return pandapush.Cursor{}, err
	}
	return a.await(ctx, p)
}

// await waits for the outcome of p. One that is there counts, even if the caller has gone or the workers have stopped since:
// who is told that a stored message failed sends it again.
func (a *appender) await(ctx context.Context, p *pendingAppend) (pandapush.Cursor, error) {
	var err error
	select {
	case <-p.done:
		return p.cursor, p.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-a.stopped:
		err = unavailable(errNotRunning)
	}
	select {
	case <-p.done:
		return p.cursor, p.err
	default:
		return pandapush.Cursor{}, err
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
	now := time.Now()
	pipe := a.cmd.Pipeline()
	for _, p := range batch {
		// An append that has waited too long would only hold up those behind it, and its caller with it.
		if now.Sub(p.since) > timeout {
			p.err = errBusy
			continue
		}
		p.cmd = newXadd(ctx, p.log, a.maxLen(p.message.Channel.App()), &p.message)
		_ = pipe.Process(ctx, p.cmd) // only queues
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	rest := batch[:0:0]
	for _, p := range batch {
		if p.err == nil && !a.settle(p) {
			rest = append(rest, p)
			continue
		}
		p.settled()
	}
	if len(rest) > 0 {
		a.sendNew(ctx, rest)
	}
}

// settle reads the reply to an XADD, and reports whether that settles the append: not when there is no stream, nor when
// its epoch is not known.
func (a *appender) settle(p *pendingAppend) bool {
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
	finish := make([]func() (pandapush.Cursor, error), len(batch))
	for i, p := range batch {
		app := p.message.Channel.App()
		if p.cursor.Position == (pandapush.Position{}) {
			cmd := eval(ctx, pipe, newAppend(ctx, a.keys, a.maxLen(app), []pandapush.Message{p.message}, pandapush.Condition{}))
			finish[i] = func() (pandapush.Cursor, error) {
				cursors, _, err := appended(app, cmd, 1)
				if err != nil {
					return pandapush.Cursor{}, err
				}
				return cursors[0], nil
			}
			continue
		}
		asked := activate(ctx, pipe, a.keys.app(app), app, pandapush.Position{})
		finish[i] = func() (pandapush.Cursor, error) {
			stream, err := asked.result()
			return pandapush.Cursor{Epoch: stream.epoch, Position: p.cursor.Position}, err
		}
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for i, p := range batch {
		cursor, err := finish[i]()
		if err != nil {
			p.cursor, p.err = pandapush.Cursor{}, unavailable(err)
		} else {
			p.cursor = cursor
			a.epochs.put(p.message.Channel.App(), cursor.Epoch, generation)
		}
		p.settled()
	}
}

// settled tells the caller, if it waits, that p has its outcome.
func (p *pendingAppend) settled() {
	if p.done != nil {
		p.done <- struct{}{}
	}
}

// unavailable marks an error of Redis, or of the way to it.
func unavailable(err error) error { return fmt.Errorf("%w: %w", pandapush.ErrUnavailable, err) }

// epochs remembers the epochs of streams, until a new connection is made: behind it may be a Redis that lost them.
type epochs struct {
	mu    sync.RWMutex
	of    map[pandapush.AppID]pandapush.Epoch
	count uint64 // how often they were forgotten
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

func (e *epochs) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count++
	clear(e.of)
}
