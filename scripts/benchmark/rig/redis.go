package rig

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Redis is a private server that keeps nothing on disk.
type Redis struct {
	*Process

	Addr string
}

// StartRedis starts one on a free port of loopback.
func (r *Rig) StartRedis() (*Redis, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := r.start("redis", nil, "redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", r.dir)
	if err != nil {
		return nil, err
	}
	redis := &Redis{p, "127.0.0.1:" + port}
	err = p.await(func() bool {
		_, err := redis.info("server")
		return err == nil
	})
	return redis, err
}

// port returns the port that it listens on.
func (r *Redis) port() string {
	_, port, _ := strings.Cut(r.Addr, ":")
	return port
}

// Commands returns how often each command has been called so far, those that scripts call included.
func (r *Redis) Commands() (map[string]int64, error) {
	text, err := r.info("commandstats")
	if err != nil {
		return nil, err
	}
	calls := map[string]int64{}
	for line := range strings.Lines(text) {
		name, stats, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if !ok {
			continue
		}
		number, _, _ := strings.Cut(stats, ",")
		if calls[name], err = strconv.ParseInt(number, 10, 64); err != nil {
			return nil, fmt.Errorf("read Redis' commandstats: %w", err)
		}
	}
	return calls, nil
}

// info asks for one section of INFO.
func (r *Redis) info(section string) (_ string, err error) {
	conn, err := net.DialTimeout("tcp", r.Addr, time.Second) //nolint:noctx // it has a timeout
	if err != nil {
		return "", fmt.Errorf("ask Redis: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := fmt.Fprintf(conn, "INFO %s\r\n", section); err != nil {
		return "", fmt.Errorf("ask Redis: %w", err)
	}
	in := bufio.NewReader(conn)
	head, err := in.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("ask Redis: %w", err)
	}
	length, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(head, "$")))
	if err != nil {
		return "", fmt.Errorf("ask Redis: it says %q", head)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(in, body); err != nil {
		return "", fmt.Errorf("ask Redis: %w", err)
	}
	return string(body), nil
}

// RedisVersion returns the version of the redis-server on the PATH.
func RedisVersion() (string, error) {
	text, err := exec.Command("redis-server", "--version").Output() //nolint:noctx // it prints a line
	if err != nil {
		return "", fmt.Errorf("ask for Redis' version: %w", err)
	}
	for word := range strings.FieldsSeq(string(text)) {
		if version, ok := strings.CutPrefix(word, "v="); ok {
			return version, nil
		}
	}
	return "", fmt.Errorf("ask for Redis' version: it says %q", text)
}
