package db

import (
	"crypto/rand"
	"strings"

	"github.com/pandapush/pandapush"
)

const (
	alphanumerics = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

	appIDLength  = 20
	keyIDPrefix  = "PSID"
	keyIDLength  = 20 // with the prefix
	secretLength = 256
)

func newAppID() pandapush.AppID { return pandapush.AppID(randomText(appIDLength)) }

func newKeyID() pandapush.KeyID {
	return pandapush.KeyID(keyIDPrefix + randomText(keyIDLength-len(keyIDPrefix)))
}

func newSecret() pandapush.Secret { return pandapush.Secret(randomText(secretLength)) }

// randomText returns n letters and digits, each equally likely.
func randomText(n int) string {
	// Bytes from the largest multiple of the alphabet's length on are left out, or its first letters would be likelier.
	const fair = 256 - 256%len(alphanumerics)
	var b strings.Builder
	b.Grow(n)
	buffer := make([]byte, n+n/16+1)
	for {
		_, _ = rand.Read(buffer) // never fails; documented to crash the program instead
		for _, random := range buffer {
			if int(random) >= fair {
				continue
			}
			b.WriteByte(alphanumerics[int(random)%len(alphanumerics)])
			if b.Len() == n {
				return b.String()
			}
		}
	}
}
