package streams

import (
	"fmt"
	"hash/fnv"
	"strconv"

	"github.com/pandapush/pandapush"
)

// buckets is the number of hash tags that applications are spread over. It is written into every Redis at first start,
// because a node with another number would look for streams where they are not.
const buckets = 64

// keys builds the name of every key. Its value is the prefix. What belongs to an application has a colon after the
// application; what does not has none after the hash tag, so that no application's name can run into it.
type keys string

// appKeys are the keys of one application. They share a hash tag, so one script may touch them all.
type appKeys struct{ log, epoch, apps string }

// bucketOf says where an application lives. Changing it would lose every stream: it is pinned by a test.
func bucketOf(app pandapush.AppID) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(app)) // a hash never fails
	return int(h.Sum32() % buckets)
}

func (k keys) bucket(b int) string { return string(k) + ":{" + strconv.Itoa(b) + "}:" }

// app returns the keys of one application.
func (k keys) app(app pandapush.AppID) appKeys {
	bucket := k.bucket(bucketOf(app))
	return appKeys{log: bucket + string(app) + ":log", epoch: bucket + string(app) + ":epoch", apps: bucket + "apps"}
}

// log returns just the name of the application's stream.
func (k keys) log(app pandapush.AppID) string {
	return k.bucket(bucketOf(app)) + string(app) + ":log"
}

// control returns the keys of the control stream, in the shape of an application's because it is read as one.
func (k keys) control() appKeys {
	bucket := k.bucket(0)
	return appKeys{log: bucket + "control", epoch: bucket + "control-epoch", apps: k.apps(0)}
}

// apps names the set of the applications that have a stream in bucket b.
func (k keys) apps(b int) string { return k.bucket(b) + "apps" }

// wake names the stream that ends a blocked read of this node. b is a bucket that the read spans.
func (k keys) wake(b int, node string) string { return k.bucket(b) + "wake-" + node }

// trim names the lock of the age sweep over the shard that bucket b is the first of.
func (k keys) trim(b int) string { return k.bucket(b) + "trim" }

// buckets names the key that holds the number of buckets.
func (k keys) buckets() string { return string(k) + ":buckets" }

// check refuses prefixes that would change what a key's hash tag is, and node names that are not plain.
func (k keys) check(node string) error {
	for _, r := range string(k) {
		if !isAlphanumeric(r) && r != '_' && r != '-' && r != '.' {
			return fmt.Errorf("key prefix %q: only letters, digits and _-. are allowed", string(k))
		}
	}
	for _, r := range node {
		if !isAlphanumeric(r) {
			return fmt.Errorf("node name %q: only letters and digits are allowed", node)
		}
	}
	if node == "" {
		return fmt.Errorf("node name: must not be empty")
	}
	return nil
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
