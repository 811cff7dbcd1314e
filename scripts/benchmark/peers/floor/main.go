package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"
)

func main() {
	rest := flag.Duration("coalesce", 0, "wait up to `DURATION` between two rounds of writing; 0 writes each message by itself")
	flag.Parse()
	if err := serve(*rest); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func serve(rest time.Duration) error {
	f := newFloor(rest)
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // does not block
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /push", f.push)
	mux.HandleFunc("POST /publish", f.publish)
	server := http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	return server.Serve(l)
}

// floor is the server. Its sockets are spread over as many writers as there are cores.
type floor struct {
	gws.BuiltinEventHandler

	upgrader *gws.Upgrader
	writers  []*writer
	next     atomic.Uint64
}

func newFloor(rest time.Duration) *floor {
	f := &floor{}
	f.upgrader = gws.NewUpgrader(f, &gws.ServerOption{ReadBufferSize: 512})
	for range runtime.GOMAXPROCS(0) {
		w := newWriter(rest)
		go w.run()
		f.writers = append(f.writers, w)
	}
	return f
}

func (f *floor) push(w http.ResponseWriter, r *http.Request) {
	socket, err := f.upgrader.Upgrade(w, r)
	if err != nil {
		return // the client has been told
	}
	s := &member{conn: socket.NetConn(), channel: r.URL.Query().Get("channel"), writer: f.writers[f.next.Add(1)%uint64(len(f.writers))]}
	socket.Session().Store("member", s)
	s.writer.add(s)
	go socket.ReadLoop() // the handler returns, so that net/http's buffers are freed
}

func (f *floor) publish(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.send(r.URL.Query().Get("channel"), body)
	w.Header().Set("Content-Length", "0")
}

// OnMessage publishes what a socket sends.
func (f *floor) OnMessage(socket *gws.Conn, message *gws.Message) {
	body := append([]byte(nil), message.Bytes()...)
	_ = message.Close() // it gives the buffer back
	if m := memberOf(socket); m != nil {
		f.send(m.channel, body)
	}
}

// OnClose forgets the socket.
func (f *floor) OnClose(socket *gws.Conn, _ error) {
	if m := memberOf(socket); m != nil {
		m.writer.remove(m)
	}
}

// memberOf returns what push has stored with the socket; nil if nothing.
func memberOf(socket *gws.Conn) *member {
	stored, _ := socket.Session().Load("member")
	m, _ := stored.(*member)
	return m
}

// send makes one frame and gives it to all writers.
func (f *floor) send(channel string, body []byte) {
	p := prepared{channel, frame(body)}
	for _, w := range f.writers {
		w.post(p)
	}
}

// frame returns a text frame as servers send it (RFC 6455 §5.2).
func frame(body []byte) []byte {
	head := []byte{0x81}
	switch n := len(body); {
	case n < 126:
		head = append(head, byte(n))
	case n < 1<<16:
		head = append(head, 126, byte(n>>8), byte(n))
	default:
		head = append(head, 127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(head, body...)
}
