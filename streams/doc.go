// Package streams is all that talks to Redis: one stream of messages per application, the records of sessions, what nodes
// tell each other, and the Redis that a process without one brings along. It knows nothing of clients: who gets a message,
// and what becomes of a session, is the caller's business.
//
// # Keys
//
// An application lives in one of 64 buckets, by a hash of its name, and the bucket is the hash tag of its keys ({b}): it
// decides the server, or the Cluster's slot. So does a session, by its id. The prefix pp is a setting.
//
//	key                      type    written by                                     ends
//	pp:{b}:<app>:log         stream  Append, AppendAll, AppendIf, presence*.lua;    trimmed by count and age
//	                                 fields: see entry.go
//	pp:{b}:<app>:epoch       string  activate.lua, append.lua, presence*.lua        with the application
//	pp:{b}:<app>:idem:<key>  string  AppendIf: fingerprint and cursors of messages  after the caller's window
//	pp:{b}:<app>:limit:<nm>  hash    lease.lua: tokens, and the nodes that take them once it would be full
//	pp:{b}:apps              set     as the epochs: applications with a log         -
//	pp:{b}:session-<id>      hash    session-*.lua; fields: see record.go           after the caller's time to live
//	pp:{b}:<app>:room:<ch>   hash    presence*.lua: user to number of seats and data  with the last user
//	pp:{b}:<app>:seats:<ch>  hash    presence*.lua: session to user                 with the last session
//	pp:{b}:<app>:members     string  presence*.lua: users of all rooms              -
//	pp:{b}:<app>:channels    zset    channels-*.lua: channel in use to its end in ms  a minute after the last report
//	pp:{b}:<app>:announce    string  channels-watch.lua: somebody hears of changes    after the caller's time to live
//	pp:{0}:watched           zset    WatchChannels: application to its end in ms      -
//	pp:{b}:leases            zset    presence*.lua: "session room" to its end in ms as the seats end
//	pp:{b}:lease-sweep       string  the sweep of the leases' lock                  after a second
//	pp:{b}:positions-<node>  hash    SavePositions: application to cursor           10 minutes after the last
//	pp:{0}:inbox-<node>      stream  Send: kind, from, session, fence, body         10 minutes after the last
//	pp:{0}:shares            hash    share.lua: node to what it tells of itself     15 seconds after the last
//	pp:{0}:share-leases      zset    share.lua: node to when that ends              with it
//	pp:{0}:control           stream  Notify: kind, app, key                         trimmed to about 1,000
//	pp:{0}:control-epoch     string  activate.lua                                   -
//	pp:{b}:wake-<node>       stream  Join: ends the node's blocked read             a minute after the last join
//	pp:{b}:trim              string  the age sweep's lock                           after 25 seconds
//	pp:buckets               string  Open: the number of buckets                    -
//
// # Files, as a message passes through them
//
//	streams.go    Config, Open, Run, Close
//	topology.go   which Redis a bucket lives on, and the clients
//	keys.go       the names above
//	append.go     Append: concurrent appends share pipelines
//	entry.go      an entry of a stream and the message that it is
//	batch.go      AppendAll: many messages in one pipeline
//	once.go       AppendIf, AppendOnce: messages that are stored once, or only if nothing is newer on their channel
//	limit.go      Take: limits that all nodes share, leased by the block
//	scripts.go    the Lua scripts; with activate.lua and append.lua a stream and its epoch come to be together
//	reader.go     one loop per shard, what one XREAD can span: a Redis, or a bucket of a Cluster
//	resume.go     where a stream is read from, after a join and after an outage; handing on
//	feed.go       Join, Leave; what becomes of the entries of a stream
//	history.go    Tail, Range, RangeBack, Rewind, Span: streams asked directly, not by a reader
//	sessions.go   the records of sessions: create, claim, save, change, end, touch; sessions_list.go lists them
//	record.go     a record and the pandapush.Session that it is
//	positions.go  SavePositions, Position: how far a node got that may die
//	presence.go   rooms: join, leave, touch, list; the scripts begin with what they share, notice.lua and presence.lua
//	presence_sweep.go   seats whose time has run out
//	channels.go   which channels of an application have subscribers, while somebody watches
//	calls.go      how all of these share pipelines
//	control.go    Notify, Notice: to all nodes
//	mail.go       Send: to one
//	share.go      Share: what nodes tell of themselves; usage.go counts what they append
//	trim.go       the age sweep
//	embedded.go, embedded_memory.go   StartEmbedded
//	metrics.go    the series
//
// # What is promised
//
//   - An append that returned without error has been acknowledged by Redis (P5). One that did not may have been stored:
//     no XADD is ever sent twice, so it is at most once. What Redis keeps of it is up to its own settings; the embedded
//     one keeps it over any crash.
//   - After a join every entry past the returned cursor is delivered, in order and once (P1). Reads always start at a
//     concrete id. An entry whose id does not follow the one before is dropped and counted.
//   - When Redis goes away the positions stay. When it comes back every stream is compared with its position over the very
//     connection that will read it, so that no reconnect goes unnoticed: same epoch, and the entry last read not overtaken
//     by older ones, and reading goes on; else Gap is called, and reading goes on with what is there.
//   - Notices reach nodes that run within a second. One that starts, or that finds the control stream lost, is given a
//     notice that anything may have changed.
//   - A session has one owner: with every claim its fence grows, and a save under an older one fails. What an owner writes
//     (how far the client has got) and what any node writes (subscriptions and grants) never undo each other.
//   - What a room's hash says and the notices in the stream are changed by one script, so they have one order (P7), and
//     leases run by Redis' clock alone. Joining, leaving, touching and giving up a seat cost the same in a room of any size;
//     a list costs what it lists.
//   - AppendIf stores messages once for each key, however many nodes are asked at the same time, and all of them or none.
//
// # What is not
//
//   - Mail is not kept for a node that starts later, and may be lost in a failover: whoever sends some goes on without an
//     answer after a while, and a node that missed that it lost a session finds out when it saves it.
//   - A FLUSHALL under running nodes goes unnoticed until a connection breaks; until then messages of streams that
//     another node made anew carry the old epoch.
//   - Asynchronous replication may lose the newest entries in a failover. A reader that had them notices; one that had
//     not can't.
//
// # Goroutines
//
// Run starts nearly all of them and returns when all have ended: two workers per Redis for appends, a reader per shard (which
// waits on a channel when it has nothing to read), and two sweeps. Requests start up to two workers per Redis, which end
// when nothing waits; Close waits for them. They need no Run. A reader alone decides where its streams are read;
// reader.mu guards what Join and Leave see of that. StartEmbedded starts one that keeps the child alive, ended by Close.
package streams
