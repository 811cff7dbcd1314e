package pandapush

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// changing is a Keys of one application whose keys change.
type changing map[KeyID]Key

func (changing) HasApp(AppID) bool       { return true }
func (changing) Settings(AppID) Settings { return Settings{} }
func (c changing) Key(_ AppID, id KeyID) (Key, bool) {
	key, ok := c[id]
	return key, ok
}

// TestRememberedTokensGrantWhatFreshOnesDo changes keys and lets time pass, and compares an authority that has seen it all
// with one that has seen nothing.
func TestRememberedTokensGrantWhatFreshOnesDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SampledFrom([]Secret{"a", "b", ""})
		now := time.Unix(1_000_000, 0)
		moment := rapid.Custom(func(t *rapid.T) time.Time {
			if seconds := rapid.IntRange(-1, 20).Draw(t, "seconds"); seconds >= 0 {
				return time.Unix(1_000_000+int64(seconds), 0)
			}
			return time.Time{}
		})
		id := rapid.SampledFrom([]KeyID{"one", "two"})
		keys := changing{}
		change := func(t *rapid.T) {
			key := Key{
				ID: id.Draw(t, "id"), App: "app", Secret: secret.Draw(t, "secret"), PreviousSecret: secret.Draw(t, "previous"),
				PreviousUntil: moment.Draw(t, "until"), ExpiresAt: moment.Draw(t, "expires"), RevokedAt: moment.Draw(t, "revoked"),
			}
			if keys[key.ID] = key; rapid.Bool().Draw(t, "delete") {
				delete(keys, key.ID)
			}
		}
		var all []string
		sign := func(t *rapid.T) {
			text, err := MintToken(Key{ID: id.Draw(t, "id"), App: "app", Secret: Secret(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "secret"))},
				TokenClaims{Channel: "/app/private/**", Pub: true, Presence: []byte(`{"id":"ann"}`), Expires: moment.Draw(t, "expires")})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text)
		}
		change(t)
		sign(t)
		old := NewAuthority(keys)
		t.Repeat(map[string]func(*rapid.T){
			"change": change,
			"sign":   sign,
			"wait":   func(t *rapid.T) { now = now.Add(time.Duration(rapid.IntRange(1, 3).Draw(t, "seconds")) * time.Second) },
			"": func(t *rapid.T) {
				cred := Credential{Token: rapid.SampledFrom(all).Draw(t, "token"), Given: true}
				got, err := old.Verify(cred, "app", now)
				want, wanted := NewAuthority(maps.Clone(keys)).Verify(cred, "app", now)
				if !errors.Is(err, wanted) || got.Scope != want.Scope || got.Pub != want.Pub || got.User != want.User ||
					got.Key != want.Key || !got.Expires.Equal(want.Expires) {
					t.Fatalf("%+v, %v; want %+v, %v", got, err, want, wanted)
				}
			},
		})
	})
}

func TestTokenUsedAgainIsNotParsed(t *testing.T) {
	key := Key{ID: "one", App: "app", Secret: "a"}
	a := NewAuthority(changing{"one": key})
	text, err := MintToken(key, TokenClaims{Channel: "/app/private/**", Sub: true})
	if err != nil {
		t.Fatal(err)
	}
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := a.Verify(Credential{Token: text, Given: true}, "app", time.Unix(0, 0)); err != nil {
			t.Error(err)
		}
	})
	if allocs > 1 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestRememberedTokensAreBounded(t *testing.T) {
	const most = tokenShards * 2 * tokensOfShard
	var all tokens
	for i := range 2 * most {
		all.put(strconv.Itoa(i), verified{})
	}
	all.put(strings.Repeat("x", maxRemembered+1), verified{})
	count := 0
	for i := range all.shards {
		count += len(all.shards[i].young) + len(all.shards[i].old)
	}
	if count > most || count < most/2 {
		t.Errorf("%d are remembered, want about %d", count, most)
	}
}
