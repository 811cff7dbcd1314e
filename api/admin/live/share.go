package live

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/pandapush/pandapush"
)

// maxShared bounds the applications of a share.
const maxShared = 1000

// About is what a node says of itself once and for all.
type About struct {
	Version string    `json:"version"`
	Go      string    `json:"go"`
	Host    string    `json:"host"`
	Started time.Time `json:"started_at"`
}

// share is what a node tells the others.
type share struct {
	About
	Process
	At       time.Time                   `json:"at"` // by the node's own clock
	Draining bool                        `json:"draining"`
	Total    Numbers                     `json:"total"` // of all its applications, shared or not
	Latency  Latency                     `json:"latency"`
	Apps     map[pandapush.AppID]compact `json:"apps"`
	// Followers are those of the keys with the most of them, at most maxShared.
	Followers []followers `json:"followers,omitempty"`
}

// followers are those of one kind.
type followers struct {
	pandapush.Follower
	pandapush.FollowerCount
}

// compact is Numbers in few bytes.
type compact [6]float64

func pack(n Numbers) compact {
	return compact{float64(n.Connections), float64(n.Subscriptions), n.Published, n.Delivered, n.BytesIn, n.BytesOut}
}

func (c compact) unpack() Numbers {
	return Numbers{int64(c[0]), int64(c[1]), c[2], c[3], c[4], c[5]}
}

// add puts the applications into s, the busiest if they are too many.
func (s *share) add(all map[pandapush.AppID]Numbers) {
	s.Apps = map[pandapush.AppID]compact{}
	apps := slices.Collect(maps.Keys(all))
	if len(apps) > maxShared {
		slices.SortFunc(apps, func(a, b pandapush.AppID) int { return cmp.Compare(all[b].activity(), all[a].activity()) })
	}
	for i, app := range apps {
		s.Total = s.Total.plus(all[app])
		if i < maxShared && all[app] != (Numbers{}) {
			s.Apps[app] = pack(all[app])
		}
	}
}

// addFollowers puts the followers into s.
func (s *share) addFollowers(all map[pandapush.Follower]pandapush.FollowerCount) {
	for kind, n := range all {
		s.Followers = append(s.Followers, followers{kind, n})
	}
	slices.SortFunc(s.Followers, func(a, b followers) int { return cmp.Compare(b.Connections, a.Connections) })
	s.Followers = s.Followers[:min(len(s.Followers), maxShared)]
}

// decodeShares reads what the nodes told. Shares that can't be read, of a later version maybe, are passed over.
func decodeShares(texts map[string][]byte) map[string]share {
	shares := make(map[string]share, len(texts))
	for node, text := range texts {
		var s share
		if json.Unmarshal(text, &s) == nil {
			shares[node] = s
		}
	}
	return shares
}
