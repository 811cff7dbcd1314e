package edge

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
	"unique"

	"github.com/pandapush/pandapush"
)

// visitor is where a request or a socket comes from.
type visitor struct {
	addr   netip.Addr            // the client's; zero if it is not known, and then nothing is counted by it
	agent  unique.Handle[string] // its User-Agent, cut short; the same ones share their memory
	origin string                // of the page that sent it; "" if none did, or one of this server's own origin
}

// visitor finds out where a request comes from.
func (e *Server) visitor(r *http.Request) visitor {
	addr, trusted := e.clientAddr(r)
	return visitor{addr: addr, agent: unique.Make(userAgent(r)), origin: foreignOrigin(r, trusted)}
}

// userAgent returns what a request says of its client, as text and cut short.
func userAgent(r *http.Request) string {
	agent := strings.ToValidUTF8(r.UserAgent(), "�")
	if len(agent) <= pandapush.MaxUserAgent {
		return agent
	}
	end := pandapush.MaxUserAgent
	for !utf8.RuneStart(agent[end]) {
		end--
	}
	return agent[:end]
}

// ClientAddress returns the address of a request's client, as all that is limited by address counts it; "" if it is not known.
func (e *Server) ClientAddress(r *http.Request) string {
	addr, _ := e.clientAddr(r)
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}

// clientAddr returns the address of the client. It is what a trusted proxy says in X-Forwarded-For, and for a chain of such
// proxies what the first of them says; else it is that of the connection, and what the headers say is ignored: anybody could
// have written it. A connection from a private network that is no trusted proxy is most likely from one that nobody has
// named, with all the world behind it, so its address stands for nothing. trusted says whether the connection is a proxy's.
func (e *Server) clientAddr(r *http.Request) (addr netip.Addr, trusted bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil { // a Unix socket
		return netip.Addr{}, false
	}
	addr = peer.Addr().Unmap()
	if trusted = e.trusts(addr); !trusted && (addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast()) {
		return netip.Addr{}, false
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !e.trusts(addr) {
			break
		}
		before, ok := parseHop(hop)
		if !ok {
			break
		}
		addr = before
	}
	if e.trusts(addr) { // the proxies do not say who is behind them
		return netip.Addr{}, trusted
	}
	return group(addr), trusted
}

func (e *Server) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(e.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// parseHop reads an element of X-Forwarded-For. Some proxies add the port.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if addr, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return addr.Unmap().WithZone(""), true
	}
	hop, err := netip.ParseAddrPort(text)
	return hop.Addr().Unmap().WithZone(""), err == nil
}

// group returns what stands for all addresses that one client may take: of IPv6 whoever has one address has its /64.
func group(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	prefix, err := addr.Prefix(64)
	if err != nil {
		return addr // has a zone; can't happen, as those are cut
	}
	return prefix.Addr()
}

// foreignOrigin returns the origin of the page that sent a request: "null" for one that hides it, and "" if no page did or
// one that this server serves. A script element, which callback-polling uses, sends no Origin, but modern browsers say that
// it comes from another site, and mostly from which page.
func foreignOrigin(r *http.Request, trusted bool) string {
	origin := strings.ToLower(r.Header.Get("Origin"))
	if origin == "" && r.Method == http.MethodGet && r.Header.Get("Upgrade") == "" {
		origin = referringOrigin(r)
	}
	host := r.Host
	if forwarded := r.Header.Get("X-Forwarded-Host"); trusted && forwarded != "" {
		host = forwarded
	}
	if _, of, ok := strings.Cut(origin, "://"); ok && strings.EqualFold(of, host) {
		return ""
	}
	if len(origin) > maxOrigin {
		return "null"
	}
	return origin
}

// maxOrigin bounds an origin, which is kept as long as its socket, in bytes. A scheme, the longest name of a host, and a port
// are shorter.
const maxOrigin = 300

// referringOrigin returns the origin of the page that a GET was made by, as far as the request says.
func referringOrigin(r *http.Request) string {
	if page, err := url.Parse(r.Referer()); err == nil && page.Host != "" {
		return strings.ToLower(page.Scheme + "://" + page.Host)
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return ""
	}
	return "null"
}
