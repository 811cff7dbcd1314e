package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/pandapush/pandapush/scripts/benchmark/load"
	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

// idleReaders measures what a reader of server-sent events takes that gets nothing.
func idleReaders(r *run) error {
	readers := r.pick(10_000, 1000)
	redis, err := r.rig.StartRedis()
	if err != nil {
		return err
	}
	defer redis.Kill()
	node, err := r.rig.StartNode("idle", r.binary, redis)
	if err != nil {
		return err
	}
	defer node.Kill()
	r.say("measuring the memory of %d idle readers", readers)
	warm, err := follow(100, node) // so that what everybody needs is there before
	defer closeAll(warm)
	if err != nil {
		return err
	}
	before, err := r.settle(node)
	if err != nil {
		return err
	}
	all, err := follow(readers, node)
	defer closeAll(all)
	if err != nil {
		return err
	}
	after, err := r.settle(node)
	if err != nil {
		return err
	}
	t := r.report.Table("Memory of an idle reader of server-sent events", "readers", readers, "channels", "one each")
	t.idle(before, after, readers, 16<<10)
	return nil
}

// follow opens n event streams, one after the other.
func follow(n int, node *rig.Node) (all []net.Conn, err error) {
	for i := range n {
		conn, err := net.Dial("tcp", node.Addr) //nolint:noctx // loopback
		if err != nil {
			return all, err
		}
		all = append(all, conn)
		path := "/channel" + load.ChannelName(rig.App, i%failoverChannels)
		if err := beginStream(conn, path); err != nil {
			return all, fmt.Errorf("follow: %w", err)
		}
	}
	return all, nil
}

// beginStream asks for an event stream, and reads until it has begun.
func beginStream(conn net.Conn, path string) error {
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n", path); err != nil {
		return err
	}
	for in := bufio.NewReaderSize(conn, 512); ; {
		line, err := in.ReadString('\n')
		if err != nil || strings.HasPrefix(line, "id: ") {
			return err
		}
	}
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		_ = c.Close() // the node is killed next
	}
}
