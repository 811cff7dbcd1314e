package pandapush_test

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

func TestSettingsAreValidatedAsAWhole(t *testing.T) {
	t.Parallel()
	fine := []pandapush.Settings{
		{},
		{HistoryLength: 5, HistoryAge: time.Minute, Suspended: true, PublishRate: 0.5, PublishBurst: 1, Connections: 1, MaxMessageBytes: 1},
		{Origins: []string{"https://example.com", "http://localhost:8080", "https://[::1]:1"}},
	}
	for _, s := range fine {
		if err := s.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	wrong := pandapush.Settings{
		HistoryLength: -1, HistoryAge: 1500 * time.Millisecond, Origins: []string{"https://example.com", "https://example.com/"},
		PublishRate: math.NaN(), PublishBurst: -1, Connections: pandapush.MaxConnections + 1, MaxMessageBytes: -1,
	}
	err := wrong.Validate()
	invalid, ok := errors.AsType[pandapush.Invalid](err)
	if !ok || !errors.Is(err, pandapush.ErrInvalid) {
		t.Fatalf("Validate() = %v", err)
	}
	fields := map[string]bool{}
	for _, p := range invalid {
		fields[p.Field] = p.Detail != ""
	}
	for _, field := range []string{
		"history_length", "history_age", "origins", "publish_rate", "publish_burst", "connections", "max_message_bytes",
	} {
		if !fields[field] {
			t.Errorf("nothing is said of %s: %v", field, err)
		}
	}
	for _, origin := range []string{"", "*", "example.com", "ftp://example.com", "https://", "https://a/b", "https://u@a", "https://a?b", "HTTPS://a", "https://A"} {
		if err := (pandapush.Settings{Origins: []string{origin}}).Validate(); !errors.Is(err, pandapush.ErrInvalid) {
			t.Errorf("origin %q: %v", origin, err)
		}
	}
}

func TestSettingsSurviveJSON(t *testing.T) {
	t.Parallel()
	for _, s := range []pandapush.Settings{
		{},
		{HistoryLength: 5, HistoryAge: 90 * time.Second, Origins: []string{"https://a.b"}, Suspended: true, PublishRate: 0.5, PublishBurst: 2, Connections: 3, MaxMessageBytes: 4},
	} {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back pandapush.Settings
		if err := json.Unmarshal(text, &back); err != nil || !back.Equal(s) {
			t.Errorf("%s is read as %+v, %v", text, back, err)
		}
	}
	var huge pandapush.Settings
	if err := json.Unmarshal([]byte(`{"history_age":1e300,"later":1}`), &huge); err != nil || huge.Validate() == nil {
		t.Errorf("an age beyond all bounds is read as %v, %v", huge.HistoryAge, err)
	}
	if huge.Equal(pandapush.Settings{}) || !huge.Equal(huge) || (pandapush.Settings{Origins: []string{"a"}}).Equal(pandapush.Settings{}) {
		t.Error("Equal does not compare")
	}
}
