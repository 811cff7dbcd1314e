package streamstest

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

var subscriptionStories = []story{
	{"a save leaves alone what other nodes changed", saveAndChange},
	{"subscriptions come and go, all or nothing", changes},
	{"where a subscription begins", beginnings},
	{"where a subscription began stays", began},
}

func saveAndChange(t *testing.T, a, b *Node) {
	t.Helper()
	create(t, a, "id", map[string]pandapush.Subscription{
		"/shop/public/x": sub("shop", at("shop", 5)), "/shop/public/y": sub("shop", at("shop", 2)), "/bank/public/x": sub("bank", at("bank", 1)),
	})
	owned := claim(t, a, "id")
	granted := sub("shop", pandapush.Cursor{})
	granted.Grant.Key = "new"
	change(t, b, "id", map[string]pandapush.Subscription{
		"/shop/public/y": granted, "/shop/public/z": sub("shop", at("shop", 8)), "/news/public/x": sub("news", at("news", 3)),
	}, "/bank/public/x")

	owned.Cursors["shop"], owned.Cursors["bank"] = at("shop", 7), at("bank", 9)
	owned.Subscriptions["/shop/public/y"] = sub("shop", pandapush.Cursor{})
	save(t, a, "id", owned)
	granted.From = pandapush.Cursor{}
	want := map[string]pandapush.Subscription{
		"/shop/public/x": sub("shop", pandapush.Cursor{}), "/shop/public/y": granted,
		"/shop/public/z": sub("shop", at("shop", 8)), "/news/public/x": sub("news", pandapush.Cursor{}),
	}
	got := claim(t, b, "id")
	if !reflect.DeepEqual(got.Subscriptions, want) {
		t.Errorf("subscriptions %+v\nwant %+v", got.Subscriptions, want)
	}
	if want := (map[pandapush.AppID]pandapush.Cursor{"shop": at("shop", 7), "news": at("news", 3)}); !maps.Equal(got.Cursors, want) {
		t.Errorf("cursors %v, want %v", got.Cursors, want)
	}
}

func changes(t *testing.T, a, b *Node) {
	t.Helper()
	ctx := t.Context()
	none := sub("shop", pandapush.Cursor{})
	create(t, a, "id", map[string]pandapush.Subscription{"/shop/public/1": none, "/shop/public/2": none})
	try := func(limit int, add []string, remove ...string) error {
		subs := make(map[string]pandapush.Subscription)
		for _, pattern := range add {
			subs[pattern] = none
		}
		_, _, err := b.ChangeSubscriptions(ctx, "id", subs, remove, limit)
		return err
	}
	expect(t, "one too many", try(2, []string{"/shop/public/3"}), pandapush.ErrTooManySubs)
	expect(t, "one for one and another", try(2, []string{"/shop/public/3", "/shop/public/4"}, "/shop/public/1"), pandapush.ErrTooManySubs)
	expect(t, "one that is there", try(1, []string{"/shop/public/1"}), nil)
	expect(t, "one for one", try(2, []string{"/shop/public/3"}, "/shop/public/1", "/shop/public/none"), nil)
	owner, attached, err := b.ChangeSubscriptions(ctx, "id", nil, nil, 1)
	if owner != "" || attached || err != nil {
		t.Errorf("not claimed yet: owner %q, attached %t, %v", owner, attached, err)
	}
	s := claim(t, a, "id")
	if got := slices.Sorted(maps.Keys(s.Subscriptions)); !slices.Equal(got, []string{"/shop/public/2", "/shop/public/3"}) {
		t.Errorf("subscriptions %v", got)
	}
	if owner, attached, err = b.ChangeSubscriptions(ctx, "id", nil, nil, 1); owner != "a" || !attached || err != nil {
		t.Errorf("claimed: owner %q, attached %t, %v", owner, attached, err)
	}
	_, _, err = a.ChangeSubscriptions(ctx, "nobody", map[string]pandapush.Subscription{"/shop/public/1": none}, nil, 10)
	expect(t, "change of a session that does not exist", err, pandapush.ErrNotFound)
}

