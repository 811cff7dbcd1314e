package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/api/admin/live"
	"github.com/pandapush/pandapush/api/admin/login"
)

// appView is an application as the API shows it.
type appView struct {
	ID        pandapush.AppID `json:"id"`
	Name      string          `json:"name"`
	CreatedBy string          `json:"created_by"`
	CreatedAt *string         `json:"created_at"`
	UpdatedAt *string         `json:"updated_at"`
}

func viewApp(app pandapush.App) appView {
	return appView{app.ID, app.Name, app.CreatedBy, moment(app.CreatedAt), moment(app.UpdatedAt)}
}

// sees reports whether an application exists for a user.
func sees(user login.User, app pandapush.App) bool {
	return user.SeesAll() || slices.Contains(app.Admins, user.Name)
}

func (s *Server) openAPI(c *call) error {
	send(c.w, http.StatusOK, "application/json; charset=utf-8", OpenAPI)
	return nil
}

func (s *Server) info(c *call) error {
	return c.reply(http.StatusOK, struct {
		Username     string        `json:"username"`
		Role         login.Role    `json:"role"`
		Environments []Environment `json:"environments"`
		Environment  string        `json:"environment"`
		Version      string        `json:"version"`
		Release      string        `json:"release"`
		Logout       string        `json:"logout"`
	}{c.user.Name, c.user.Role, s.cfg.Environments, s.cfg.Environment, s.cfg.Commit, s.cfg.Version, "/logout"})
}

func (s *Server) listApps(c *call) error {
	q := newQuery(c)
	wanted := pandapush.AppQuery{
		Search: q.text("search", 255), Sort: pandapush.AppOrder(q.oneOf("sort", "name", "created_at", "id")),
		Descending: q.oneOf("order", "asc", "desc") == "desc",
		Limit:      int(q.number("limit", 1, 1000, 0)), Offset: int(q.number("offset", 0, 1<<31, 0)),
	}
	if err := q.err(); err != nil {
		return err
	}
	if !c.user.SeesAll() {
		wanted.User = c.user.Name
	}
	apps, total, err := s.cfg.Store.FindApps(c.r.Context(), wanted)
	if err != nil {
		return err
	}
	type listed struct {
		appView
		Suspended bool          `json:"suspended"`
		Live      *live.Numbers `json:"live"`
	}
	list := make([]listed, len(apps))
	for i, app := range apps {
		list[i] = listed{viewApp(app), app.Settings.Suspended, s.cfg.Live.App(app.ID)}
	}
	c.w.Header().Set("X-Total-Count", strconv.Itoa(total))
	return c.reply(http.StatusOK, list)
}

func (s *Server) createApp(c *call) error {
	body, err := decode[struct {
		Name string `json:"name"`
	}](c)
	if err != nil {
		return err
	}
	app, err := s.cfg.Store.CreateApp(c.r.Context(), c.user.Name, body.Name)
	if err != nil {
		return err
	}
	s.cfg.Changed(c.r.Context())
	return c.reply(http.StatusCreated, viewApp(app))
}

func (s *Server) getApp(c *call) error {
	keys, err := s.cfg.Store.AppKeys(c.r.Context(), c.app.ID)
	if err != nil {
		return err
	}
	c.showVersion(whoseVersion(c.app))
	admins := c.app.Admins
	if admins == nil {
		admins = []string{}
	}
	return c.reply(http.StatusOK, struct {
		appView
		Keys     []keyView          `json:"keys"`
		Admins   []string           `json:"admins"`
		Settings pandapush.Settings `json:"settings"`
	}{viewApp(c.app), s.viewKeys(keys), admins, c.app.Settings})
}

func (s *Server) updateApp(c *call) error {
	body, err := decode[struct {
		Name   *string  `json:"name"`
		Admins []string `json:"admins"`
	}](c)
	if err != nil {
		return err
	}
	if body.Admins != nil && c.user.Role == login.Admin && !slices.Contains(body.Admins, c.user.Name) {
		return invalid("admins", "you cannot take yourself off the list")
	}
	change := pandapush.AppChange{Name: body.Name, Admins: body.Admins, Check: c.unchanged(whoseVersion)}
	app, err := s.cfg.Store.UpdateApp(c.r.Context(), c.user.Name, c.app.ID, change)
	if err != nil {
		return err
	}
	s.cfg.Changed(c.r.Context())
	c.showVersion(whoseVersion(app))
	return c.reply(http.StatusOK, map[string]pandapush.AppID{"id": c.app.ID})
}

func (s *Server) deleteApp(c *call) error {
	if err := s.cfg.Store.DeleteApp(c.r.Context(), c.user.Name, c.app.ID); err != nil {
		return err
	}
	s.cfg.Changed(c.r.Context())
	if err := s.cfg.Stream.Forget(context.WithoutCancel(c.r.Context()), c.app.ID); err != nil {
		s.log.WarnContext(c.r.Context(), "messages of a deleted application stay until they are too old", "app", c.app.ID, "error", err)
	}
	send(c.w, http.StatusOK, "text/plain; charset=utf-8", []byte("OK"))
	return nil
}

func (s *Server) getSettings(c *call) error {
	c.showVersion(settingsVersion(c.app))
	return c.reply(http.StatusOK, map[string]pandapush.Settings{"settings": c.app.Settings, "defaults": s.cfg.Defaults})
}

func (s *Server) putSettings(c *call) error {
	body, err := decode[strictSettings](c)
	if err != nil {
		return err
	}
	settings := pandapush.Settings(body)
	change := pandapush.AppChange{Settings: &settings, Check: c.unchanged(settingsVersion)}
	app, err := s.cfg.Store.UpdateApp(c.r.Context(), c.user.Name, c.app.ID, change)
	if err != nil {
		return err
	}
	s.cfg.Changed(c.r.Context())
	c.showVersion(settingsVersion(app))
	return c.reply(http.StatusOK, app.Settings)
}

// strictSettings are Settings that are read without passing over what is not known.
type strictSettings pandapush.Settings

// UnmarshalJSON implements json.Unmarshaler. The error is a pandapush.Invalid.
func (s *strictSettings) UnmarshalJSON(text []byte) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(text, &given); err != nil {
		return err
	}
	all, err := json.Marshal(pandapush.Settings{})
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	var known map[string]json.RawMessage
	if err := json.Unmarshal(all, &known); err != nil {
		return fmt.Errorf("decode settings: %w", err)
	}
	for name := range given {
		if _, ok := known[name]; !ok {
			return invalid(name, "is not known")
		}
	}
	return json.Unmarshal(text, (*pandapush.Settings)(s))
}
