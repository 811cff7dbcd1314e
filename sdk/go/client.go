package pandapush

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Config says where the server is and who its client is: a key with its secret, or a token.
type Config struct {
	URL    string // like https://push.example.com; a path in it is kept
	Key    string // id of a key
	Secret string // of that key
	Token  string // instead of a key; minting tokens takes a key

	// Timeout bounds one attempt of a request, and how long Follow waits for its answer to begin; 10 s by default.
	Timeout time.Duration
	// Attempts is how often a request is sent at most; 5 by default, 1 for never again.
	Attempts int
	// HTTP sends the requests; a client of its own by default. Its Timeout should be zero, as it would end Follow.
	HTTP *http.Client
}

// Client talks to one server. All its methods may be called by several goroutines at once.
type Client struct {
	config Config
	base   string // without a slash at its end
	auth   string // the header Authorization; "" for none
	http   *http.Client
}

// New returns a client. It connects to nothing yet.
func New(config Config) (*Client, error) {
	base, err := url.Parse(config.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.RawQuery != "" || base.User != nil {
		return nil, errors.New("pandapush: URL takes an http or https URL, without a query or a password")
	}
	if config.Token != "" && config.Key+config.Secret != "" || (config.Key == "") != (config.Secret == "") {
		return nil, errors.New("pandapush: give a Key with its Secret, or a Token")
	}
	if config.Timeout <= 0 {
		config.Timeout = 10 * time.Second
	}
	if config.Attempts <= 0 {
		config.Attempts = 5
	}
	c := &Client{config: config, base: strings.TrimSuffix(config.URL, "/"), auth: authorization(config), http: new(http.Client)}
	if config.HTTP != nil {
		*c.http = *config.HTTP
	}
	// A redirect would turn a publish into a GET, which looks like a success.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

func authorization(config Config) string {
	switch {
	case config.Token != "":
		return "Bearer " + config.Token
	case config.Key != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(config.Key+":"+config.Secret))
	}
	return ""
}

// channelName is what may stand in a URL's path as it is. The server knows the rest of the grammar; this is to keep a name
// that a stranger had a part in, such as one with dots, from leading to another URL.
var channelName = regexp.MustCompile(`^/[A-Za-z0-9]+(/[A-Za-z0-9_~*-]+){2,}$`)

// checkChannel checks the name of a channel or a pattern.
func checkChannel(name string) error {
	if !channelName.MatchString(name) {
		return fmt.Errorf("invalid channel %q: it takes the form /application/kind/path", name)
	}
	return nil
}
