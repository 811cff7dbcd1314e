package bayeux

import "github.com/pandapush/pandapush"

// Credential returns what the client put into "ext.auth": {"token"} or {"key", "secret"}. Given is set if there is
// anything at all.
func (m *Message) Credential() pandapush.Credential {
	auth := m.Ext.Member("auth")
	text := func(name string) string {
		if v := auth.Member(name); v.Truthy() {
			return v.Text()
		}
		return ""
	}
	return pandapush.Credential{
		Token:  text("token"),
		Key:    pandapush.KeyID(text("key")),
		Secret: pandapush.Secret(text("secret")),
		Given:  auth.Truthy(),
	}
}
