package main

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/pandapush/pandapush/api/admin"
	"github.com/pandapush/pandapush/api/admin/login"
)

// adminFlags say who may administer and how they log in.
type adminFlags struct {
	AuthMethod     authMethod `default:"none" placeholder:"HOW" help:"How administrators log in: basic, oidc (or okta, which is the same), or none, which closes the admin API and UI."`
	AdminUsername  string     `placeholder:"NAME" help:"With basic: the only user, who may do everything."`
	AdminPassword  secret     `placeholder:"TEXT" help:"With basic: the user's password."`
	RootAdmins     names      `placeholder:"NAMES" help:"Users who may do everything, separated by commas."`
	ReadOnlyAdmins names      `placeholder:"NAMES" help:"Users who may see everything and change nothing, separated by commas."`

	OIDCIssuer        string `name:"oidc-issuer" placeholder:"URL" help:"With oidc: URL of the provider."`
	OIDCClientID      string `name:"oidc-client-id" placeholder:"ID" help:"With oidc: this service's client id at the provider."`
	OIDCClientSecret  secret `name:"oidc-client-secret" placeholder:"TEXT" help:"With oidc: its client secret."`
	OIDCRedirectURI   string `name:"oidc-redirect-uri" placeholder:"URL" help:"With oidc: this service's URL as browsers see it, followed by /authorization-code/callback."`
	OIDCScopes        names  `name:"oidc-scopes" default:"profile" placeholder:"NAMES" help:"With oidc: scopes to ask for, besides openid."`
	OIDCUsernameClaim string `name:"oidc-username-claim" default:"preferred_username" placeholder:"NAME" help:"With oidc: claim with the user's name."`
	OIDCStripDomain   string `name:"oidc-strip-domain" placeholder:"TEXT" help:"With oidc: suffix to remove from the name, like @example.com."`
	OIDCRoleClaim     string `name:"oidc-role-claim" default:"groups" placeholder:"NAME" help:"With oidc: claim with the user's roles."`
	OIDCRootRole      string `name:"oidc-root-role" placeholder:"TEXT" help:"With oidc: role that may do everything."`
	OIDCReadOnlyRole  string `name:"oidc-read-only-role" placeholder:"TEXT" help:"With oidc: role that may see everything and change nothing."`
	OktaIssuer        string `placeholder:"URL" help:"Old name of OIDC_ISSUER."`
	OktaClientID      string `placeholder:"ID" help:"Old name of OIDC_CLIENT_ID."`
	OktaClientSecret  secret `placeholder:"TEXT" help:"Old name of OIDC_CLIENT_SECRET."`
	OktaRedirectURI   string `name:"okta-redirect-uri" placeholder:"URL" help:"Old name of OIDC_REDIRECT_URI."`
	OktaStripDomain   string `placeholder:"TEXT" help:"Old name of OIDC_STRIP_DOMAIN."`

	SessionPrivateKey secret `placeholder:"TEXT" help:"Encrypts login cookies; at least 16 characters, and the same on all nodes. Default: a random one, kept in the data folder."`
	SessionTTL        span   `name:"session-ttl" default:"12h" help:"With oidc: how long a login lasts."`

	Environments  environments `placeholder:"LIST" help:"Other installations that the admin UI links to, as name,url;name,url."`
	CGEnvironment string       `name:"cg-environment" default:"local" placeholder:"NAME" help:"The name of this installation among them."`
	CGGitCommitID string       `name:"cg-git-commit-id" placeholder:"TEXT" help:"Commit to show in the admin UI."`
}

// authMethod is how administrators log in.
type authMethod string

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *authMethod) UnmarshalText(text []byte) error {
	switch *m = authMethod(text); *m {
	case "none", "basic", "oidc":
		return nil
	case "okta":
		*m = "oidc"
		return nil
	}
	return wrongValue("basic, oidc, okta or none")
}

// environments are other installations.
type environments []admin.Environment

// UnmarshalText implements encoding.TextUnmarshaler.
func (e *environments) UnmarshalText(text []byte) error {
	*e = nil
	for item := range strings.SplitSeq(string(text), ";") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		name, address, ok := strings.Cut(item, ",")
		u, err := url.Parse(address)
		if !ok || err != nil || name == "" || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return wrongValue(`a list of installations, like "staging,https://staging.example;production,https://push.example"`)
		}
		*e = append(*e, admin.Environment{Name: name, URL: address})
	}
	return nil
}

// withOldNames returns the settings with those of the old names in place of the new ones that are not set.
func (f adminFlags) withOldNames() adminFlags {
	f.OIDCIssuer = cmp.Or(f.OIDCIssuer, f.OktaIssuer)
	f.OIDCClientID = cmp.Or(f.OIDCClientID, f.OktaClientID)
	f.OIDCClientSecret = cmp.Or(f.OIDCClientSecret, f.OktaClientSecret)
	f.OIDCRedirectURI = cmp.Or(f.OIDCRedirectURI, f.OktaRedirectURI)
	f.OIDCStripDomain = cmp.Or(f.OIDCStripDomain, f.OktaStripDomain)
	return f
}

