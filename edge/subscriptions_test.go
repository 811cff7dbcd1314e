package edge

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/pandapush/pandapush"
)

func TestSubscriptionsAreAMap(t *testing.T) {
	names := rapid.SampledFrom([]string{"/a/public/a", "/a/public/b", "/a/public/*", "/a/public/**", "/b/public/a"})
	rapid.Check(t, func(r *rapid.T) {
		var list subscriptions
		model := map[string]*subscription{}
		r.Repeat(map[string]func(*rapid.T){
			"add": func(r *rapid.T) {
				pattern, err := pandapush.ParsePattern(names.Draw(r, "pattern"))
				if err != nil {
					r.Fatal(err)
				}
				sub, before := list.findOrAdd(pattern), model[pattern.String()]
				if before != nil && sub != before || sub.pattern != pattern {
					r.Errorf("findOrAdd(%s) = %v, had %v", pattern, sub, before)
				}
				model[pattern.String()] = sub
			},
			"remove": func(r *rapid.T) {
				name := names.Draw(r, "pattern")
				list.remove(name)
				delete(model, name)
			},
			"": func(r *rapid.T) {
				for name, sub := range model {
					if list.find(name) != sub || !slices.Contains(list, sub) {
						r.Errorf("%s is lost", name)
					}
				}
				if len(list) != len(model) {
					r.Errorf("%d, want %d", len(list), len(model))
				}
			},
		})
	})
}
