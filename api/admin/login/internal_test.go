package login

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestThrottleIsBounded(t *testing.T) {
	t.Parallel()
	th := newThrottle(time.Now)
	for i := range 10 * remembered {
		name := strconv.Itoa(i) + strings.Repeat("x", 2*maxName)
		th.failed(name, name)
		th.passed("a"+name, name)
	}
	for what, n := range map[string]int{
		"addresses": len(th.addresses.young) + len(th.addresses.old),
		"users":     len(th.users.young) + len(th.users.old),
		"known":     len(th.known.young) + len(th.known.old),
	} {
		if n > remembered || n < remembered/2 {
			t.Errorf("%d %s are remembered of at most %d", n, what, remembered)
		}
	}
	for name := range th.users.young {
		if len(name) > maxName {
			t.Errorf("a name of %d bytes is kept", len(name))
		}
	}
}

func TestReturnToStaysHere(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/admin":                     "/admin",
		"/admin/application/a?x=1":   "/admin/application/a?x=1",
		"":                           "/admin",
		"/":                          "/admin",
		"/administrator":             "/admin",
		"https://evil.example/admin": "/admin",
		"//evil.example/admin":       "/admin",
		"/\\evil.example/admin":      "/admin",
		"javascript:alert(1)":        "/admin",
		"/admin/\r\nSet-Cookie: a=b": "/admin",
		"/admin/" + strings.Repeat("a", maxReturnTo): "/admin",
	} {
		if got := returnTo(path); got != want {
			t.Errorf("returnTo(%q) = %q, want %q", path, got, want)
		}
	}
}

func FuzzSealer(f *testing.F) {
	s, err := NewSealer([]byte("0123456789abcdef"), "one")
	if err != nil {
		f.Fatal(err)
	}
	other, err := NewSealer([]byte("0123456789abcdef"), "other")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(""), "")
	f.Add([]byte("client id"), "AAAA")
	f.Fuzz(func(t *testing.T, plain []byte, forged string) {
		if _, ok := s.Open(forged); ok {
			t.Fatalf("%q was opened", forged)
		}
		if len(plain) > maxSealed/2 {
			return
		}
		sealed, handle := s.Seal(plain), s.Handle(string(plain))
		for _, text := range []string{sealed, handle} {
			if got, ok := s.Open(text); !ok || !bytes.Equal(got, plain) {
				t.Fatalf("opened %q as %q, %v", plain, got, ok)
			}
			if _, ok := other.Open(text); ok {
				t.Fatal("another purpose opens it")
			}
			changed := []byte(text)
			changed[len(changed)/2] ^= 1
			if _, ok := s.Open(string(changed)); ok {
				t.Fatal("a changed text is opened")
			}
		}
		if handle != s.Handle(string(plain)) || s.Seal(plain) == sealed {
			t.Fatal("a handle is not always the same, or a seal is")
		}
	})
}

func TestSealerWantsASecret(t *testing.T) {
	t.Parallel()
	if _, err := NewSealer([]byte("short"), "x"); err == nil {
		t.Error("a secret of five bytes will do")
	}
}

func TestClaimsMakeUsers(t *testing.T) {
	t.Parallel()
	cfg := OIDC{UsernameClaim: "preferred_username", StripDomain: "@example.com", RoleClaim: "groups", RootRole: "ops", ReadOnlyRole: "support"}
	for claims, want := range map[string]identity{
		`{"preferred_username": "alice@example.com"}`:                   {"alice", ""},
		`{"preferred_username": "alice", "groups": ["a", "ops"]}`:       {"alice", Root},
		`{"preferred_username": "alice", "groups": "support"}`:          {"alice", ReadOnly},
		`{"preferred_username": "alice", "groups": ["support", "ops"]}`: {"alice", Root},
		`{"preferred_username": "alice", "groups": {"ops": true}}`:      {"alice", ""},
		`{"preferred_username": 7}`:                                     {},
		`{"preferred_username": null, "groups": "ops"}`:                 {"", Root},
		`{"sub": "alice"}`:                                           {},
		`{"preferred_username": "ro@example.comot"}`:                 {"ro@example.comot", ""},
		`{"preferred_username": "@example.com"}`:                     {},
		`{"preferred_username": "alice\u0000\nerror=x"}`:             {},
		`{"preferred_username": "` + strings.Repeat("a", 256) + `"}`: {},
	} {
		var all map[string]json.RawMessage
		if err := json.Unmarshal([]byte(claims), &all); err != nil {
			t.Fatal(err)
		}
		if got := cfg.identity(all); got != want {
			t.Errorf("%s is %+v, want %+v", claims, got, want)
		}
	}
	byAddress := OIDC{UsernameClaim: "email"}
	for claims, want := range map[string]string{
		`{"email": "a@example.com"}`:                            "a@example.com",
		`{"email": "a@example.com", "email_verified": true}`:    "a@example.com",
		`{"email": "a@example.com", "email_verified": "true"}`:  "a@example.com",
		`{"email": "a@example.com", "email_verified": false}`:   "",
		`{"email": "a@example.com", "email_verified": "false"}`: "",
	} {
		var all map[string]json.RawMessage
		if err := json.Unmarshal([]byte(claims), &all); err != nil {
			t.Fatal(err)
		}
		if got := byAddress.identity(all); got.name != want {
			t.Errorf("%s is %+v, want %q", claims, got, want)
		}
	}
	none := OIDC{UsernameClaim: "preferred_username", RoleClaim: "groups"}
	if got := none.identity(map[string]json.RawMessage{"preferred_username": []byte(`"a"`), "groups": []byte(`""`)}); got.role != "" {
		t.Errorf("no role is set up, but %q is given", got.role)
	}
}
