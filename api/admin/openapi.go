package admin

import _ "embed" // openapi.json

// OpenAPI is the OpenAPI 3.1 document of the admin API.
//
//go:embed openapi.json
var OpenAPI []byte
