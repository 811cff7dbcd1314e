package admin

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/api/admin/live"
	"github.com/pandapush/pandapush/api/admin/login"
)

// Apps are the applications in the database. Errors are pandapush.ErrNotFound, a pandapush.Invalid or wrap
// pandapush.ErrUnavailable; whatever changes something is done as a whole and written down in the audit log.
type Apps interface {
	FindApps(ctx context.Context, q pandapush.AppQuery) (apps []pandapush.App, total int, err error)
	App(ctx context.Context, id pandapush.AppID) (pandapush.App, error)
	CreateApp(ctx context.Context, by, name string) (pandapush.App, error)
	UpdateApp(ctx context.Context, by string, id pandapush.AppID, change pandapush.AppChange) (pandapush.App, error)
	DeleteApp(ctx context.Context, by string, id pandapush.AppID) error
}

// Keys are the keys in the database, as Apps are the applications.
type Keys interface {
	AppKeys(ctx context.Context, app pandapush.AppID) ([]pandapush.Key, error) // without secrets
	Key(ctx context.Context, app pandapush.AppID, id pandapush.KeyID) (pandapush.Key, error)
	CreateKey(ctx context.Context, k pandapush.NewKey) (pandapush.Key, error)
	RotateKey(ctx context.Context, by string, app pandapush.AppID, id pandapush.KeyID, overlap time.Duration) (pandapush.Key, error)
	RevokeKey(ctx context.Context, by string, app pandapush.AppID, id pandapush.KeyID) error
	DeleteKey(ctx context.Context, by string, app pandapush.AppID, id pandapush.KeyID) error
	// ConsoleKey returns a key of that purpose that can be used, or makes one that expires in years.
	ConsoleKey(ctx context.Context, by string, app pandapush.AppID, purpose string, years int) (pandapush.Key, error)
}

// Audit is the audit log.
type Audit interface {
	Audit(ctx context.Context, q pandapush.AuditQuery) ([]pandapush.Change, error)
	// Record writes down what is not a change of the database.
	Record(ctx context.Context, c pandapush.Change) error
}

// Store is the database.
type Store interface {
	Apps
	Keys
	Audit
}

// Sessions are the sessions of all nodes. Errors wrap pandapush.ErrUnavailable when Redis can't be reached.
type Sessions interface {
	// ListSessions calls visit for every session until that returns false; one may come twice.
	ListSessions(ctx context.Context, visit func(id string, session pandapush.Session, ttl time.Duration) bool) error
	Session(ctx context.Context, id string) (pandapush.Session, time.Duration, error)
	// Position returns how far a node has handed out streams.
	Position(ctx context.Context, node string, apps []pandapush.AppID) (map[pandapush.AppID]pandapush.Cursor, error)
	EndSession(ctx context.Context, id string) (owner string, attached bool, err error)
	Send(ctx context.Context, node string, m pandapush.Mail) error
}

// Stream is what is kept of the applications' streams. Errors wrap pandapush.ErrUnavailable when Redis can't be reached.
type Stream interface {
	Span(ctx context.Context, app pandapush.AppID) (pandapush.Span, error)
	// Range returns up to count messages after one position and up to another (zero: the end), the oldest first.
	Range(ctx context.Context, app pandapush.AppID, after, upTo pandapush.Position, count int) ([]pandapush.Message, error)
	// RangeBack is Range from the other end: the newest first.
	RangeBack(ctx context.Context, app pandapush.AppID, after, upTo pandapush.Position, count int) ([]pandapush.Message, error)
	// Forget removes the messages of an application that has been deleted.
	Forget(ctx context.Context, app pandapush.AppID) error
}

// Setting is one of the server's settings, for people to look at.
type Setting struct {
	Name    string  `json:"name"`  // the environment variable
	Value   *string `json:"value"` // nil for a secret
	Default string  `json:"default"`
	Secret  bool    `json:"secret"`
	Set     bool    `json:"set"` // another than the default; of a secret: there is one
	Help    string  `json:"help"`
}

// Environment is another installation that the UI links to.
type Environment struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// Config is what a Server is made of. All but those that say so are required.
type Config struct {
	Logins   *login.Logins
	Handles  *login.Sealer // names sessions for those who must not know client ids
	Store    Store
	Keys     pandapush.Keys // in memory, for explanations
	Sessions Sessions
	Stream   Stream
	Live     *live.Sampler
	// Changed is called after a change of applications or keys, and returns when this node knows of it.
	Changed func(ctx context.Context)
	UI      http.Handler // what is served at /admin

	Settings     []Setting                                    // shown to root admins
	Retention    func(pandapush.AppID) (int64, time.Duration) // how many messages of an application are kept, and how long
	Defaults     pandapush.Settings                           // what holds where an application's settings say nothing
	Environments []Environment                                // may be nil
	Environment  string                                       // the name of this one
	Commit       string                                       // that is deployed, by what the operator says; may be ""
	Version      string                                       // of Pandapush

	Log     *slog.Logger          // nil for none
	Metrics prometheus.Registerer // nil for none
	Now     func() time.Time      // nil: time.Now
}

// Server answers the admin API. It starts no goroutine; its methods are safe for concurrent use.
type Server struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics

	scans    chan struct{} // a place for each look at all sessions
	watchers chan struct{} // a place for each event stream
	spans    spans
	draining chan struct{} // closed by Drain
}

// New returns a Server.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Environments == nil {
		cfg.Environments = []Environment{}
	}
	s := &Server{
		cfg: cfg, log: cfg.Log, metrics: newMetrics(cfg.Metrics),
		scans: make(chan struct{}, maxScans), watchers: make(chan struct{}, maxWatchers), draining: make(chan struct{}),
	}
	s.spans.ask = func(ctx context.Context, app pandapush.AppID) (streamView, error) {
		span, err := cfg.Stream.Span(ctx, app)
		return s.viewSpan(app, span), err
	}
	return s
}
