package api

import (
	"regexp"
)

var parameter = regexp.MustCompile(`:(\w+)`)

// Routes returns the routes as method and path, with parameters as OpenAPI has them.
func Routes() []string {
	var all []string
	for _, r := range routes() {
		all = append(all, r.method+" "+parameter.ReplaceAllString(r.path, "{$1}"))
	}
	return all
}
