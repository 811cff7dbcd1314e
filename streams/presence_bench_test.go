package streams_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams"
	"github.com/pandapush/pandapush/streams/streamstest"
)

// BenchmarkPresence measures what rooms cost Redis: the commands that it runs, those of scripts included, the bytes that go
// in and out, and its time. An operation is one seat's.
func BenchmarkPresence(b *testing.B) {
	for _, crowd := range []struct {
		name           string
		rooms, members int
	}{
		{"1x10", 1, 10},
		{"1x1000", 1, 1000},
		{"1x10000", 1, 10_000},
		{"1000x10", 1000, 10},
	} {
		b.Run("rooms="+crowd.name, func(b *testing.B) {
			server := streamstest.Start(b, streamstest.Options{})
			s, err := streams.Open(b.Context(), streams.Config{
				Redis: streams.Topology{URLs: []string{server.URL()}}, Node: "a", Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = s.Close() })
			p := &presenceBench{streams: s, redis: server.Client(), rooms: crowd.rooms}
			p.fill(b, crowd.members)
			leave := func(seats []pandapush.Seat) error { return s.LeavePresence(b.Context(), seats) }
			sit := func(ttl time.Duration) func(seats []pandapush.Seat) error {
				return func(seats []pandapush.Seat) error { return s.RejoinPresence(b.Context(), seats, ttl) }
			}
			b.Run("join", func(b *testing.B) {
				p.run(b, 1, nil, func(seats []pandapush.Seat) error {
					_, _, err := s.JoinPresence(b.Context(), seats[0], time.Hour)
					return err
				}, leave)
			})
			b.Run("rejoin", func(b *testing.B) { p.run(b, 1, nil, sit(time.Hour), leave) }) // a join without the list of who is there
			b.Run("leave", func(b *testing.B) { p.run(b, 1, sit(time.Hour), leave, nil) })
			b.Run("heartbeat", func(b *testing.B) {
				p.run(b, 100, sit(time.Hour), func(seats []pandapush.Seat) error {
					_, err := s.TouchPresence(b.Context(), seats, time.Hour)
					return err
				}, leave)
			})
			b.Run("expiry", func(b *testing.B) {
				p.run(b, 100, sit(time.Nanosecond), func([]pandapush.Seat) error { return streams.ExpireLeases(b.Context(), s) }, nil)
			})
		})
	}
}

// presenceBench is streams whose Redis nobody else uses.
type presenceBench struct {
	streams *streams.Streams
	redis   *redis.Client
	rooms   int
	seats   []pandapush.Seat
	next    int
}

// fill takes seats in all rooms.
func (p *presenceBench) fill(b *testing.B, members int) {
	b.Helper()
	for range p.rooms * members {
		p.seats = append(p.seats, p.newSeat(b))
	}
	if err := p.streams.RejoinPresence(b.Context(), p.seats, time.Hour); err != nil {
		b.Fatal(err)
	}
}

// newSeat returns a seat of a new user in the next room.
func (p *presenceBench) newSeat(b *testing.B) pandapush.Seat {
	b.Helper()
	p.next++
	user := fmt.Sprintf("user-%06d", p.next)
	return pandapush.Seat{
		Room:    streamstest.Message(b, fmt.Sprint("/bench/presence/room-", p.next%p.rooms), "").Channel,
		Session: fmt.Sprintf("%031d", p.next),
		Member:  pandapush.Member{User: user, Data: json.RawMessage(`{"id":"` + user + `","name":"A user of this room"}`)},
	}
}

// run measures do on count new seats at a time. What before and after do is not part of it.
func (p *presenceBench) run(b *testing.B, count int, before, do, after func([]pandapush.Seat) error) {
	b.Helper()
	must := func(f func([]pandapush.Seat) error, seats []pandapush.Seat) {
		if f == nil {
			return
		}
		if err := f(seats); err != nil {
			b.Fatal(err)
		}
	}
	var sum usage
	n := 0
	b.ResetTimer()
	for b.Loop() {
		seats := make([]pandapush.Seat, count)
		for i := range seats {
			seats[i] = p.newSeat(b)
		}
		must(before, seats)
		nothing := p.usage(b)
		first := p.usage(b)
		must(do, seats)
		sum = sum.plus(p.usage(b)).minus(first).minus(first).plus(nothing) // what it costs to ask is the same both times
		n += count
		must(after, seats)
	}
	b.ReportMetric(0, "ns/op") // most of it is asking
	b.ReportMetric(sum.commands/float64(n), "commands/seat")
	b.ReportMetric(sum.in/float64(n), "B-in/seat")
	b.ReportMetric(sum.out/float64(n), "B-out/seat")
	b.ReportMetric(sum.micros/float64(n), "redis-us/seat")
}

// usage is what Redis says it has done since it started.
type usage struct{ commands, in, out, micros float64 }

func (u usage) plus(o usage) usage {
	return usage{u.commands + o.commands, u.in + o.in, u.out + o.out, u.micros + o.micros}
}

func (u usage) minus(o usage) usage {
	return usage{u.commands - o.commands, u.in - o.in, u.out - o.out, u.micros - o.micros}
}

var (
	commandStats = regexp.MustCompile(`cmdstat_(\w+):calls=(\d+),usec=(\d+)`)
	netStats     = regexp.MustCompile(`total_net_(in|out)put_bytes:(\d+)`)
)

func (p *presenceBench) usage(b *testing.B) (u usage) {
	b.Helper()
	text, err := p.redis.Info(b.Context(), "stats", "commandstats").Result()
	if err != nil {
		b.Fatal(err)
	}
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	for _, m := range commandStats.FindAllStringSubmatch(text, -1) {
		u.commands += number(m[2])
		if m[1] == "evalsha" { // it has the time of the commands inside
			u.micros += number(m[3])
		}
	}
	for _, m := range netStats.FindAllStringSubmatch(text, -1) {
		if m[1] == "in" {
			u.in = number(m[2])
		} else {
			u.out = number(m[2])
		}
	}
	return u
}
