package login

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// MinSecret is how long the secret of a Sealer must be at least, in bytes.
const MinSecret = 16

// maxSealed bounds what Open looks at, in bytes.
const maxSealed = 8 << 10

// Sealer encrypts and authenticates short texts (AES-256-GCM). Those of one secret and purpose open each other's. It is
// safe for concurrent use.
type Sealer struct {
	aead cipher.AEAD
	mac  []byte // of Handle's nonces
}

// NewSealer returns a Sealer whose keys are derived from secret, which must not be guessable; the purpose keeps what is
// sealed for one thing from being taken for another.
func NewSealer(secret []byte, purpose string) (*Sealer, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("secret has %d bytes: it needs %d", len(secret), MinSecret)
	}
	keys, err := hkdf.Key(sha256.New, secret, nil, "pandapush "+purpose, 64)
	if err != nil {
		return nil, fmt.Errorf("derive keys: %w", err)
	}
	block, err := aes.NewCipher(keys[:32])
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	return &Sealer{aead, keys[32:]}, nil
}

// Seal returns text that Open turns back into plain, and that nobody else can read or make. It differs each time.
func (s *Sealer) Seal(plain []byte) string {
	nonce := make([]byte, s.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails: it crashes the program instead
	return s.seal(nonce, plain)
}

// Handle is Seal with the same text each time, so that it can serve as a name.
func (s *Sealer) Handle(plain string) string {
	h := hmac.New(sha256.New, s.mac)
	_, _ = h.Write([]byte(plain)) // a hash never fails
	return s.seal(h.Sum(nil)[:s.aead.NonceSize()], []byte(plain))
}

func (s *Sealer) seal(nonce, plain []byte) string {
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, plain, nil))
}

// Open returns what Seal or Handle was given. ok is false for what is not from there.
func (s *Sealer) Open(sealed string) (plain []byte, ok bool) {
	if len(sealed) > maxSealed {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(raw) < s.aead.NonceSize() {
		return nil, false
	}
	plain, err = s.aead.Open(nil, raw[:s.aead.NonceSize()], raw[s.aead.NonceSize():], nil)
	return plain, err == nil
}
