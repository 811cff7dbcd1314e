package edge

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestEveryCaseIsTold holds the dialogues to the list of cases: each is told, or the list says where it is proven or why
// the server differs.
func TestEveryCaseIsTold(t *testing.T) {
	told := map[int]bool{}
	for _, d := range readDialogues(t) {
		for _, number := range d.cases {
			told[number] = true
		}
	}
	list, err := os.ReadFile("testdata/bayeux/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	next := 1
	for line := range strings.Lines(string(list)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		number, rest, _ := strings.Cut(line, " ")
		if number != strconv.Itoa(next) {
			t.Fatalf("case %d is not in the list, but %q", next, line)
		}
		_, elsewhere, has := strings.Cut(rest, " | ")
		switch {
		case has:
			checkProof(t, next, elsewhere)
		case !told[next]:
			t.Errorf("case %d has no dialogue: %s", next, rest)
		}
		next++
	}
	if next != 211 {
		t.Errorf("the list ends with case %d", next-1)
	}
}

// checkProof checks that what the list names as the proof of a case is there: tests, each as "file: name" and divided by
// semicolons, or the reason why there is none, as "differs: reason".
func checkProof(t *testing.T, number int, proofs string) {
	t.Helper()
	for proof := range strings.SplitSeq(proofs, "; ") {
		file, name, ok := strings.Cut(proof, ": ")
		if !ok {
			t.Errorf("case %d: %q is neither a test nor a reason", number, proof)
		}
		if file == "differs" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Errorf("case %d: %v", number, err)
		} else if !strings.Contains(string(text), name) {
			t.Errorf("case %d: %s has no %q", number, file, name)
		}
	}
}
