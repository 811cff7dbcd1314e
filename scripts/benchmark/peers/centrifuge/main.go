package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/centrifugal/centrifuge"
)

func main() {
	redis := flag.String("redis", "127.0.0.1:6379", "`address` of the Redis server")
	history := flag.Int("history", 0, "keep the newest `N` messages of each channel, and let clients recover them")
	flag.Parse()
	if err := serve(*redis, *history); err != nil {
		fmt.Fprintln(os.Stderr, "centrifuge:", err)
		os.Exit(1)
	}
}

func serve(redis string, history int) error {
	node, err := centrifuge.New(centrifuge.Config{ClientChannelLimit: 1 << 20})
	if err != nil {
		return err
	}
	shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: redis})
	if err != nil {
		return err
	}
	broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{Shards: []*centrifuge.RedisShard{shard}})
	if err != nil {
		return err
	}
	node.SetBroker(broker)
	var kept []centrifuge.PublishOption
	if history > 0 {
		kept = append(kept, centrifuge.WithHistory(history, 10*time.Minute))
	}
	allow(node, history > 0, kept)
	if err := node.Run(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // does not block
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	mux := http.NewServeMux()
	mux.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{}))
	mux.HandleFunc("POST /api/publish", func(w http.ResponseWriter, r *http.Request) { publish(node, kept, w, r) })
	server := http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	return server.Serve(l)
}

// allow lets everybody connect, subscribe and publish.
func allow(node *centrifuge.Node, recovers bool, kept []centrifuge.PublishOption) {
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: "bench"}}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(_ centrifuge.SubscribeEvent, done centrifuge.SubscribeCallback) {
			done(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{EnableRecovery: recovers}}, nil)
		})
		client.OnPublish(func(e centrifuge.PublishEvent, done centrifuge.PublishCallback) {
			result, err := node.Publish(e.Channel, e.Data, kept...)
			done(centrifuge.PublishReply{Result: &result}, err)
		})
	})
}

func publish(node *centrifuge.Node, kept []centrifuge.PublishOption, w http.ResponseWriter, r *http.Request) {
	var message struct {
		Channel string          `json:"channel"`
		Data    json.RawMessage `json:"data"`
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &message)
	}
	if err == nil {
		_, err = node.Publish(message.Channel, message.Data, kept...)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"result":{}}`) // whoever is gone need not know
}
