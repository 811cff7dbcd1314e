package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func date(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.Local().Format(time.DateTime)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printTable prints a line for each row, below a head with its columns separated by tabs.
func printTable[T any](w io.Writer, head string, rows []T, cells func(T) []string) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, err := fmt.Fprintln(t, head)
	for _, row := range rows {
		line := cells(row)
		for i, cell := range line {
			line[i] = strings.Map(printable, cell)
		}
		_, e := fmt.Fprintln(t, strings.Join(line, "\t"))
		err = errors.Join(err, e)
	}
	return errors.Join(err, t.Flush())
}

// printable replaces control characters, which would break a table or command a terminal: users and tables of the Node
// version may bring some.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return unicode.ReplacementChar
	}
	return r
}
