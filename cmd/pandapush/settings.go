package main

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/pandapush/pandapush"
)

// settingError is a setting that can't be taken. Its text names the setting, what it held, and what it takes.
type settingError struct {
	name, value, takes string // value is left out if it may be a secret
}

// Error returns one line for a person.
func (e *settingError) Error() string {
	if e.value == "" {
		return e.name + " is wrong: it takes " + e.takes
	}
	return fmt.Sprintf("%s is %q: it takes %s", e.name, e.value, e.takes)
}

// wrongValue is the error of UnmarshalText: what the setting takes, in words.
type wrongValue string

// Error completes kong's "--port: " to a sentence.
func (w wrongValue) Error() string { return "it takes " + string(w) }

// environmentResolver gives every flag that is not on the command line the value of the environment variable of its name:
// --data-dir is DATA_DIR. The tag variable:"NAME" names another, variable:"-" none. A flag of type secret can also be given
// as NAME_FILE, a file that holds it.
func environmentResolver(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		name := strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		if other := flag.Tag.Get("variable"); other != "" {
			name = other
		}
		if name == "-" {
			return nil, nil //nolint:nilnil // kong's way to say that the resolver has nothing
		}
		value := getenv(name)
		if flag.Target.Type() == reflect.TypeFor[secret]() {
			var err error
			if value, err = secretOf(name, value, getenv(name+"_FILE")); err != nil {
				return nil, err
			}
		}
		if value == "" || flag.Name == "help" {
			return nil, nil //nolint:nilnil // kong's way to say that the resolver has nothing
		}
		return value, check(name, value, flag.Target)
	})
}

// secretOf returns the value of a secret, from its variable or from the file that its other variable names. Which of two is
// meant cannot be known, and a file with nothing in it is one that nobody has filled yet: taken for no secret at all, either
// would let the server start with the wrong one.
func secretOf(name, value, file string) (string, error) {
	switch {
	case file == "":
		return value, nil
	case value != "":
		return "", &settingError{name + "_FILE", file, name + " not to be set as well"}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", &settingError{name + "_FILE", file, "the path of a file that can be read (" + errors.Unwrap(err).Error() + ")"}
	}
	if value = strings.TrimRight(string(text), "\r\n"); value == "" {
		return "", &settingError{name + "_FILE", file, "the path of a file that has the secret in it; this one is empty"}
	}
	return value, nil
}

// check tries value on a fresh variable of the flag's type, so that the error can name the environment variable.
func check(name, value string, target reflect.Value) error {
	probe := reflect.New(target.Type()).Interface()
	switch p := probe.(type) {
	case encoding.TextUnmarshaler:
		if err := p.UnmarshalText([]byte(value)); err != nil {
			return &settingError{name, value, strings.TrimPrefix(err.Error(), wrongValue("").Error())}
		}
	case *bool:
		if _, err := strconv.ParseBool(value); err != nil {
			return &settingError{name, value, "true or false"}
		}
	}
	return nil
}

// The types of settings.

// secret is a setting that must not be seen.
type secret string

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *secret) UnmarshalText(text []byte) error { //nolint:unparam // the interface has it
	*s = secret(text)
	return nil
}

// LogValue hides the secret.
func (secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// String hides the secret.
func (secret) String() string { return "[secret]" }

// port is a TCP port; 0 has the system choose one.
type port int

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *port) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil {
		return wrongValue("a port number, 0 to 65535")
	}
	*p = port(n)
	return nil
}

// count is a number greater than zero.
type count int

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *count) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || n < 1 {
		return wrongValue("a whole number, 1 or more")
	}
	*c = count(n)
	return nil
}

// limit is a number that may be zero, or have a fraction.
type limit float64

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *limit) UnmarshalText(text []byte) error {
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(n >= 0 && n <= pandapush.MaxPublishRate) {
		return wrongValue("a number from 0 to 1000000")
	}
	*l = limit(n)
	return nil
}

// millis is a time in milliseconds, as the variables that end in _MS take it.
type millis time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *millis) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || n < 1 {
		return wrongValue("a number of milliseconds, 1 or more")
	}
	*m = millis(time.Duration(n) * time.Millisecond)
	return nil
}

// span is a time with its unit.
type span time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return wrongValue(`a time with its unit, like "30s", "5m" or "24h"`)
	}
	*s = span(d)
	return nil
}

// wait is a span that may be 0.
type wait time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *wait) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return wrongValue(`0, or a time with its unit, like "5ms"`)
	}
	*w = wait(d)
	return nil
}

// address is where to listen.
type address string

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *address) UnmarshalText(text []byte) error {
	_, number, err := net.SplitHostPort(string(text))
	if err != nil || new(port).UnmarshalText([]byte(number)) != nil {
		return wrongValue(`an address and a port, like "127.0.0.1:3000" or ":3000"`)
	}
	*a = address(text)
	return nil
}

// prefix begins the name of every key in Redis.
type prefix string

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *prefix) UnmarshalText(text []byte) error {
	if *p = prefix(text); !regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`).Match(text) {
		return wrongValue("letters, digits and _-.")
	}
	return nil
}

// hosts is a comma-separated list of host:port.
type hosts []string

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *hosts) UnmarshalText(text []byte) error {
	*h = nil
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.TrimSpace(item)
		if _, p, err := net.SplitHostPort(item); err != nil || p == "" {
			return wrongValue(`a list of servers, like "one:6379,two:6379"`)
		}
		*h = append(*h, item)
	}
	return nil
}

// names is a comma-separated list.
type names []string

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *names) UnmarshalText(text []byte) error { //nolint:unparam // the interface has it
	*n = nil
	for item := range strings.SplitSeq(string(text), ",") {
		if item = strings.TrimSpace(item); item != "" {
			*n = append(*n, item)
		}
	}
	return nil
}

// logLevel is how much is logged.
type logLevel slog.Level

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *logLevel) UnmarshalText(text []byte) error {
	var level slog.Level
	if err := level.UnmarshalText(text); err != nil {
		return wrongValue("debug, info, warn or error")
	}
	*l = logLevel(level)
	return nil
}

// logFormat is how it is logged.
type logFormat string

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *logFormat) UnmarshalText(text []byte) error {
	if *f = logFormat(text); *f != "text" && *f != "json" {
		return wrongValue("text or json")
	}
	return nil
}

// networks is a comma-separated list of networks and addresses.
type networks []netip.Prefix

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *networks) UnmarshalText(text []byte) error {
	*n = nil
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.TrimSpace(item)
		network, err := netip.ParsePrefix(item)
		if addr, notOne := netip.ParseAddr(item); notOne == nil {
			network, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return wrongValue(`a list of networks, like "10.0.0.0/8,2001:db8::/32"`)
		}
		*n = append(*n, network.Masked())
	}
	return nil
}

// tokenExpiry says when the expiry of a token counts.
type tokenExpiry string

// UnmarshalText implements encoding.TextUnmarshaler.
func (e *tokenExpiry) UnmarshalText(text []byte) error {
	if *e = tokenExpiry(text); *e != "subscribe" && *e != "enforce" {
		return wrongValue("subscribe or enforce")
	}
	return nil
}

// database says where applications and keys are kept.
type database string

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *database) UnmarshalText(text []byte) error {
	if *d = database(text); *d != "sqlite" && *d != "postgres" {
		return wrongValue("sqlite or postgres")
	}
	return nil
}
