package bayeux

import (
	"crypto/rand"
	"math/big"
	"strings"
)

const (
	clientIDBytes  = 20 // 160 bits
	clientIDLength = 31 // digits of such a number in base 36
)

// NewClientID returns the name of a new session: 160 random bits in base 36, which is all that protects it.
func NewClientID() string {
	var random [clientIDBytes]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	digits := new(big.Int).SetBytes(random[:]).Text(36)
	return strings.Repeat("0", clientIDLength-len(digits)) + digits
}

// ValidClientID reports whether id has the form of a session's name. It must be asked before any look-up.
func ValidClientID(id string) bool {
	for i := range len(id) {
		if !isDigit(id[i]) && (id[i] < 'a' || id[i] > 'z') {
			return false
		}
	}
	return len(id) == clientIDLength
}
