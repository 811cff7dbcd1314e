package main

import (
	"net"
	"slices"
	"sync"
	"time"
)

// member is one socket of a channel.
type member struct {
	conn    net.Conn
	channel string
	writer  *writer
}

// prepared is a frame for all sockets of a channel.
type prepared struct {
	channel string
	frame   []byte
}

// writer writes to its share of the sockets, one after the other. With a rest it lets frames gather between two rounds, and
// then writes all that a socket gets at once.
type writer struct {
	rest time.Duration
	wake chan struct{}

	mu       sync.Mutex
	channels map[string]map[*member]struct{}
	queue    []prepared
}

func newWriter(rest time.Duration) *writer {
	return &writer{rest: rest, wake: make(chan struct{}, 1), channels: map[string]map[*member]struct{}{}}
}

func (w *writer) add(m *member) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.channels[m.channel] == nil {
		w.channels[m.channel] = map[*member]struct{}{}
	}
	w.channels[m.channel][m] = struct{}{}
}

func (w *writer) remove(m *member) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.channels[m.channel], m)
	if len(w.channels[m.channel]) == 0 {
		delete(w.channels, m.channel)
	}
}

func (w *writer) post(p prepared) {
	w.mu.Lock()
	if len(w.channels[p.channel]) > 0 {
		w.queue = append(w.queue, p)
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default: // it is awake
	}
}

// run writes until the process ends. A frame that comes after a quiet time is written at once; then the writer rests.
func (w *writer) run() {
	for range w.wake {
		for channel, frames := range w.take() {
			w.write(channel, frames)
		}
		if w.rest > 0 {
			time.Sleep(w.rest)
		}
	}
}

// take returns what is queued, by channel: frames by themselves, or all in one.
func (w *writer) take() map[string][][]byte {
	w.mu.Lock()
	queue := w.queue
	w.queue = nil
	w.mu.Unlock()
	out := map[string][][]byte{}
	for _, p := range queue {
		if frames := out[p.channel]; w.rest > 0 && len(frames) > 0 {
			frames[0] = append(slices.Clip(frames[0]), p.frame...)
			continue
		}
		out[p.channel] = append(out[p.channel], p.frame)
	}
	return out
}

func (w *writer) write(channel string, frames [][]byte) {
	w.mu.Lock()
	members := make([]*member, 0, len(w.channels[channel]))
	for m := range w.channels[channel] {
		members = append(members, m)
	}
	w.mu.Unlock()
	for _, frame := range frames {
		for _, m := range members {
			_, _ = m.conn.Write(frame) // a socket that is broken is told to OnClose
		}
	}
}
