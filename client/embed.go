package client

import (
	"embed"
	"errors"
	"io/fs"
)

// The pattern leaves out the npm package, which is built into the same folder, and always matches the placeholder.
//
//go:embed dist/*.js*
var dist embed.FS

// Script returns client.js and its source map. Where the client was not built, js is a script that throws an error that
// says so, sourceMap is nil, and built is false. The slices are the caller's.
func Script() (js, sourceMap []byte, built bool) { return script(dist) }

func script(files fs.FS) (js, sourceMap []byte, built bool) {
	js, err := fs.ReadFile(files, "dist/client.js")
	if errors.Is(err, fs.ErrNotExist) {
		js, err = fs.ReadFile(files, "dist/placeholder.js")
		if err != nil {
			panic("client: " + err.Error()) // embedded: it can't be missing
		}
		return js, nil, false
	}
	sourceMap, mapErr := fs.ReadFile(files, "dist/client.js.map")
	if err := errors.Join(err, mapErr); err != nil {
		panic("client: " + err.Error()) // the build makes both
	}
	return js, sourceMap, true
}
