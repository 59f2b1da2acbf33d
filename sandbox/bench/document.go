package bench

import "context"

// Write.
func (g *Ground) Write(ctx context.Context, document string, rows []Row) error { return nil }
