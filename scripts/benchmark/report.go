package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Report is everything that one run found out.
type Report struct {
	Time     time.Time         `json:"time"`
	Command  string            `json:"command"`
	Machine  map[string]string `json:"machine"`
	Versions map[string]string `json:"versions"`
	Tables   []*Table          `json:"tables"`

	Comparisons []*Comparison `json:"comparisons,omitempty"`
}

// Table is one measurement.
type Table struct {
	Title    string            `json:"title"`
	Settings map[string]string `json:"settings"`
	Rows     []Row             `json:"rows"`
	Notes    []string          `json:"notes,omitempty"`
}

// Row is one figure.
type Row struct {
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Most  float64 `json:"most,omitempty"` // what it should be at most, if Aimed
	Aimed bool    `json:"aimed,omitempty"`
}

// Table adds an empty table. Settings are names and values in turn.
func (r *Report) Table(title string, settings ...any) *Table {
	t := &Table{Title: title, Settings: map[string]string{}}
	for i := 0; i+1 < len(settings); i += 2 {
		t.Settings[fmt.Sprint(settings[i])] = fmt.Sprint(settings[i+1])
	}
	r.Tables = append(r.Tables, t)
	return t
}

// Add adds a figure.
func (t *Table) Add(what string, value float64, unit string) {
	t.Rows = append(t.Rows, Row{What: what, Value: value, Unit: unit})
}

// Aim adds a figure that should be most or less.
func (t *Table) Aim(what string, value float64, unit string, most float64) {
	t.Rows = append(t.Rows, Row{What: what, Value: value, Unit: unit, Most: most, Aimed: true})
}

// Note adds a sentence below the table.
func (t *Table) Note(format string, values ...any) {
	t.Notes = append(t.Notes, fmt.Sprintf(format, values...))
}

// Markdown writes the report for people.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "`%s`, %s, on %s.\n%s.\n", r.Command, r.Time.Format(time.DateOnly), list(r.Machine), list(r.Versions))
	for _, c := range r.Comparisons {
		c.markdown(&b)
	}
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "\n### %s\n\n%s.\n\n| | measured | aim |\n|---|---:|---:|\n", t.Title, list(t.Settings))
		for _, row := range t.Rows {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", row.What, figure(row.Value, row.Unit), row.aim())
		}
		for _, note := range t.Notes {
			fmt.Fprintf(&b, "\n%s\n", note)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Row) aim() string {
	switch {
	case !r.Aimed:
		return ""
	case r.Value <= r.Most:
		return "≤ " + figure(r.Most, r.Unit)
	}
	return "≤ " + figure(r.Most, r.Unit) + " **missed**"
}

// figure writes a value with three digits, or all that it has before the point.
func figure(value float64, unit string) string {
	digits := 0
	for size := abs(value); size < 100 && digits < 2 && value != float64(int64(value)); size *= 10 {
		digits++
	}
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", digits, value, unit))
}

func abs(v float64) float64 { return max(v, -v) }

// Save writes the report for programs.
func (r *Report) Save(path string) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := json.NewEncoder(file)
	out.SetIndent("", "  ")
	return out.Encode(r)
}