func beginnings(t *testing.T, a, b *Node) {
	t.Helper()
	const x, y, z = "/shop/public/x", "/shop/public/y", "/shop/public/z"
	type subs map[string]uint64 // where each begins; 0 if not said
	for name, c := range map[string]struct {
		before   subs
		attached bool
		since    bool
		add      subs
		cursor   uint64
		after    subs
	}{
		"the first":                          {subs{}, false, true, subs{x: 5}, 5, subs{x: 0}},
		"the latest of the first":            {subs{}, false, true, subs{x: 5, y: 10, z: 9}, 10, subs{x: 5, y: 0, z: 9}},
		"one that does not say":              {subs{}, false, true, subs{x: 0}, 0, subs{x: 0}},
		"a further one, later":               {subs{x: 5}, false, true, subs{y: 10}, 5, subs{x: 0, y: 10}},
		"a further one, earlier":             {subs{x: 10}, false, true, subs{y: 5}, 10, subs{x: 0, y: 5}},
		"again, earlier":                     {subs{x: 10, y: 10}, false, true, subs{x: 9}, 10, subs{x: 9, y: 0}},
		"again, later":                       {subs{x: 10}, false, true, subs{x: 100}, 10, subs{x: 0}},
		"again, without saying":              {subs{x: 10, y: 5}, false, true, subs{y: 0}, 10, subs{x: 0, y: 5}},
		"again, later than where it has got": {subs{x: 10, y: 5}, false, true, subs{y: 7}, 10, subs{x: 0, y: 5}},
		"again, earlier than it has got":     {subs{x: 10, y: 5}, false, true, subs{y: 4}, 10, subs{x: 0, y: 4}},
		"again, attached":                    {subs{x: 10}, true, true, subs{x: 100}, 10, subs{x: 100}},
		"again, attached, it says already":   {subs{x: 10, y: 5}, true, true, subs{y: 7}, 10, subs{x: 0, y: 5}},
		"renewed, later":                     {subs{x: 10}, false, false, subs{x: 100}, 10, subs{x: 0}},
		"renewed, earlier":                   {subs{x: 10, y: 10}, false, false, subs{x: 9}, 10, subs{x: 0, y: 0}},
		"renewed, attached":                  {subs{x: 10}, true, false, subs{x: 100}, 10, subs{x: 0}},
		"renewed, attached, it says already": {subs{x: 10, y: 5}, true, false, subs{y: 7}, 10, subs{x: 0, y: 5}},
		"a further one of no past":           {subs{x: 5}, true, false, subs{y: 10}, 5, subs{x: 0, y: 10}},
	} {
		begin := func(s subs) map[string]pandapush.Subscription {
			made := make(map[string]pandapush.Subscription)
			for pattern, millis := range s {
				made[pattern] = sub("shop", pandapush.Cursor{})
				if millis > 0 {
					made[pattern] = sub("shop", at("shop", millis))
				}
			}
			return made
		}
		create(t, a, name, begin(c.before))
		if c.attached {
			claim(t, a, name)
		}
		added := begin(c.add)
		for pattern, made := range added {
			made.Since = c.since
			added[pattern] = made
		}
		change(t, b, name, added)
		got := claim(t, b, name)
		if cursor := got.Cursors["shop"]; cursor.Position.Millis != c.cursor {
			t.Errorf("%s: the cursor is %v, want %d", name, cursor, c.cursor)
		}
		if want := begin(c.after); !reflect.DeepEqual(got.Subscriptions, want) {
			t.Errorf("%s: subscriptions %+v\nwant %+v", name, got.Subscriptions, want)
		}
	}

	// An application that is left and subscribed to again begins anew; a stream that was lost does not count as later.
	create(t, a, "again", map[string]pandapush.Subscription{x: sub("shop", at("shop", 5))})
	change(t, a, "again", map[string]pandapush.Subscription{y: sub("shop", at("shop", 9))}, x)
	lost := pandapush.Cursor{Epoch: pandapush.NewEpoch("shop"), Position: at("shop", 10).Position}
	again := sub("shop", lost)
	again.Since = true
	change(t, a, "again", map[string]pandapush.Subscription{y: again})
	if got := claim(t, b, "again"); got.Cursors["shop"] != at("shop", 9) || got.Subscriptions[y].From != lost {
		t.Errorf("subscribed again: %+v", got)
	}
}

func began(t *testing.T, a, b *Node) {
	t.Helper()
	const x = "/shop/public/x"
	with := func(cursor pandapush.Cursor) map[string]pandapush.Subscription {
		s := sub("shop", cursor)
		// What a user says of himself looks like what a script looks for.
		s.Grant.User, s.Grant.Presence, s.Began = "u", []byte(`{"b":"x-1-1","id":"u"}`), cursor
		s.Grant.Expires = time.UnixMilli(int64(cursor.Position.Millis)).UTC() // another grant each time
		return map[string]pandapush.Subscription{x: s}
	}
	lost := pandapush.Cursor{Epoch: pandapush.NewEpoch("shop"), Position: at("shop", 7).Position}
	create(t, a, "id", with(at("shop", 5)))
	for _, c := range []struct {
		what     string
		to, want pandapush.Cursor
	}{
		{"again", at("shop", 9), at("shop", 5)},
		{"again in the same place", at("shop", 5), at("shop", 5)},
		{"going back", at("shop", 3), at("shop", 3)},
		{"again after that", at("shop", 10), at("shop", 3)},
		{"in another stream", lost, lost},
	} {
		change(t, b, "id", with(c.to))
		owned := claim(t, a, "id")
		save(t, a, "id", owned)
		got := claim(t, b, "id").Subscriptions[x]
		if got.Began != c.want || !got.Grant.Expires.Equal(with(c.to)[x].Grant.Expires) || string(got.Grant.Presence) != `{"b":"x-1-1","id":"u"}` {
			t.Errorf("%s: began at %v, want %v; %+v", c.what, got.Began, c.want, got.Grant)
		}
	}
	change(t, a, "id", nil, x)
	change(t, a, "id", with(at("shop", 20)))
	if got := claim(t, b, "id").Subscriptions[x].Began; got != at("shop", 20) {
		t.Errorf("given up and made anew, it began at %v", got)
	}
}
