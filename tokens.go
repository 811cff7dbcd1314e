package pandapush

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	tokenShards   = 16
	tokensOfShard = 256     // in each of its two generations
	maxRemembered = 1 << 10 // longest token that is cached, in bytes: bounds the cache to some 16 MiB
)

// tokens is a cache of verified tokens, so that one that is used again costs only a hash of its text. It keeps that hash and
// not the text. All methods are safe for concurrent use.
type tokens struct{ shards [tokenShards]tokenShard }

// tokenShard holds the tokens used last, in two generations: when the young one is full it becomes the old one, whose tokens
// are forgotten unless they are used again in time, which makes them young.
type tokenShard struct {
	mu         sync.Mutex
	young, old map[tokenHash]verified
}

type tokenHash [sha256.Size]byte

// verified is a token that is known to be signed with secret. That never changes; whether the key still has that secret, and
// whether the token is valid at the moment, is checked at each use.
type verified struct {
	claims *claims
	user   string // the id in the claims' presence
	secret Secret
}

// find returns what token says, and its key, if it was verified before and is still valid. A token about which there is any
// doubt is not found: verifying it again says what is wrong.
func (t *tokens) find(keys Keys, token string, app AppID, now time.Time) (verified, Key, bool) {
	if len(token) > maxRemembered {
		return verified{}, Key{}, false
	}
	hash := tokenHash(sha256.Sum256([]byte(token)))
	v, ok := t.of(hash).get(hash)
	if !ok || !v.claims.current(now) {
		return verified{}, Key{}, false
	}
	key, ok := keys.Key(app, KeyID(v.claims.KeyID))
	return v, key, ok && key.signs(v.secret, now)
}

// put remembers a token that was verified.
func (t *tokens) put(token string, v verified) {
	if len(token) > maxRemembered {
		return
	}
	hash := tokenHash(sha256.Sum256([]byte(token)))
	t.of(hash).put(hash, v)
}

func (t *tokens) of(hash tokenHash) *tokenShard { return &t.shards[hash[0]%tokenShards] }

func (s *tokenShard) get(hash tokenHash) (v verified, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok = s.young[hash]; ok {
		return v, true
	}
	if v, ok = s.old[hash]; ok {
		s.putLocked(hash, v)
	}
	return v, ok
}

func (s *tokenShard) put(hash tokenHash, v verified) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putLocked(hash, v)
}

func (s *tokenShard) putLocked(hash tokenHash, v verified) {
	if s.young == nil || len(s.young) >= tokensOfShard {
		s.old, s.young = s.young, make(map[tokenHash]verified)
	}
	s.young[hash] = v
}
