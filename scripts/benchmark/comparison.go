package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

// Comparison is one measurement of several servers.
type Comparison struct {
	Title    string            `json:"title"`
	Settings map[string]string `json:"settings"`
	Peers    []string          `json:"peers"`
	Figures  []*Figure         `json:"figures"`
	Notes    []string          `json:"notes,omitempty"`
}

// Figure is one line of a comparison.
type Figure struct {
	What   string                        `json:"what"`
	Unit   string                        `json:"unit"`
	Values map[string]float64            `json:"values"` // medians, by the peer's name
	Rounds map[string][]float64          `json:"rounds"`
	Sum    bool                          `json:"sum,omitempty"`    // values are sums of all rounds in place of medians
	Ratios map[string]map[string]float64 `json:"ratios,omitempty"` // by what a peer is compared with, and its name
	Aims   []*Aim                        `json:"aims,omitempty"`
}

// Aim is what a figure of ours should be at most, or at least: that many times what another has, or a figure by itself if
// Against is empty.
type Aim struct {
	Peer    string  `json:"peer"`
	Against string  `json:"against,omitempty"`
	Most    float64 `json:"most,omitempty"`
	Least   float64 `json:"least,omitempty"`
	Is      float64 `json:"is"`
	Met     bool    `json:"met"`
	Unknown bool    `json:"unknown,omitempty"` // what it takes was not measured
}

// compared returns an empty comparison. Settings are names and values in turn.
func compared(title string, settings ...any) *Comparison {
	c := &Comparison{Title: title, Settings: map[string]string{}}
	for i := 0; i+1 < len(settings); i += 2 {
		c.Settings[fmt.Sprint(settings[i])] = fmt.Sprint(settings[i+1])
	}
	return c
}

// figure adds a figure, by the name that samples have for it. Those with aims show ratios.
func (c *Comparison) figure(what, unit string, aims ...*Aim) *Comparison {
	c.Figures = append(c.Figures, &Figure{What: what, Unit: unit, Values: map[string]float64{}, Rounds: map[string][]float64{}, Aims: aims})
	return c
}

// total adds a figure of which no round may be better than another: all rounds are summed up.
func (c *Comparison) total(what string, aims ...*Aim) *Comparison {
	c.figure(what, "", aims...)
	c.Figures[len(c.Figures)-1].Sum = true
	return c
}

// atMost, atLeast and absolute make aims of Pandapush.
func atMost(times float64, against string) *Aim {
	return &Aim{Peer: rig.Pandapush, Against: against, Most: times}
}

func atLeast(times float64, against string) *Aim {
	return &Aim{Peer: rig.Pandapush, Against: against, Least: times}
}
func absolute(most float64) *Aim { return &Aim{Peer: rig.Pandapush, Most: most} }

// of returns the aim for another way to run Pandapush.
func (a *Aim) of(peer string) *Aim {
	a.Peer = peer
	return a
}

// take adds one round of a peer.
func (c *Comparison) take(peer string, s sample) {
	for _, f := range c.Figures {
		if value, ok := s[f.What]; ok {
			f.Rounds[peer] = append(f.Rounds[peer], value)
		}
	}
}

// settle works out medians, ratios and aims. A peer that did not get through every round has no median.
func (c *Comparison) settle(peers []rig.Peer, rounds func(rig.Peer) int) {
	for _, p := range peers {
		c.Peers = append(c.Peers, p.Name)
		for _, f := range c.Figures {
			if values := f.Rounds[p.Name]; len(values) == rounds(p) {
				f.Values[p.Name] = f.settled(values)
			}
		}
	}
	for _, f := range c.Figures {
		for _, aim := range f.Aims {
			aim.judge(f.Values)
		}
		if len(f.Aims) > 0 {
			f.compare(rig.Centrifuge)
			f.compare(rig.Floor)
		}
		for _, aim := range f.Aims {
			f.compare(aim.Against)
		}
	}
	c.warn()
}

// settled returns what the rounds say together.
func (f *Figure) settled(rounds []float64) (value float64) {
	if !f.Sum {
		return median(slices.Clone(rounds))
	}
	for _, v := range rounds {
		value += v
	}
	return value
}

// warn adds a note about measurements that the load generator may have limited.
func (c *Comparison) warn() {
	for _, f := range c.Figures {
		for _, peer := range c.Peers {
			if busy := f.Values[peer]; f.What == loaderBusy && busy > bottleneck {
				c.Notes = append(c.Notes, fmt.Sprintf("%s: the load generator was busy for %.0f %% of the time, and may have been what limits.", peer, busy))
			}
		}
	}
}

// compare works out every peer's ratio to one.
func (f *Figure) compare(against string) {
	base := f.Values[against]
	if base == 0 {
		return
	}
	if f.Ratios == nil {
		f.Ratios = map[string]map[string]float64{}
	}
	f.Ratios[against] = map[string]float64{}
	for peer, value := range f.Values {
		f.Ratios[against][peer] = value / base
	}
}

func (a *Aim) judge(values map[string]float64) {
	value, ok := values[a.Peer]
	base := 1.0
	if a.Against != "" {
		base = values[a.Against]
	}
	if !ok || base == 0 {
		a.Unknown = true
		return
	}
	a.Is = value / base
	a.Met = a.Is >= a.Least && (a.Least > 0 || a.Is <= a.Most)
}

// markdown writes the comparison for people: a column for each peer, and below it what was aimed at.
func (c *Comparison) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### %s\n\n%s.\n\n| | %s |\n|---|%s\n", c.Title, list(c.Settings), strings.Join(c.Peers, " | "), strings.Repeat("---:|", len(c.Peers)))
	for _, f := range c.Figures {
		row(b, f.name(), c.Peers, f.Values, "")
		for _, against := range slices.Sorted(maps.Keys(f.Ratios)) {
			row(b, "… ÷ "+against, c.Peers, f.Ratios[against], "×")
		}
	}
	aims := &strings.Builder{}
	for _, f := range c.Figures {
		for _, aim := range f.Aims {
			if !aim.Unknown {
				fmt.Fprintf(aims, "- %s\n", aim.sentence(f))
			}
		}
	}
	if aims.Len() > 0 {
		fmt.Fprintf(b, "\n%s", aims)
	}
	for _, note := range c.Notes {
		fmt.Fprintf(b, "\n%s\n", note)
	}
}

func (f *Figure) name() string {
	if f.Unit == "" {
		return f.What
	}
	return f.What + ", " + f.Unit
}

func row(b *strings.Builder, name string, peers []string, values map[string]float64, unit string) {
	fmt.Fprintf(b, "| %s |", name)
	for _, peer := range peers {
		if value, ok := values[peer]; ok {
			fmt.Fprintf(b, " %s |", figure(value, unit))
		} else {
			b.WriteString(" – |")
		}
	}
	b.WriteString("\n")
}

// sentence says what was aimed at and what came of it.
func (a *Aim) sentence(f *Figure) string {
	limit, bound := "≤", a.Most
	if a.Least > 0 {
		limit, bound = "≥", a.Least
	}
	of, unit := "", f.Unit
	if a.Against != "" {
		of, unit = " × "+a.Against, ""
	}
	verdict := "met"
	if !a.Met {
		verdict = "**missed**"
	}
	return fmt.Sprintf("%s, %s: %s%s; aim %s %s: %s", a.Peer, f.What, figure(a.Is, unit), of, limit, figure(bound, unit), verdict)
}
