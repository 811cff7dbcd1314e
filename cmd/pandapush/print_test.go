package main

import (
	"strings"
	"testing"
)

// TestTablesAreKeptInShape: what users have put into names neither commands a terminal nor moves a column.
func TestTablesAreKeptInShape(t *testing.T) {
	var out strings.Builder
	err := printTable(&out, "ID\tNAME", []string{"tab\there", "line\nbreak", "\x1b[2J\u009b2J"}, func(name string) []string { return []string{name, "é"} })
	want := "ID          NAME\ntab\ufffdhere    é\nline\ufffdbreak  é\n\ufffd[2J\ufffd2J     é\n"
	if got := out.String(); err != nil || got != want {
		t.Errorf("got %v and\n%q, want\n%q", err, got, want)
	}
}
