package api

import (
	_ "embed" // openapi.json
	"net/http"
)

// OpenAPI is the description of this API, as OpenAPI 3.1 in JSON.
//
//go:embed openapi.json
var OpenAPI []byte

// openAPI is GET /openapi.json. Pages of any origin may read it: tools that show such documents are often pages.
func openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	send(w, http.StatusOK, typeJSON, OpenAPI)
}
