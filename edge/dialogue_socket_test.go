package edge

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// WebSocket opcodes of RFC 6455 §5.2.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// socketPeer is a client with a WebSocket to each node. Connects go by the first, all else by turns: so the session of a
// dialogue on two nodes is attached to one while the other changes it.
type socketPeer struct {
	inbox
	sockets []*rawSocket
	turn    int
}

func newSocketPeer(s *stage) *socketPeer {
	p := &socketPeer{inbox: newInbox()}
	first := s.turn
	s.turn++
	for i := range s.nodes {
		p.sockets = append(p.sockets, newRawSocket(s, s.nodes[(first+i)%len(s.nodes)], p.inbox))
	}
	return p
}

func (p *socketPeer) send(kind, text string) error {
	socket := p.sockets[0]
	switch {
	case kind != "": // about the socket and not the session
	case !strings.Contains(text, `"/meta/connect"`):
		p.turn++
		socket = p.sockets[p.turn%len(p.sockets)]
	}
	return socket.send(kind, text)
}

func (p *socketPeer) close() {
	for _, s := range p.sockets {
		s.close()
	}
}

// rest has the server answer something on each socket that is still open, so that all that it sent before is here.
func (p *socketPeer) rest() (left []item, err error) {
	for _, s := range p.sockets {
		if s.ended.Load() || s.send("", "[]") != nil {
			continue
		}
		for {
			i, err := p.next()
			if err != nil {
				return left, err
			}
			if i.kind == "empty" || i.kind == "end" {
				break
			}
			left = append(left, i)
		}
	}
	for _, i := range p.drain() {
		if i.kind != "end" {
			left = append(left, i)
		}
	}
	return left, nil
}

// rawSocket is a WebSocket whose frames a dialogue can make as it likes.
type rawSocket struct {
	conn    net.Conn
	reader  *bufio.Reader
	inbox   inbox
	ended   atomic.Bool // nothing more will come
	reading sync.WaitGroup
}

func newRawSocket(st *stage, n *node, into inbox) *rawSocket {
	st.t.Helper()
	conn := n.rawConn(st.t)
	s := &rawSocket{conn: conn, reader: bufio.NewReader(conn), inbox: into}
	_, err := io.WriteString(conn, "GET /push HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		st.t.Fatal(err)
	}
	response, err := http.ReadResponse(s.reader, nil)
	if err != nil {
		st.t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusSwitchingProtocols {
		st.t.Fatalf("upgrade: %s", response.Status)
	}
	s.reading.Go(s.read)
	st.t.Cleanup(s.close)
	return s
}

// read hands on what comes, until nothing more does.
func (s *rawSocket) read() {
	for {
		opcode, payload, err := s.readFrame()
		switch {
		case err != nil:
			s.ended.Store(true)
			s.inbox <- item{"end", ""}
			return
		case opcode == opText:
			s.inbox.receive(payload)
		case opcode == opPing:
			_ = s.write(0x80|opPong, payload, true) // fails only if the connection is gone, which is seen next
		case opcode == opPong:
			s.inbox <- item{"pong", string(payload)}
		case opcode == opClose && len(payload) >= 2:
			s.inbox <- item{"close", strconv.Itoa(int(binary.BigEndian.Uint16(payload)))}
		default:
			s.inbox <- item{"frame", fmt.Sprintf("%d %q", opcode, payload)}
		}
	}
}

// readFrame reads a frame of a server: never masked, and ours are never in parts.
func (s *rawSocket) readFrame() (opcode byte, payload []byte, err error) {
	head := make([]byte, 2, 10)
	if _, err := io.ReadFull(s.reader, head); err != nil {
		return 0, nil, err
	}
	length := uint64(head[1])
	if extra := map[byte]int{126: 2, 127: 8}[head[1]]; extra > 0 {
		long := make([]byte, 8)
		if _, err := io.ReadFull(s.reader, long[8-extra:]); err != nil {
			return 0, nil, err
		}
		length = binary.BigEndian.Uint64(long)
	}
	if head[0]&0xf0 != 0x80 || length > 100<<20 {
		return 0, nil, fmt.Errorf("frame % x", head)
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(s.reader, payload)
	return head[0] & 0xf, payload, err
}

// write sends a frame whose first byte is given.
func (s *rawSocket) write(first byte, payload []byte, masked bool) error {
	frame := []byte{first}
	mask := byte(0x80)
	if !masked {
		mask = 0
	}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, mask|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, mask|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, mask|127), uint64(n))
	}
	if masked {
		frame = append(frame, 0, 0, 0, 0) // a mask that changes nothing is one, too
	}
	_, err := s.conn.Write(append(frame, payload...))
	return err
}

func (s *rawSocket) send(kind, text string) error {
	switch kind {
	case "":
		return s.write(0x80|opText, []byte(text), true)
	case "binary":
		return s.write(0x80|opBinary, []byte(text), true)
	case "unmasked":
		return s.write(0x80|opText, []byte(text), false)
	case "reserved":
		return s.write(0xc0|opText, []byte(text), true)
	case "parts": // the text in frames of at most five bytes
		first := byte(opText)
		for ; len(text) > 5; text = text[5:] {
			if err := s.write(first, []byte(text[:5]), true); err != nil {
				return err
			}
			first = 0
		}
		return s.write(0x80|first, []byte(text), true)
	case "bytes": // of a text frame, in hexadecimal
		payload, err := hex.DecodeString(text)
		if err != nil {
			return err
		}
		return s.write(0x80|opText, payload, true)
	case "ping":
		return s.write(0x80|opPing, []byte(text), true)
	case "close":
		code, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		return s.write(0x80|opClose, binary.BigEndian.AppendUint16(nil, uint16(code)), true)
	}
	return errors.New("a socket can't send " + kind)
}

func (s *rawSocket) close() {
	_ = s.conn.Close()
	s.reading.Wait()
}