// checkAdmin returns what is missing of a login.
func (f adminFlags) checkAdmin() error {
	f = f.withOldNames()
	if f.SessionPrivateKey != "" && len(f.SessionPrivateKey) < login.MinSecret {
		return &settingError{name: "SESSION_PRIVATE_KEY", takes: fmt.Sprintf("at least %d characters", login.MinSecret)}
	}
	needed := map[authMethod][]string{
		"basic": {"ADMIN_USERNAME", f.AdminUsername, "ADMIN_PASSWORD", string(f.AdminPassword)},
		"oidc": {
			"OIDC_ISSUER", f.OIDCIssuer, "OIDC_CLIENT_ID", f.OIDCClientID,
			"OIDC_CLIENT_SECRET", string(f.OIDCClientSecret), "OIDC_REDIRECT_URI", f.OIDCRedirectURI,
		},
	}
	for pair := range slices.Chunk(needed[f.AuthMethod], 2) {
		if pair[1] == "" {
			return fmt.Errorf("%s must be set with AUTH_METHOD=%s", pair[0], f.AuthMethod)
		}
	}
	return nil
}

// logins returns the configuration of the way to log in, but for what is not a setting.
func (f adminFlags) logins(data dataFlags) (login.Config, error) {
	f = f.withOldNames()
	key, err := f.sessionKey(data)
	if err != nil {
		return login.Config{}, err
	}
	cfg := login.Config{Roots: f.RootAdmins, ReadOnly: f.ReadOnlyAdmins, Secret: key, SessionTTL: time.Duration(f.SessionTTL)}
	switch f.AuthMethod {
	case "basic":
		cfg.Basic = &login.Basic{Username: f.AdminUsername, Password: string(f.AdminPassword)}
		cfg.Roots = append(cfg.Roots, f.AdminUsername)
	case "oidc":
		cfg.OIDC = &login.OIDC{
			Issuer: f.OIDCIssuer, ClientID: f.OIDCClientID, ClientSecret: string(f.OIDCClientSecret), RedirectURL: f.OIDCRedirectURI,
			Scopes: f.OIDCScopes, UsernameClaim: f.OIDCUsernameClaim, StripDomain: f.OIDCStripDomain,
			RoleClaim: f.OIDCRoleClaim, RootRole: f.OIDCRootRole, ReadOnlyRole: f.OIDCReadOnlyRole,
		}
		if f.AdminUsername != "" { // a root admin too, as in the Node version
			cfg.Roots = append(cfg.Roots, f.AdminUsername)
		}
	}
	return cfg, nil
}

// sessionKeyBytes is how long a key is that is made here, before it is encoded.
const sessionKeyBytes = 32

// sessionKey returns what logins are sealed with: the setting, or a file in the data folder, made if need be.
func (f adminFlags) sessionKey(data dataFlags) ([]byte, error) {
	if f.SessionPrivateKey != "" {
		return []byte(f.SessionPrivateKey), nil
	}
	name := filepath.Join(data.DataDir, "session.key")
	fresh := make([]byte, sessionKeyBytes)
	_, _ = rand.Read(fresh) // never fails: it crashes the program instead
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
	case err != nil:
		return nil, fmt.Errorf("session key: %w", err)
	default:
		_, err := file.WriteString(base64.StdEncoding.EncodeToString(fresh) + "\n")
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("session key: %w", err)
		}
	}
	key, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	return []byte(strings.TrimSpace(string(key))), nil
}

// effective returns the settings as they are, for people to look at, without those that are secret.
func (c *serveCmd) effective() ([]admin.Setting, error) {
	cli := struct {
		Serve serveCmd `cmd:""`
	}{*c}
	parser, err := kong.New(&cli)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	var all []admin.Setting
	for _, flag := range parser.Model.Children[0].Flags {
		setting := admin.Setting{
			Name: strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_")), Default: flag.Default, Help: flag.Help,
			Secret: flag.Target.Type() == reflect.TypeFor[secret](),
		}
		if flag.IsBool() {
			setting.Default = "false"
		}
		text := settingText(flag.Target)
		if setting.Secret {
			setting.Set = !flag.Target.IsZero()
		} else {
			setting.Value, setting.Set = &text, text != setting.Default
		}
		all = append(all, setting)
	}
	return all, nil
}

// settingText returns a setting as an environment variable has it.
func settingText(v reflect.Value) string {
	switch v := v.Interface().(type) {
	case span:
		return shortSpan(time.Duration(v))
	case wait:
		return shortSpan(time.Duration(v))
	case millis:
		return fmt.Sprint(time.Duration(v).Milliseconds())
	case logLevel:
		return strings.ToLower(slog.Level(v).String())
	case environments:
		items := make([]string, len(v))
		for i, e := range v {
			items[i] = e.Name + "," + e.URL
		}
		return strings.Join(items, ";")
	}
	if v.Kind() != reflect.Slice {
		return fmt.Sprint(v)
	}
	var items []string
	for _, item := range v.Seq2() {
		items = append(items, fmt.Sprint(item))
	}
	return strings.Join(items, ",")
}

// shortSpan is time.Duration's text without the units that are zero: "12h", not "12h0m0s".
func shortSpan(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
