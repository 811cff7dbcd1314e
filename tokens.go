package pandapush

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	tokenShards   = 16
	tokensOfShard = 256     // in each of its two generations
	maxRemembered = 1 << 10 // longest token that is remembered, in bytes: bounds the memory of all to some 16 MiB
)

// tokens remembers what tokens say that were verified, so that one that is used again costs a hash of its text. It knows
// tokens by that hash alone. All methods are safe for concurrent use.
type tokens struct{ shards [tokenShards]tokenShard }

// tokenShard holds the tokens used last: when the young ones are many they become the old ones, and who is used grows
// young again.
type tokenShard struct {
	mu         sync.Mutex
	young, old map[tokenHash]verified
}

type tokenHash [sha256.Size]byte

// verified is a token of which it is known that secret has signed it. That stays so; whether the key still has that secret,
// and whether the token's time has come or is over, is seen at each use.
type verified struct {
	claims *claims
	user   string // the id in the claims' presence
	secret Secret
}

// find returns what token says, and its key, if it was verified before and is still good. Whatever is in doubt is not found:
// verifying it anew says what is wrong.
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
