// Package openapitest checks handlers against the OpenAPI document that describes them: whether every response is one that
// the document has, and whether the routes are those of its operations. It is for tests only.
package openapitest
