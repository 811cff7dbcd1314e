package main

import (
	"strings"
	"testing"

	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

func TestComparisonHasMediansRatiosAndAims(t *testing.T) {
	c := compared("Title", "sockets", 10).
		figure("CPU", "µs", atMost(0.6, rig.Centrifuge), absolute(4), atMost(1, rig.Floor)).
		figure("rate", "/s", atLeast(2, rig.Centrifuge)).
		figure("plain", "").figure(loaderBusy, "%")
	peers := []rig.Peer{{Name: rig.Pandapush}, {Name: rig.Centrifuge}, {Name: rig.Floor}}
	for _, ours := range []float64{9, 5, 1} {
		c.take(rig.Pandapush, sample{"CPU": ours, "rate": 100, "plain": 3, "unknown": 1, loaderBusy: 90})
		c.take(rig.Centrifuge, sample{"CPU": 10, "rate": 50, loaderBusy: 70})
	}
	c.take(rig.Floor, sample{"CPU": 1}) // it fell short in two rounds
	c.settle(peers, func(rig.Peer) int { return 3 })
	var b strings.Builder
	c.markdown(&b)
	for _, want := range []string{
		"| | Pandapush | Centrifuge | Floor |\n", "| CPU, µs | 5 | 10 | – |\n", "| … ÷ Centrifuge | 0.50 × | 1 × | – |\n", "| plain | 3 | – | – |\n",
		"- Pandapush, CPU: 0.50 × Centrifuge; aim ≤ 0.60: met\n", "- Pandapush, CPU: 5 µs; aim ≤ 4 µs: **missed**\n",
		"\nPandapush: the load generator was busy for 90 % of the time", "- Pandapush, rate: 2 × Centrifuge; aim ≥ 2: met\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
	if strings.Contains(b.String(), "Centrifuge: the load") {
		t.Error("a load generator that had time is taken for the bottleneck")
	}
	if strings.Contains(b.String(), "÷ Floor") {
		t.Errorf("compared with a peer that was not measured:\n%s", &b)
	}
}

func TestPeersAreChosenByNameOrFamily(t *testing.T) {
	here := rig.Programs{Pandapush: "p", Peers: "peers"}
	for _, c := range []struct {
		peers, want string
		quick       bool
	}{
		{"Centrifuge (history)", "Pandapush, Centrifuge (history)", false},
		{"centrifuge", "Pandapush, Centrifuge, Centrifuge (history)", false},
		{"", "Pandapush, Centrifuge, Centrifuge (history), Floor", true},
		{"floor,faye", "Pandapush, Floor, Floor (coalescing)", false}, // there is no Node
	} {
		peers, err := options{peers: c.peers, quick: c.quick, programs: here}.chosen()
		if got := strings.Join(peerNames(peers), ", "); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", c.peers, got, err, c.want)
		}
	}
	if _, err := (options{peers: "mercury", programs: here}).chosen(); err == nil {
		t.Error("a peer that does not exist is taken")
	}
}

// TestTotalsHideNothing sums up what a median would hide.
func TestTotalsHideNothing(t *testing.T) {
	t.Parallel()
	peers := []rig.Peer{{Name: rig.Pandapush}}
	c := compared("test").total("lost", absolute(0))
	for _, lost := range []float64{0, 1, 0} {
		c.take(rig.Pandapush, sample{"lost": lost})
	}
	c.settle(peers, func(rig.Peer) int { return 3 })
	if f := c.Figures[0]; f.Values[rig.Pandapush] != 1 || f.Aims[0].Met {
		t.Errorf("got %+v, aim met: %v", f.Values, f.Aims[0].Met)
	}
}

// TestSearchFindsTheHighest looks for every possible end.
func TestSearchFindsTheHighest(t *testing.T) {
	t.Parallel()
	values := []float64{10, 20, 30, 40, 50}
	for want := range len(values) + 1 {
		got, err := search(values, func(v float64) (bool, error) { return v <= float64(10*want), nil })
		if err != nil || got != want {
			t.Errorf("%d of %v hold, not %d (%v)", want, values, got, err)
		}
	}
}
