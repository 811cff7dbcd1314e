package pandapush

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Settings are what an operator has set for one application. A zero field means the server's default.
type Settings struct {
	HistoryLength   int64         // messages kept in the application's stream, about
	HistoryAge      time.Duration // how long they are kept; whole seconds
	Origins         []string      // of the pages that may use the application, like "https://example.com"; empty: any
	Suspended       bool          // everything is refused, and what goes on ends
	PublishRate     float64       // messages per second that may be published
	PublishBurst    int           // messages that may be published at once
	Connections     int           // sessions at a time
	MaxMessageBytes int           // of one message
}

// settingsJSON is the form of Settings in the database and in the admin API.
type settingsJSON struct {
	HistoryLength   int64    `json:"history_length"`
	HistoryAge      float64  `json:"history_age"` // seconds
	Origins         []string `json:"origins"`
	Suspended       bool     `json:"suspended"`
	PublishRate     float64  `json:"publish_rate"`
	PublishBurst    int      `json:"publish_burst"`
	Connections     int      `json:"connections"`
	MaxMessageBytes int      `json:"max_message_bytes"`
}

// MarshalJSON writes all fields, HistoryAge in seconds.
func (s Settings) MarshalJSON() ([]byte, error) {
	origins := s.Origins
	if origins == nil {
		origins = []string{}
	}
	return json.Marshal(settingsJSON{
		s.HistoryLength, s.HistoryAge.Seconds(), origins, s.Suspended, s.PublishRate, s.PublishBurst, s.Connections, s.MaxMessageBytes,
	})
}

// UnmarshalJSON reads what MarshalJSON writes. It passes over fields that it does not know, and checks no bounds.
func (s *Settings) UnmarshalJSON(text []byte) error {
	var j settingsJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	// Out of bounds it stays so: the conversion of a float that is too large could give anything.
	age := max(-1, min(j.HistoryAge, MaxHistoryAge.Seconds()+1))
	*s = Settings{
		j.HistoryLength, time.Duration(age * float64(time.Second)), j.Origins, j.Suspended, j.PublishRate, j.PublishBurst, j.Connections, j.MaxMessageBytes,
	}
	return nil
}

// Equal reports whether both say the same.
func (s Settings) Equal(other Settings) bool {
	if !slices.Equal(s.Origins, other.Origins) {
		return false
	}
	s.Origins, other.Origins = nil, nil
	return reflect.DeepEqual(s, other)
}

// Upper bounds of Settings: beyond them a value is a mistake.
const (
	MaxHistoryLength = 100_000_000
	MaxHistoryAge    = 10 * 365 * 24 * time.Hour
	MaxOrigins       = 100
	MaxPublishRate   = 1_000_000
	MaxConnections   = 10_000_000
	MaxMessageLimit  = 64 << 20
)

// Validate returns nil, or an Invalid that has a problem for every field that is out of its bounds. The fields have the
// names that they have in JSON.
func (s Settings) Validate() error {
	var wrong Invalid
	within := func(field string, value, most float64) {
		if math.IsNaN(value) || value < 0 || value > most {
			wrong = append(wrong, Problem{field, fmt.Sprintf("must be between 0 and %.0f", most)})
		}
	}
	within("history_length", float64(s.HistoryLength), MaxHistoryLength)
	within("history_age", s.HistoryAge.Seconds(), MaxHistoryAge.Seconds())
	within("publish_rate", s.PublishRate, MaxPublishRate)
	within("publish_burst", float64(s.PublishBurst), MaxPublishRate)
	within("connections", float64(s.Connections), MaxConnections)
	within("max_message_bytes", float64(s.MaxMessageBytes), MaxMessageLimit)
	if s.HistoryAge%time.Second != 0 {
		wrong = append(wrong, Problem{"history_age", "must be whole seconds"})
	}
	if len(s.Origins) > MaxOrigins {
		wrong = append(wrong, Problem{"origins", fmt.Sprintf("has more than %d", MaxOrigins)})
	}
	if i := slices.IndexFunc(s.Origins, func(o string) bool { return !validOrigin(o) }); i >= 0 {
		wrong = append(wrong, Problem{"origins", fmt.Sprintf("number %d is no origin like https://example.com", i+1)})
	}
	return wrong.OrNil()
}

// validOrigin reports whether s is what a browser sends as Origin: scheme and host in lower case, a port if it has one.
func validOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 255 && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" &&
		s == strings.ToLower(u.Scheme+"://"+u.Host)
}
