package streams_test

import (
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandapush/pandapush/streams"
	"github.com/pandapush/pandapush/streams/streamstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exercise runs the suite with a prefix of its own for each story.
func exercise(t *testing.T, topology streams.Topology) {
	t.Helper()
	var stories atomic.Int64
	streamstest.Exercise(t, func(*testing.T) streams.Config {
		return streams.Config{Redis: topology, Prefix: "pp" + strconv.FormatInt(stories.Add(1), 10)}
	})
}

func TestServer(t *testing.T) {
	t.Parallel()
	exercise(t, streams.Topology{URLs: []string{streamstest.Redis(t)}})
}

func TestTwoServers(t *testing.T) {
	t.Parallel()
	exercise(t, streams.Topology{URLs: []string{streamstest.Redis(t), streamstest.Redis(t)}})
}

func TestCluster(t *testing.T) {
	t.Parallel()
	exercise(t, streams.Topology{Cluster: streamstest.Cluster(t)})
}

func TestInProcess(t *testing.T) {
	t.Parallel()
	e, err := streams.StartEmbeddedWith(t.Context(), t.TempDir(), "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	exercise(t, streams.Topology{URLs: []string{e.URL()}})
}
