package streams

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/pandapush/pandapush"
)

// buckets is the number of hash tags that applications are spread over. It is written into every Redis at first start,
// because a node with another number would look for streams where they are not.
const buckets = 64

// keys builds the name of every key. Its value is the prefix. What belongs to an application has a colon after the
// application; what does not has none after the hash tag, so that no application's name can run into it.
type keys string

// sessionPrefix is what the names of sessions have after their hash tag.
const sessionPrefix = "session-"

// appKeys are the keys of one application. They share a hash tag, so one script may touch them all.
type appKeys struct{ log, epoch, apps, mark string }

// all returns the keys that most scripts take, in their order.
func (k appKeys) all() []string { return []string{k.log, k.epoch, k.apps} }

// bucketOf says where an application lives, or a session. Changing it would lose every stream: it is pinned by a test.
func bucketOf[T pandapush.AppID | string](name T) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash never fails
	return int(h.Sum32() % buckets)
}

func (k keys) bucket(b int) string { return string(k) + ":{" + strconv.Itoa(b) + "}:" }

// app returns the keys of one application.
func (k keys) app(app pandapush.AppID) appKeys {
	bucket := k.bucket(bucketOf(app))
	own := bucket + string(app)
	return appKeys{log: own + ":log", epoch: own + ":epoch", apps: bucket + "apps", mark: own + ":mark"}
}

// log returns just the name of the application's stream.
func (k keys) log(app pandapush.AppID) string {
	return k.bucket(bucketOf(app)) + string(app) + ":log"
}

// control returns the keys of the control stream, in the shape of an application's because it is read as one.
func (k keys) control() appKeys {
	bucket := k.bucket(0)
	return appKeys{log: bucket + "control", epoch: bucket + "control-epoch", apps: k.apps(0), mark: bucket + "control-mark"}
}

// apps names the set of the applications that have a stream in bucket b.
func (k keys) apps(b int) string { return k.bucket(b) + "apps" }

// wake names the stream that ends a blocked read of this node. b is a bucket that the read spans.
func (k keys) wake(b int, node string) string { return k.bucket(b) + "wake-" + node }

// once names the key that remembers an append of app that must not be repeated.
func (k keys) once(app pandapush.AppID, key string) string {
	return k.bucket(bucketOf(app)) + string(app) + ":idem:" + key
}

// limit names a bucket of app's limits.
func (k keys) limit(app pandapush.AppID, name string) string {
	return k.bucket(bucketOf(app)) + string(app) + ":limit:" + name
}

// session names the record of a session.
func (k keys) session(id string) string { return k.bucket(bucketOf(id)) + sessionPrefix + id }

// room returns the keys that the scripts of a room take, in their order.
func (k keys) room(room pandapush.Channel) []string {
	app := room.App()
	own := k.bucket(bucketOf(app)) + string(app)
	return append(k.app(app).all(), own+":room:"+room.String(), own+":seats:"+room.String(), k.members(app), k.leases(bucketOf(app)))
}

// channels names the sorted set of app's channels that have subscribers, and announce the mark that says whether changes of
// it are announced.
func (k keys) channels(app pandapush.AppID) (channels, announce string) {
	own := k.bucket(bucketOf(app)) + string(app)
	return own + ":channels", own + ":announce"
}

// members names the number of all members of app's rooms.
func (k keys) members(app pandapush.AppID) string {
	return k.bucket(bucketOf(app)) + string(app) + ":members"
}

// watched names the sorted set of the applications whose channels are watched, by when that ends.
func (k keys) watched() string { return k.bucket(0) + "watched" }

// leases names the sorted set of the seats in bucket b, by when they are given up.
func (k keys) leases(b int) string { return k.bucket(b) + "leases" }

// positions names the hash that says how far a node has got in the applications of bucket b.
func (k keys) positions(b int, node string) string { return k.bucket(b) + "positions-" + node }

// alive names the channel that a node that runs subscribes to.
func (k keys) alive(node string) string { return k.bucket(0) + "alive-" + node }

// inbox names the stream of a node's mail. It lives with the control stream, so that one read covers both.
func (k keys) inbox(node string) string { return k.bucket(0) + "inbox-" + node }

// shares names the hash of what nodes tell each other about themselves, and shareLeases the sorted set of until when.
func (k keys) shares() string      { return k.bucket(0) + "shares" }
func (k keys) shareLeases() string { return k.bucket(0) + "share-leases" }

// deleted names the sorted set of the applications of bucket b that were deleted, by when.
func (k keys) deleted(b int) string { return k.bucket(b) + "deleted" }

// trim names the lock of the age sweep over the shard that bucket b is the first of.
func (k keys) trim(b int) string { return k.bucket(b) + "trim" }

// leaseSweep names the lock of the sweep over the leases of the backend that bucket b is the first of.
func (k keys) leaseSweep(b int) string { return k.bucket(b) + "lease-sweep" }

// buckets names the key that holds the number of buckets.
func (k keys) buckets() string { return string(k) + ":buckets" }

// check refuses prefixes that would change what a key's hash tag is, and node names that are not plain.
func (k keys) check(node string) error {
	for _, r := range string(k) {
		if !isAlphanumeric(r) && r != '_' && r != '-' && r != '.' {
			return fmt.Errorf("key prefix %q: only letters, digits and _-. are allowed", string(k))
		}
	}
	if node == "" {
		return fmt.Errorf("node name: must not be empty")
	}
	if !isPlain(node) {
		return fmt.Errorf("node name %q: only letters and digits are allowed", node)
	}
	return nil
}

func isPlain(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return !isAlphanumeric(r) })
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
