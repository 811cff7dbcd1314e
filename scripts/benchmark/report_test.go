package main

import (
	"strings"
	"testing"
)

func TestReportSaysWhichAimsWereMissed(t *testing.T) {
	r := &Report{}
	table := r.Table("Title", "sessions", 10)
	table.Add("plain", 12.345, "s")
	table.Aim("met", 3, "", 3)
	table.Aim("not met", 8193, "bytes", 8192)
	table.Note("A note.")
	var b strings.Builder
	if err := r.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"### Title\n\nsessions 10.\n", "| plain | 12.3 s |  |\n", "| met | 3 | ≤ 3 |\n", "| not met | 8193 bytes | ≤ 8192 bytes **missed** |\n", "\nA note.\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
}
