// Package transaction carries the platform's transaction id from a request of the platform to the calls that we make to
// the platform while it waits (docs/reference/aps-protocol.md §1.3).
package transaction

import "context"

type key struct{}

// With returns a context whose calls to the platform take part in the transaction with this id. Background work has none.
func With(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, key{}, id)
}

// ID returns the transaction id of ctx, or "".
func ID(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}
