package bayeux

import "strings"

// ValidName reports whether name is the name of one channel to Bayeux: "/segment" once or more. Pandapush's own channels
// are fewer: see pandapush.ParseChannel.
func ValidName(name string) bool {
	return name != "" && validSegments(name)
}

// ValidPattern reports whether pattern is a channel's name, or none, followed by "/*" or "/**".
func ValidPattern(pattern string) bool {
	path, ok := strings.CutSuffix(pattern, "/**")
	if !ok {
		path, ok = strings.CutSuffix(pattern, "/*")
	}
	return ok && validSegments(path)
}

// IsMeta reports whether channel is a valid name or pattern whose first segment is "meta".
func IsMeta(channel string) bool { return startsWith(channel, "/meta") }

// IsService reports whether channel is a valid name or pattern whose first segment is "service".
func IsService(channel string) bool { return startsWith(channel, "/service") }

func startsWith(channel, first string) bool {
	rest, ok := strings.CutPrefix(channel, first)
	return ok && (rest == "" || rest[0] == '/') && (ValidName(channel) || ValidPattern(channel))
}

// validSegments reports whether path is a sequence of segments, each with its slash before it. None is one, too.
func validSegments(path string) bool {
	previous := byte(0)
	for i := range len(path) {
		c := path[i]
		if c == '/' && previous == '/' || c != '/' && (i == 0 || !inSegment(c)) {
			return false
		}
		previous = c
	}
	return previous != '/'
}

func inSegment(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || strings.IndexByte("-_!~()$@", c) >= 0
}
