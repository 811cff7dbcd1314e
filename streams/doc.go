// Package streams is everything that talks to Redis: one stream of messages per application, the records of sessions, what
// nodes tell each other, and the Redis that a process starts if it is given none. It knows nothing about clients: who gets a
// message, and what becomes of a session, is up to the caller.
//
// # Keys
//
// An application lives in one of 64 buckets, by a hash of its name, and the bucket is the hash tag of its keys ({b}): it
// determines the server, or the Cluster's slot. A session's bucket is a hash of its id. The prefix pp is a setting.
//
//	key                      type    written by                                     ends
//	pp:{b}:<app>:log         stream  Append, AppendAll, AppendIf, presence*.lua;    trimmed by count and age
//	                                 fields: see entry.go
//	pp:{b}:<app>:epoch       string  activate.lua, append.lua, presence*.lua        with the application
//	pp:{b}:<app>:mark        string  activate.lua: id of the last mark of a loss    with the application
//	pp:{b}:<app>:idem:<key>  string  AppendIf: fingerprint and cursors of messages  after the caller's window
//	pp:{b}:<app>:limit:<nm>  hash    lease.lua: tokens, and the nodes taking them    once it would be full
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
//	pp:{0}:alive-<node>      channel showAlive: its subscriber is the node           with its connection
//	pp:{0}:shares            hash    share.lua: node to what it tells of itself     15 seconds after the last
//	pp:{0}:share-leases      zset    share.lua: node to when that ends              with it
//	pp:{0}:control           stream  Notify: kind, app, key                         trimmed to about 1,000
//	pp:{0}:control-epoch     string  activate.lua; control-mark, too                -
//	pp:{b}:wake-<node>       stream  Join: ends the node's blocked read             a minute after the last join
//	pp:{b}:trim              string  the age sweep's lock                           after 25 seconds
//	pp:{b}:deleted           zset    Forget: deleted application to when, in ms     a minute later
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
//	limit.go      Take: rate limits that all nodes share, leased in blocks
//	scripts.go    the Lua scripts; activate.lua and append.lua create a stream and its epoch together
//	reader.go     one loop per shard, what one XREAD can span: a Redis, or a bucket of a Cluster
//	resume.go     where a stream is read from, after a join and after an outage; handing on
//	overtaken.go  what was removed before it was read
//	feed.go       Join, Leave; where the entries of a stream go
//	history.go    Tail, Range, RangeBack, Rewind, Span: questions about a stream, without a reader
//	sessions.go   the records of sessions: create, claim, save, change, end, touch; sessions_list.go lists them
//	record.go     a record and the pandapush.Session that it is
//	positions.go  SavePositions, Position: how far a node got that may die
//	presence.go   rooms: join, leave, touch, list; the scripts begin with what they share, notice.lua and presence.lua
//	presence_sweep.go   seats whose time has run out
//	channels.go   which channels of an application have subscribers, while somebody watches
//	calls.go      how all of these share pipelines
//	control.go    Notify, Notice: to all nodes
//	mail.go       Send: to one
//	alive.go      showAlive, Gone: which nodes have ended
//	share.go      Share: what nodes tell of themselves; usage.go counts what they append
//	trim.go       the age sweep; forget.go what is left of deleted applications
//	embedded.go, embedded_memory.go   StartEmbedded
//	metrics.go    the series
//
// # What is promised
//
//   - An append that returned without an error has been acknowledged by Redis (P5). One that failed may have been stored
//     nevertheless, but never twice: no XADD is ever sent again. How safe an acknowledged entry is depends on the settings of
//     Redis; the embedded one keeps it through any crash.
//   - After a join every entry past the returned cursor is delivered, in order and once (P1). Reads always start at a
//     concrete id. An entry whose id does not follow the previous one is dropped and counted.
//   - When Redis goes away the positions stay. When it comes back every stream is compared with its position over the very
//     connection that will read it, so that no reconnect goes unnoticed. If the epoch is the same reading
//     resumes; otherwise Gap is called, and reading goes on with what is there.
//   - A failover or a restored backup may lose the newest entries of a stream. A node that has read or appended one of them
//     notices when it comes back, and appends a mark after all that may be lost (activate.lua): an entry like any other, so
//     every reader comes to it in its place and once, on all nodes, also one that was away and reads on from an old cursor.
//   - Notices reach running nodes within a second. A node that starts, or finds the control stream lost, is given a notice
//     that anything may have changed.
//   - A session has one owner: its fence grows with every claim, and a save with an older one fails. What an owner writes
//     (how far the client has got) and what any node may write (subscriptions and grants) never undo each other.
//   - A room's hash and the notices in the stream are changed by one script, so they have one order (P7), and leases run by
//     Redis' clock alone. Joining, leaving, renewing and expiring a seat cost the same in a room of any size; listing costs
//     what is listed.
//   - AppendIf stores messages once for each key, however many nodes are asked at the same time: all of them or none.
//
// # What is not
//
//   - Mail is not kept for a node that starts later, and may be lost in a failover: a sender that gets no answer goes on
//     without one after a while, and a node that missed that it lost a session finds out when it saves it.
//   - A FLUSHALL under running nodes goes unnoticed until a connection breaks; until then messages of streams that
//     another node has created again carry the old epoch.
//   - Entries that are lost in a failover are noticed only by nodes that had read or appended them and run on. Those that
//     only appended notice with their next append to that stream, or when somebody joins it.
//
// # Goroutines
//
// Run starts nearly all of them and returns when they have ended: two workers per Redis for appends, a reader per shard (which
// waits on a channel when it has nothing to read), and two sweeps. Other calls start up to two workers per Redis, which end
// when nothing is waiting; Close waits for them, and they do not need Run. Only a reader's own goroutine decides where its
// streams are read; reader.mu guards what Join and Leave see of that. StartEmbedded starts one that keeps the child process
// alive, ended by Close.
package streams
