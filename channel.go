package pandapush

import "strings"

// MaxChannelLength bounds the length of a channel name or pattern, in bytes.
const MaxChannelLength = 512

// AppID names an application: one or more ASCII letters and digits, and the first segment of its channels.
type AppID string

// Valid reports whether id has the form of an application id. It says nothing about whether the application exists.
func (id AppID) Valid() bool {
	for i := range len(id) {
		if !isAlphanumeric(id[i]) {
			return false
		}
	}
	return id != "" && len(id) <= 255
}

// Kind is the second segment of a channel name: it decides who may subscribe and publish.
type Kind string

// The four kinds of channel.
const (
	Public   Kind = "public"   // anyone may subscribe
	Private  Kind = "private"  // subscribing needs a credential
	Presence Kind = "presence" // private, and subscribers are announced to each other
	Meta     Kind = "meta"     // written by the server alone
)

// Channel is the valid name of one channel, "/<app>/<kind>/<segment>…". Only ParseChannel makes one, so holding a
// Channel that is not zero is proof of its form.
type Channel struct{ name string }

// ParseChannel checks name and returns it as a Channel. Segments after the kind take letters, digits and "-_~!($)@", as
// Faye's grammar does. The error is ErrInvalidChannel.
func ParseChannel(name string) (Channel, error) {
	if wildcard := validate(name); wildcard != "" || !validPrefix(name) {
		return Channel{}, ErrInvalidChannel
	}
	return Channel{name}, nil
}

// ParsePlainChannel is ParseChannel with the alphabet that URLs of the HTTP API take: letters, digits and "-_~".
func ParsePlainChannel(name string) (Channel, error) {
	if strings.ContainsAny(name, "!($)@") {
		return Channel{}, ErrInvalidChannel
	}
	return ParseChannel(name)
}

// String returns the name.
func (c Channel) String() string { return c.name }

// App returns the application that the channel belongs to.
func (c Channel) App() AppID { return appOf(c.name) }

// Kind returns the channel's kind.
func (c Channel) Kind() Kind { return kindOf(c.name) }

// Pattern returns the pattern that matches just this channel.
func (c Channel) Pattern() Pattern { return Pattern(c) }

// Pattern is what can be subscribed to: a channel name whose last segment may be "*" (exactly one more segment) or "**"
// (one or more). "/x/**" does not match "/x". Only ParsePattern makes one.
type Pattern struct{ name string }

// ParsePattern checks name and returns it as a Pattern. The wildcard, if any, stands after the kind, so a pattern never
// reaches beyond one application and one kind. The error is ErrInvalidChannel.
func ParsePattern(name string) (Pattern, error) {
	if wildcard := validate(name); wildcard == invalid || !validPrefix(name) {
		return Pattern{}, ErrInvalidChannel
	}
	return Pattern{name}, nil
}

// String returns the pattern's text.
func (p Pattern) String() string { return p.name }

// App returns the application that the pattern belongs to.
func (p Pattern) App() AppID { return appOf(p.name) }

// Kind returns the kind of the channels that the pattern matches.
func (p Pattern) Kind() Kind { return kindOf(p.name) }

// Wild reports whether the pattern ends in a wildcard.
func (p Pattern) Wild() bool {
	return strings.HasSuffix(p.name, "/*") || strings.HasSuffix(p.name, "/**")
}

// Matches reports whether a message on c goes to a subscriber of p.
func (p Pattern) Matches(c Channel) bool { return covers(p.name, c.name) }

// MatchesName is Matches for a name that is known to be that of a channel.
func (p Pattern) MatchesName(name string) bool { return covers(p.name, name) }

// ParsePlainPattern is ParsePattern with the alphabet of ParsePlainChannel, and the wildcards.
func ParsePlainPattern(name string) (Pattern, error) {
	if strings.ContainsAny(name, "!($)@") {
		return Pattern{}, ErrInvalidChannel
	}
	return ParsePattern(name)
}

// covers reports whether every channel that target matches is matched by scope too, segment by segment: "/a/1/**" does
// not cover "/a/12/x", and "/a/*" does not cover "/a/**".
func covers(scope, target string) bool {
	if scope == target {
		return true
	}
	if base, ok := strings.CutSuffix(scope, "/**"); ok {
		rest, ok := strings.CutPrefix(target, base)
		return ok && len(rest) > 1 && rest[0] == '/'
	}
	if base, ok := strings.CutSuffix(scope, "/*"); ok {
		rest, ok := strings.CutPrefix(target, base)
		return ok && len(rest) > 1 && rest[0] == '/' && !strings.Contains(rest[1:], "/") && rest != "/**"
	}
	return false
}

// invalid is what validate returns for a name that is neither a channel nor a pattern.
const invalid = "?"

// validate checks every segment of name and returns the wildcard that it ends in ("", "*" or "**"), or invalid.
func validate(name string) (wildcard string) {
	if len(name) < 2 || len(name) > MaxChannelLength || name[0] != '/' {
		return invalid
	}
	for rest, more := name[1:], true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if segment == "*" || segment == "**" {
			if more {
				return invalid
			}
			return segment
		}
		if !validSegment(segment) {
			return invalid
		}
	}
	return ""
}

// validPrefix reports whether name, whose segments are valid, begins with an application and a kind and goes on.
func validPrefix(name string) bool {
	app, rest, _ := strings.Cut(name[1:], "/")
	kind, rest, _ := strings.Cut(rest, "/")
	switch Kind(kind) {
	case Public, Private, Presence, Meta:
		return AppID(app).Valid() && rest != ""
	}
	return false
}

func validSegment(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && !strings.ContainsRune("-_~!($)@", rune(s[i])) {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

func appOf(name string) AppID {
	if name == "" {
		return ""
	}
	app, _, _ := strings.Cut(name[1:], "/")
	return AppID(app)
}

func kindOf(name string) Kind {
	if name == "" {
		return ""
	}
	_, rest, _ := strings.Cut(name[1:], "/")
	kind, _, _ := strings.Cut(rest, "/")
	return Kind(kind)
}

// ChannelsChannel is where it is announced which channels of app begin and cease to have subscribers.
func ChannelsChannel(app AppID) Channel { return Channel{"/" + string(app) + "/meta/channels"} }

// StatisticsChannel is where app's numbers are told every few seconds.
func StatisticsChannel(app AppID) Channel { return Channel{"/" + string(app) + "/meta/statistics"} }

// GapChannel is where an application's stream says that it has lost something: see Message.Gap.
func GapChannel(app AppID) Channel { return Channel{"/" + string(app) + "/meta/gap"} }
