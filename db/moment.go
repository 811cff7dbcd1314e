package db

import "time"

// moment reads a point in time from a column of either database. It takes whatever is there: one odd row must not keep
// all others from being loaded.
type moment struct {
	time.Time      // zero for null, infinity and what is bad
	bad       bool // there is something, but it is no moment
}

// unreadable stands for an expiry or a revocation that cannot be read: long ago, so that the key is refused. No real row
// holds it.
var unreadable = time.UnixMilli(-1).UTC()

// Scan implements sql.Scanner. It never fails.
func (m *moment) Scan(src any) error {
	*m = moment{}
	switch v := src.(type) {
	case nil:
	case time.Time:
		m.set(v)
	case int64: // a JavaScript Date as knex stores it in SQLite
		m.set(time.UnixMilli(v))
	case float64:
		m.set(time.UnixMilli(int64(v)))
	case string:
		m.parse(v)
	case []byte:
		m.parse(string(v))
	default:
		m.bad = true
	}
	return nil
}

// set takes t, but not the one moment that would be taken for none.
func (m *moment) set(t time.Time) { m.Time, m.bad = t.UTC(), t.IsZero() }

// parse reads what the SQLite driver has not recognised as ISO 8601, and Postgres' infinity.
func (m *moment) parse(s string) {
	if s == "infinity" {
		return
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			m.set(t)
			return
		}
	}
	m.bad = true
}

// orUnreadable returns the moment, or unreadable in place of one that cannot be read.
func (m *moment) orUnreadable() time.Time {
	if m.bad {
		return unreadable
	}
	return m.Time
}

// now returns the present as it is stored.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
