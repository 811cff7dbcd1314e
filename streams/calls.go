package streams

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

const (
	callWorkers  = 2                // two pipelines in flight: one is filled while Redis works on the other
	callBatch    = 64               // commands in a pipeline: more save little, and the slowest Redis must answer in time
	callQueue    = 1 << 16          // calls that may wait per backend
	callPatience = 10 * time.Second // and for how long, when Redis hangs; a node's sessions all come back in less
)

var errClosed = errors.New("closed")

// calls sends the commands of concurrent callers to one backend in shared pipelines, first come first served: ten thousand
// sessions that come back at once take as many commands, but two connections and a few dozen round trips. Its workers
// live while there is something to send.
type calls struct {
	// Set when made, then never changed.
	cmd   redis.UniversalClient
	batch prometheus.Observer // commands of a pipeline

	working sync.WaitGroup

	mu      sync.Mutex
	waiting []*call          // oldest first
	shared  map[string]*call // those among them that others may wait for as well
	workers int
	closed  bool
}

// call is the commands of one caller. A worker owns them from the moment that it is queued until done is closed.
type call struct {
	commands  []redis.Cmder
	since     time.Time
	done      chan struct{}
	abandoned atomic.Bool // by the caller: nobody wants it any more
	key       string      // under which it is shared, or ""

	err error // why the commands were not sent
}

// do sends commands to Redis, one right after the other but for scripts that Redis did not know, and waits for the
// replies. The error is that of a call that was not sent, which wraps pandapush.ErrUnavailable, or ctx's; then the commands
// must not be touched any more. Each command has its own error.
func (c *calls) do(ctx context.Context, commands ...redis.Cmder) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n := &call{commands: commands, since: time.Now(), done: make(chan struct{})}
	c.mu.Lock()
	err := c.enqueueLocked(n)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case <-n.done:
		return n.err
	case <-ctx.Done():
		n.abandoned.Store(true)
		return ctx.Err()
	}
}

// doShared is do for one command that everybody asks alike under a key, and that changes nothing for who asks again: as
// long as one is waiting to be sent, others wait for it in place of sending another. So what they get is no older than
// their question. It returns the command that was sent; nobody may change it.
func (c *calls) doShared(ctx context.Context, key string, command func() redis.Cmder) (redis.Cmder, error) {
	n, err := c.share(ctx, key, command)
	if err != nil {
		return nil, err
	}
	return n.wait(ctx)
}

// wait is the second half of doShared.
func (n *call) wait(ctx context.Context) (redis.Cmder, error) {
	select {
	case <-n.done:
		if n.err != nil {
			return nil, n.err
		}
		return n.commands[0], nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// share is the first half of doShared: it returns the call that is shared under key.
func (c *calls) share(ctx context.Context, key string, command func() redis.Cmder) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.shared[key]; n != nil {
		return n, nil
	}
	n := &call{commands: []redis.Cmder{command()}, since: time.Now(), done: make(chan struct{}), key: key}
	if err := c.enqueueLocked(n); err != nil {
		return nil, err
	}
	if c.shared == nil {
		c.shared = map[string]*call{}
	}
	c.shared[key] = n
	return n, nil
}

// doAll is do for any number of commands; other callers get their turn in between. It stops at the first error, and says
// how many commands were sent: the others must not be touched any more.
func (c *calls) doAll(ctx context.Context, commands []redis.Cmder) (sent int, err error) {
	for chunk := range slices.Chunk(commands, callBatch) {
		if err := c.do(ctx, chunk...); err != nil {
			return sent, err
		}
		sent += len(chunk)
	}
	return sent, nil
}

func (c *calls) enqueueLocked(n *call) error {
	switch {
	case c.closed:
		return unavailable(errClosed)
	case len(c.waiting) == callQueue:
		return errBusy
	}
	c.waiting = append(c.waiting, n)
	if c.workers < callWorkers {
		c.workers++
		c.working.Go(c.work)
	}
	return nil
}

// close refuses further calls and waits until those that were queued have been answered.
func (c *calls) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.working.Wait()
}

// work sends until nothing waits.
func (c *calls) work() {
	for {
		runtime.Gosched() // callers that were answered just now may call again: fuller pipelines
		batch := c.take()
		if batch == nil {
			return
		}
		c.send(batch)
	}
}

// take returns the calls that make up the next pipeline. If there is none the worker counts as gone.
func (c *calls) take() (batch []*call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, commands := 0, 0
	for n < len(c.waiting) && commands < callBatch {
		commands += len(c.waiting[n].commands)
		n++
	}
	if n == 0 {
		c.workers--
		return nil
	}
	batch = slices.Clone(c.waiting[:n])
	c.waiting = slices.Delete(c.waiting, 0, n)
	for _, taken := range batch {
		if taken.key != "" {
			delete(c.shared, taken.key)
		}
	}
	return batch
}

// send sends a batch in one round trip, and a second one for scripts that Redis did not know.
func (c *calls) send(batch []*call) {
	ctx := context.Background() // the commands of many callers; the clients have timeouts
	now := time.Now()
	pipe := c.cmd.Pipeline()
	for _, n := range batch {
		switch {
		case n.abandoned.Load():
			n.commands = nil
		case now.Sub(n.since) > callPatience:
			n.commands, n.err = nil, errBusy
		}
		for _, command := range n.commands {
			_ = pipe.Process(ctx, command) // only queues
		}
	}
	if pipe.Len() > 0 {
		c.batch.Observe(float64(pipe.Len()))
		_, _ = pipe.Exec(ctx) // each command has its own error
	}
	again := c.cmd.Pipeline()
	for _, n := range batch {
		for _, command := range n.commands {
			if s, ok := command.(*script); ok && redis.HasErrorPrefix(s.Err(), "NOSCRIPT") {
				s.inFull(ctx)
				_ = again.Process(ctx, s)
			}
		}
	}
	if again.Len() > 0 {
		_, _ = again.Exec(ctx)
	}
	for _, n := range batch {
		close(n.done)
	}
}
